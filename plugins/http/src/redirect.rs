//! Where an answer sends on to.

use pawl_plugin::prelude::*;

use crate::answer::Received;
use crate::request::Request;
use crate::url;

/// Header fields that another host may see.
const HARMLESS: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];

/// The request that follows, if the answer is a redirect.
pub(crate) fn next(request: &Request, received: &Received) -> Result<Option<Request>, Failure> {
    let status = received.status;
    let location = received.header("location");
    let (301 | 302 | 303 | 307 | 308, Some(location)) = (status, location) else { return Ok(None) };
    let target = url::resolve(&request.url, &location).ok_or_else(|| {
        let what = format!("status {status} sends on to {location:?}, which is no URL of HTTP");
        request.failure(FailureKind::Permanent, &what)
    })?;
    let (from, to) = (url::origin(&request.url), url::origin(&target));
    let scheme = |origin: &Option<(String, String, u16)>| origin.as_ref().map(|(scheme, ..)| scheme.clone());
    if scheme(&from).as_deref() == Some("https") && scheme(&to).as_deref() == Some("http") {
        let what = format!(
            "status {status} sends on to {target}, which is not encrypted; ask there directly if that is meant"
        );
        return Err(request.failure(FailureKind::Denied, &what));
    }
    let mut next = Request { url: target, ..request.clone() };
    if from != to {
        next.headers.retain(|(name, _)| HARMLESS.contains(&name.to_ascii_lowercase().as_str()));
        next.secrets.clear();
    }
    // As browsers do it: 303 asks for the result, and 301 and 302 have meant that for POST.
    let is_result = match request.method.as_str() {
        "GET" | "HEAD" => false,
        "POST" => matches!(status, 301..=303),
        _ => status == 303,
    };
    if is_result {
        "GET".clone_into(&mut next.method);
        next.body = None;
        next.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
    }
    Ok(Some(next))
}
