//! Plugins: what there is, and what they say of themselves.

use axum::Json;
use axum::extract::State;
use pawl_core::Digest;
use pawl_core::guard::covers;
use pawl_core::plugin::{PluginKind, PluginPin};
use pawl_engine::{Asked, PluginEntry};
use serde_json::{Map, Value, json};

use super::{Path, Rejections};
use crate::Problem;
use crate::app::App;
use crate::caller::Caller;
use crate::documents::{PluginDetail, PluginPage};

fn entry(entry: &PluginEntry) -> Map<String, Value> {
    let digest = (!entry.bytes.is_empty()).then(|| Digest::of(&entry.bytes));
    let fields = [
        ("name", json!(entry.name)),
        ("origin", json!(entry.origin)),
        ("digest", json!(digest)),
        ("signed", entry.signature.is_some().into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whether runs of the caller's namespace may be granted a plugin. One that does not load is there for nobody who is
/// bounded.
async fn is_granted(app: &App, caller: &Caller, entry: &PluginEntry) -> bool {
    let most = app.engine.policy_of(&caller.namespace).grants;
    // Who is bound to no namespace is shown what there is, and not what it would be granted.
    if !caller.is_scoped || most.tools.is_none() && most.agents.is_none() {
        return true;
    }
    let of_plugin = format!("{}.", entry.name);
    match app.engine.plugin_kind(entry).await {
        Err(_) => false,
        Ok(PluginKind::Agent) => most.lets_agent(&entry.name),
        Ok(PluginKind::Tool) => most.tools.is_none_or(|tools| {
            tools.iter().any(|tool| covers(tool, &of_plugin) || tool.starts_with(&of_plugin))
        }),
    }
}

/// Every plugin that can be used by name; of a tenant, those that it may be granted.
#[utoipa::path(get, path = "/v1/plugins", operation_id = "list_plugins", tag = "plugins", responses(
    (status = 200, description = "all of them", body = PluginPage),
    Rejections,
))]
pub(crate) async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let all = app.engine.plugins().await?;
    let mut items = Vec::new();
    for one in &all {
        if is_granted(&app, &caller, one).await {
            items.push(entry(one));
        }
    }
    Ok(Json(json!({ "items": items, "next": null })))
}

/// A plugin: what it imports, what it may be granted, what it offers, how it did of late.
#[utoipa::path(get, path = "/v1/plugins/{name}", operation_id = "show_plugin", tag = "plugins", params(
    ("name" = String, Path, description = "its name"),
), responses(
    (status = 200, description = "the plugin", body = PluginDetail),
    (status = 404, description = "there is none", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "it cannot be loaded", body = Problem, content_type = "application/problem+json"),
    Rejections,
))]
pub(crate) async fn show(
    State(app): State<App>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let all = app.engine.plugins().await?;
    let found = all.iter().find(|entry| entry.name == name);
    let found = found.ok_or_else(|| Problem::not_found("plugin", &name))?;
    if !is_granted(&app, &caller, found).await {
        return Err(Problem::not_found("plugin", &name));
    }
    let pin = app.engine.describe_plugin(found).await?;
    let imports = if found.bytes.is_empty() { Vec::new() } else { app.engine.plugin_imports(found).await? };
    let mut document = entry(found);
    document.insert("kind".to_owned(), pin.description.kind().name().into());
    document.insert("imports".to_owned(), json!(imports));
    document.insert("grants".to_owned(), grants(&app, &caller, found).await?);
    document.insert("description".to_owned(), json!(pin.description));
    document.insert("standing".to_owned(), standing(&app, found, &pin).await.into());
    Ok(Json(document.into()))
}

/// What it asks for, the most of each that the operator lets steps of the caller's namespace grant it, and what was
/// accepted of it. Steps grant within that.
async fn grants(app: &App, caller: &Caller, entry: &PluginEntry) -> Result<Value, Problem> {
    let asked = app.engine.plugin_asks(entry).await?;
    let policy = app.engine.policy_of(&caller.namespace);
    let bounds = json!(policy.grants);
    let most = asked.asks.needs.iter().map(|need| {
        // Folders are those that the operator names, and no others, also where nothing bounds them further.
        let bound = match need.as_str() {
            "files" => bounds.get(need).cloned().unwrap_or_else(|| json!(policy.files)),
            _ => bounds.get(need).cloned().unwrap_or(Value::Null),
        };
        (need.clone(), bound)
    });
    let most: Map<_, _> = most.collect();
    let Asked { asks, acceptance, accepted, more } = &asked;
    Ok(json!({ "asks": asks, "most": most, "acceptance": acceptance, "accepted": accepted, "more": more }))
}

/// How it stands among those that offer the same.
async fn standing(app: &App, entry: &PluginEntry, pin: &PluginPin) -> Vec<Value> {
    let entries = app.engine.standing_of(entry, pin).await.into_iter().map(|(capability, candidate)| {
        let mut document = json!(candidate);
        document["capability"] = capability.into();
        document
    });
    entries.collect()
}
