//! `pawl plugin list` and `inspect` of the plugins of a server.

use pawl_core::plugin::{Description, PluginOrigin};
use serde::Deserialize;
use serde_json::Value;

use super::inspect::describe;
use crate::backend::Api;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::inspect;
use crate::output::{Output, table};
use crate::summary::one_line;

/// What the server says of a plugin.
#[derive(Debug, Deserialize)]
struct Shown {
    name: String,
    kind: String,
    origin: PluginOrigin,
    digest: Option<String>,
    #[serde(default)]
    signed: bool,
    imports: Vec<String>,
    description: Description,
}

impl Shown {
    fn read(document: &Value) -> Result<Self, Fault> {
        serde_json::from_value(document.clone()).map_err(|error| {
            Fault::failed(format!("the server gave an answer that does not fit: {error}"))
                .hint("check that --server names a server of this version of pawl")
        })
    }
}

/// What the server says of all of them at once. What each gives it would have to compile them for, one by one.
pub(super) async fn list(api: &Api, out: Output) -> Result<Exit, Fault> {
    let plugins = api.plugins().await?;
    let text = |plugin: &Value, name: &str| plugin[name].as_str().unwrap_or_default().to_owned();
    let rows = plugins.iter().map(|plugin| {
        let digest = text(plugin, "digest").chars().take(12).collect();
        let origin = serde_json::from_value::<PluginOrigin>(plugin["origin"].clone());
        let from = origin.as_ref().map(inspect::origin).unwrap_or_default();
        let signed = if plugin["signed"] == true { "yes" } else { "no" };
        [text(plugin, "name"), digest, one_line(&from), signed.to_owned()]
    });
    out.text(&table(["name", "digest", "from", "signed"], rows));
    out.document(&plugins.iter().cloned().collect());
    Ok(Exit::Ok)
}

pub(super) async fn inspect(api: &Api, name: &str, out: Output) -> Result<Exit, Fault> {
    let document = api.plugin(name).await?;
    let shown = Shown::read(&document)?;
    out.document(&document);
    let mut lines = vec![
        format!("{}: a plugin of kind {}", one_line(&shown.name), one_line(&shown.kind)),
        format!("from    {}", inspect::origin(&shown.origin)),
        format!("digest  {}", shown.digest.as_deref().unwrap_or("none")),
        format!("signed  {}", if shown.signed { "yes" } else { "no" }),
        String::new(),
        "imports".to_owned(),
    ];
    lines.extend(shown.imports.iter().map(|import| format!("  {}", one_line(import))));
    describe(&shown.name, &shown.description, &mut lines);
    out.text(&lines.join("\n"));
    Ok(Exit::Ok)
}
