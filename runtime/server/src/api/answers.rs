//! The answers that many paths have in common, for the document of the API.

use std::collections::BTreeMap;

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::{Content, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoResponses, openapi};

use crate::problem::RETRY_AFTER_S;

/// Answers by status.
pub(crate) type Answers = BTreeMap<String, RefOr<Response>>;

fn problem(description: &str) -> ResponseBuilder {
    let schema = Ref::from_schema_name("Problem");
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", Content::new(Some(schema)))
}

fn later(description: &str) -> Response {
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(RETRY_AFTER_S));
    let header: openapi::Header =
        HeaderBuilder::new().schema(seconds).description(Some("seconds after which to ask again")).build();
    problem(description).header("Retry-After", header).build()
}

fn answers<const N: usize>(all: [(&str, Response); N]) -> Answers {
    all.into_iter().map(|(status, answer)| (status.to_owned(), answer.into())).collect()
}

/// How a request is answered that was meant for another server.
pub(crate) fn misdirected() -> Answers {
    answers([("421", problem("the host that it names is not this server").build())])
}

/// How a request may be refused before anybody looks at what it asks.
pub(crate) fn refused_at_the_door() -> Answers {
    let text = ObjectBuilder::new().schema_type(Type::String);
    let scheme = HeaderBuilder::new().schema(text).description(Some("`Bearer`")).build();
    answers([
        ("400", problem("the request cannot be read").build()),
        ("401", problem("who asks is not known").header("WWW-Authenticate", scheme).build()),
        ("403", problem("the caller may not").build()),
        ("404", problem("there is no such namespace, or it is not the caller's").build()),
        ("429", later("too much is under way; nothing has changed")),
        ("503", later("the server ends, or the store fails")),
    ])
}

/// How a request that reads may be refused.
pub(crate) struct Rejections;

impl IntoResponses for Rejections {
    fn responses() -> Answers {
        answers([("400", problem("a parameter cannot be read").build())])
    }
}

/// How a request that changes something may be refused.
pub(crate) struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> Answers {
        let mut all = Rejections::responses();
        all.extend(answers([
            ("408", problem("the body came too slowly").build()),
            ("409", problem("it is not taken where things stand; nothing has changed").build()),
            ("413", problem("the body is too long").build()),
            ("415", problem("the body is not JSON").build()),
            ("422", problem("it was understood, and does not fit").build()),
            ("507", problem("the store is full").build()),
        ]));
        all
    }
}
