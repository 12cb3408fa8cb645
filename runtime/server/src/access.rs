//! What the document of the API says of who may ask: how they say who they are, and how those are answered who may not.
//! It is read off the table that the guard goes by, so that one cannot say something else than the other.

use axum::http::Method;
use pawl_core::{NAMESPACE_MAX_BYTES, Namespace};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ObjectBuilder, OpenApi, PathItem, Required, Type};

use crate::api::{Answers, misdirected, refused_at_the_door};
use crate::caller::NAMESPACE_HEADER;
use crate::guard::{Need, need};

/// The name of the scheme.
const TOKEN: &str = "token";

/// Says of each operation whether it needs a token, and what becomes of whoever has none or the wrong one. Where nobody
/// is asked who they are, a token may be left away.
pub(crate) fn describe(document: &mut OpenApi, is_identity_required: bool) {
    let token = SecurityRequirement::new(TOKEN, Vec::<String>::new());
    let none = (!is_identity_required).then(SecurityRequirement::default);
    let asked: Vec<_> = [token].into_iter().chain(none).collect();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "a token of `pawl token create` or of the issuer; on loopback without identity, none is needed",
    ));
    let components = document.components.get_or_insert_with(Components::new);
    components.security_schemes.insert(TOKEN.to_owned(), SecurityScheme::Http(bearer.build()));
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            let answers = &mut operation.responses.responses;
            add(answers, misdirected());
            if need(&method, path).is_none_or(|need| need == Need::Public) {
                operation.security = Some(Vec::new());
                continue;
            }
            add(answers, refused_at_the_door());
            operation.security = Some(asked.clone());
            operation.parameters.get_or_insert_default().push(namespace());
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (Method, &mut Operation)> {
    let all = [
        (Method::GET, &mut item.get),
        (Method::POST, &mut item.post),
        (Method::PUT, &mut item.put),
        (Method::DELETE, &mut item.delete),
        (Method::PATCH, &mut item.patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

/// What an operation says itself stays as it is.
fn add(answers: &mut Answers, more: Answers) {
    for (status, answer) in more {
        answers.entry(status).or_insert(answer);
    }
}

fn namespace() -> Parameter {
    let pattern = format!("^[a-z][a-z0-9-]{{0,{}}}$", NAMESPACE_MAX_BYTES - 1);
    let name = ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern));
    ParameterBuilder::new()
        .name(NAMESPACE_HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("the namespace that is meant, for callers who are bound to none"))
        .schema(Some(name))
        .example(Some(Namespace::default().as_str().into()))
        .build()
}
