//! Which path is answered by what. The document of the API is made of the same list.

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{Html, Json};
use axum::routing::{get, post};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::{
    approvals, health, inbox, metrics, pages, plugins, runs, system, topics, upgrades, workflows,
};
use crate::app::App;
use crate::console;
use crate::guard::guard;
use crate::identity::routes as identity;
use crate::limits;
use crate::links::routes as links;
use crate::problem::{Code, Problem};
use crate::{access, stream, trace};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "pawl",
        description = "Durable agent workflows: runs, their journals, and what waits for people. What is refused is \
                       answered as RFC 9457 says, with a code that has a page at /problems."
    ),
    components(schemas(Problem))
)]
struct Document;

fn documented() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .merge(of_runs())
        .routes(routes!(stream::changes))
        .routes(routes!(approvals::list))
        .routes(routes!(stream::inbox))
        .routes(routes!(approvals::show))
        .routes(routes!(approvals::history))
        .routes(routes!(approvals::decide))
        .routes(routes!(inbox::claim))
        .routes(routes!(inbox::release))
        .routes(routes!(inbox::delegate))
        .routes(routes!(inbox::comment))
        .routes(routes!(workflows::check))
        .routes(routes!(workflows::list, workflows::register))
        .routes(routes!(workflows::show))
        .routes(routes!(workflows::version))
        .routes(routes!(workflows::activate))
        .routes(routes!(upgrades::check))
        .routes(routes!(upgrades::apply))
        .routes(routes!(plugins::list))
        .routes(routes!(plugins::show))
        .routes(routes!(topics::publish))
        .routes(routes!(system::system))
        .routes(routes!(links::make))
        .routes(routes!(links::look, links::answer))
        .routes(routes!(identity::me))
        .routes(routes!(identity::tokens, identity::make_token))
        .routes(routes!(identity::revoke_token))
        .routes(routes!(identity::namespaces, identity::set_namespace))
}

fn of_runs() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::show))
        .routes(routes!(runs::journal))
        .routes(routes!(runs::graph))
        .routes(routes!(runs::usage))
        .routes(routes!(runs::workflow))
        .routes(routes!(stream::run))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::suspend))
        .routes(routes!(runs::resume))
        .routes(routes!(runs::retry))
        .routes(routes!(runs::rerun))
        .routes(routes!(runs::fork))
        .routes(routes!(runs::signal))
}

/// The `OpenAPI` document of what is served to those who say who they are.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = documented().into_openapi();
    access::describe(&mut document, true);
    document
}

/// Answers everything.
pub(crate) fn router(app: App) -> Router {
    let (api, mut document) = documented().split_for_parts();
    access::describe(&mut document, app.is_identity_required);
    let reference = pages::reference(&document);
    api.route("/openapi.json", get(async move || Json(document)))
        .route("/docs", get(async move || Html(reference)))
        .route("/problems", get(pages::problems))
        .route("/problems/{code}", get(pages::problem))
        // The document has topics as one part of the path: OpenAPI knows no others.
        .route("/v1/topics/{topic}/{*rest}", post(topics::publish_below))
        .method_not_allowed_fallback(async || {
            Problem::of(Code::NoSuchMethod, "the header Allow names those that it takes")
        })
        .merge(console::routes())
        .fallback(async || Problem::no_such_path())
        .layer(from_fn_with_state(app.clone(), limits::bound))
        // Around everything, the fallback too: no path is reached beside it.
        .layer(from_fn_with_state(app.clone(), guard))
        .layer(axum::middleware::from_fn(trace::logged))
        .with_state(app)
}
