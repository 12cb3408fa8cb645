//! `template`: renders texts from templates (the language is Jinja, by minijinja).

use pawl_plugin::prelude::*;

mod render;

export_tools![Tool::pure("render", "Renders a text from a template (Jinja) and data.", render::render)];
