//! The console: files that are part of the binary, so that nothing has to be built or installed beside it.
//!
//! They are few, they never change while the server runs, and they hold nothing of any run: whoever may reach the
//! server may have them, and what they show comes from the API, which asks who it is.

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use pawl_core::Digest;

use crate::Problem;

/// A file of the console.
struct Asset {
    name: &'static str,
    bytes: &'static [u8],
}

macro_rules! assets {
    ($($name:literal),* $(,)?) => {
        &[$(Asset { name: $name, bytes: include_bytes!(concat!("../console/", $name)) }),*]
    };
}

/// All files. A test compares this with the folder, and with what the files name.
const ASSETS: &[Asset] = assets![
    "api.js",
    "app.js",
    "base.css",
    "format.js",
    "icon.svg",
    "index.html",
    "live.js",
    "pages.css",
    "pages/inbox.js",
    "pages/plugins.js",
    "pages/run.js",
    "pages/runs.js",
    "pages/signin.js",
    "pages/system.js",
    "pages/workflow.js",
    "pages/workflows.js",
    "parts.css",
    "parts/approval.js",
    "parts/form.js",
    "parts/schema.js",
    "parts/small.js",
    "parts/start.js",
    "parts/status.js",
    "parts/value.js",
    "parts/window.js",
    "router.js",
    "run/actions.js",
    "run/graph.js",
    "run/journal.js",
    "run/steps.js",
    "run/story.js",
    "run/talk.js",
    "run/timeline.js",
    "run/waits.js",
    "shell.js",
    "sse.js",
    "theme.js",
    "ui.js",
    "vendor/LICENSES",
    "vendor/dagre.js",
    "vendor/hooks.js",
    "vendor/htm.js",
    "vendor/preact.js",
];

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
/// A browser asks each time whether its copy holds, and is mostly told that it does: no old file meets a new server.
const CACHE: &str = "no-cache";

static TAGS: LazyLock<Vec<HeaderValue>> = LazyLock::new(|| {
    let tag = |asset: &Asset| HeaderValue::from_str(&format!("\"{}\"", Digest::of(asset.bytes)));
    ASSETS.iter().map(|asset| tag(asset).unwrap_or(HeaderValue::from_static("\"\""))).collect()
});

/// `/` and `/console/…`.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(async |headers: HeaderMap| file("index.html", &headers))).route(
        "/console/{*name}",
        get(async |Path(name): Path<String>, headers: HeaderMap| file(&name, &headers)),
    )
}

fn file(name: &str, asked: &HeaderMap) -> Response {
    let Some(at) = ASSETS.iter().position(|asset| asset.name == name) else {
        return Problem::not_found("file of the console", name).into_response();
    };
    let (Some(asset), Some(tag)) = (ASSETS.get(at), TAGS.get(at)) else {
        return Problem::not_found("file of the console", name).into_response();
    };
    let mut response = if is_held(asked, tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(asset.bytes).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind(name)));
        response
    };
    let fixed = [
        (header::CACHE_CONTROL, CACHE),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    response.headers_mut().insert(header::ETAG, tag.clone());
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the browser has this very file.
fn is_held(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let tags = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let mut tags = tags.flat_map(|tags| tags.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    tags.any(|held| held == "*" || held.as_bytes() == tag.as_bytes())
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests;
