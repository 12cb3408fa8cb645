//! `jq`: queries JSON with the language jq (by jaq).

use pawl_plugin::prelude::*;

mod language;
mod native;
mod query;

export_tools![Tool::pure("query", "Queries and reshapes JSON with a jq filter.", query::query)];
