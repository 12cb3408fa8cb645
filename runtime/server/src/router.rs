//! Which path is answered by what. The document of the API is made of the same list.

use axum::Router;
use axum::response::Json;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{approvals, health, metrics, runs};
use crate::app::App;
use crate::problem::Problem;
use crate::{stream, trace};

#[derive(OpenApi)]
#[openapi(info(
    title = "pawl",
    description = "Durable agent workflows: runs, their journals, and what waits for people."
))]
struct Document;

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::journal))
        .routes(routes!(runs::cancel))
        .routes(routes!(stream::run))
        .routes(routes!(stream::changes))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::decide))
}

/// The OpenAPI document of what is served.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

/// Answers everything.
pub(crate) fn router(app: App) -> Router {
    let (api, document) = documented().split_for_parts();
    api.route("/openapi.json", get(async move || Json(document)))
        .fallback(async || Problem::no_such_path())
        .layer(axum::middleware::from_fn(trace::logged))
        .with_state(app)
}
