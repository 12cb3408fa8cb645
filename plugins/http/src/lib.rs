//! `http`: requests to the hosts that were granted.
//!
//! An effect class belongs to a tool and not to a call, so there is one tool for each promise that a
//! request can make.

use pawl_plugin::prelude::*;

mod answer;
mod redirect;
mod request;
mod send;
mod status;
mod url;

use answer::Answer;
use request::{Any, Get, Keyed, Post, Repeatable};
use send::send;

fn get(_: &Context, input: Get) -> Result<Answer, Failure> {
    send(input.into_request()?)
}

fn put(_: &Context, input: Repeatable) -> Result<Answer, Failure> {
    send(input.into_request("PUT")?)
}

fn delete(_: &Context, input: Repeatable) -> Result<Answer, Failure> {
    send(input.into_request("DELETE")?)
}

fn post(_: &Context, input: Post) -> Result<Answer, Failure> {
    send(input.into_request()?)
}

fn post_keyed(context: &Context, input: Keyed) -> Result<Answer, Failure> {
    send(input.into_request(&context.idempotency_key)?)
}

fn request(_: &Context, input: Any) -> Result<Answer, Failure> {
    send(input.into_request()?)
}

export_tools![
    Tool::pure("get", "GET: asks for what is at a URL.", get),
    Tool::idempotent("put", "PUT: puts something where a URL says; once more changes nothing.", put),
    Tool::idempotent("delete", "DELETE: removes what is at a URL; once more changes nothing.", delete),
    Tool::at_most_once("post", "POST: sends something that must not arrive twice.", post),
    Tool::idempotent("post_keyed", "POST with an idempotency key, for services that honour it.", post_keyed),
    Tool::at_most_once("request", "Any method, such as PATCH; must not arrive twice.", request),
];
