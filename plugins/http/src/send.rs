//! Sends a request, follows where it is sent on to, and judges the answer.

use pawl_plugin::http as network;
use pawl_plugin::prelude::*;

use crate::answer::{Answer, Received};
use crate::redirect;
use crate::request::Request;
use crate::status::{self, Outcome};

/// How much of a body stands in the details of a failure.
const BODY_SHOWN_BYTES: usize = 4 << 10;

pub(crate) fn send(request: Request) -> Result<Answer, Failure> {
    follow(request, &over_the_network)
}

fn over_the_network(request: &Request) -> Result<Received, Failure> {
    let mut sent = network::request(&request.method, &request.url).body_max_bytes(request.response_max_bytes);
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    for (name, kept) in &request.secrets {
        sent = sent.header(name, &format!("{}{}", kept.prefix, secrets::get(&kept.secret)?));
    }
    if let Some(body) = &request.body {
        sent = sent.body(body.clone());
    }
    if let Some(timeout) = request.timeout {
        sent = sent.timeout(timeout);
    }
    let response = sent.send()?;
    Ok(Received { status: response.status, headers: response.headers, body: response.body })
}

type Network<'a> = dyn Fn(&Request) -> Result<Received, Failure> + 'a;

fn follow(mut request: Request, network: &Network<'_>) -> Result<Answer, Failure> {
    // Whether something was done before the request that is under way: then no failure is certain.
    let mut is_done = false;
    let mut redirects = 0;
    loop {
        let open = |failure: Failure, is_open: bool| if is_open { failure.ambiguous() } else { failure };
        let received = network(&request).map_err(|failure| open(failure, is_done))?;
        if request.on_status.said(received.status).is_none()
            && let Some(next) =
                redirect::next(&request, &received).map_err(|failure| open(failure, is_done))?
        {
            if redirects == request.redirects {
                let what = format!(
                    "status {} sends on to {} after {redirects} redirects; `redirects` says how many are followed",
                    received.status, next.url
                );
                return Err(open(request.failure(FailureKind::Permanent, &what), is_done));
            }
            redirects += 1;
            is_done |= request.changes() && next.method != request.method;
            request = next;
            continue;
        }
        return judge(&request, &received, is_done);
    }
}

fn judge(request: &Request, received: &Received, is_done: bool) -> Result<Answer, Failure> {
    let status = received.status;
    let said = request.on_status.said(status);
    let kind = match said.unwrap_or_else(|| status::usual(status)) {
        Outcome::Accept => {
            let body = received.read(request.expect).map_err(|what| {
                let failure =
                    request.failure(FailureKind::Permanent, &format!("status {status}, but {what}"));
                if is_done || request.changes() { failure.ambiguous() } else { failure }
            })?;
            return Ok(Answer { status, url: request.url.clone(), headers: received.all_headers(), body });
        }
        Outcome::Transient => FailureKind::Transient,
        Outcome::Permanent => FailureKind::Permanent,
        Outcome::Denied => FailureKind::Denied,
    };
    let advice = match kind {
        FailureKind::Transient => "the step's `retry` tries again",
        FailureKind::Denied => "look at the credentials in `headers`",
        FailureKind::InvalidInput | FailureKind::Permanent => {
            "to take it as a result, name it in `on_status`"
        }
    };
    let beginning = &received.body[..received.body.len().min(BODY_SHOWN_BYTES)];
    let details = json!({ "status": status, "url": request.url, "body": String::from_utf8_lossy(beginning) });
    let mut failure =
        request.failure(kind, &format!("the answer was status {status}; {advice}")).details(details);
    failure.retry_after =
        status::retry_after(received.header("retry-after").as_deref(), received.header("date").as_deref());
    let is_open = said.is_none() && request.changes() && status::is_open(status);
    Err(if is_done || is_open { failure.ambiguous() } else { failure })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;
    use crate::request::Any;

    fn request(method: &str, more: Value) -> Request {
        let mut input = json!({ "method": method, "url": "https://a.test/x" });
        input.as_object_mut().unwrap().append(more.clone().as_object_mut().unwrap());
        serde_json::from_value::<Any>(input).unwrap().into_request().unwrap()
    }

    fn received(status: u16, headers: &[(&str, &str)]) -> Received {
        let headers =
            headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
        Received { status, headers, body: b"said".to_vec() }
    }

    /// Sends to a server that gives one answer after the other; also what it was asked.
    fn exchange(request: Request, answers: &[Received]) -> (Result<Answer, Failure>, Vec<Request>) {
        let asked = RefCell::new(Vec::new());
        let network = |request: &Request| {
            asked.borrow_mut().push(request.clone());
            answers.get(asked.borrow().len() - 1).cloned().ok_or_else(|| Failure::transient("cut off"))
        };
        let answer = follow(request, &network);
        (answer, asked.into_inner())
    }

    #[test]
    fn statuses_become_failures_by_who_can_act() {
        let cases = [
            ("GET", 404, json!({}), FailureKind::Permanent, false),
            ("GET", 403, json!({}), FailureKind::Denied, false),
            ("GET", 429, json!({}), FailureKind::Transient, false),
            ("GET", 503, json!({}), FailureKind::Transient, false),
            ("POST", 404, json!({}), FailureKind::Permanent, false),
            ("POST", 429, json!({}), FailureKind::Transient, false),
            ("POST", 503, json!({}), FailureKind::Transient, true),
            ("PATCH", 408, json!({}), FailureKind::Transient, true),
            ("POST", 503, json!({ "503": "transient" }), FailureKind::Transient, false),
            ("POST", 200, json!({ "2xx": "denied" }), FailureKind::Denied, false),
            ("GET", 409, json!({ "4xx": "transient" }), FailureKind::Transient, false),
            ("GET", 302, json!({}), FailureKind::Permanent, false),
        ];
        for (method, status, on_status, kind, is_ambiguous) in cases {
            let request = request(method, json!({ "on_status": on_status }));
            let failure = exchange(request, &[received(status, &[])]).0.unwrap_err();
            assert_eq!(
                (failure.kind, failure.is_ambiguous),
                (kind, is_ambiguous),
                "{method} {status} {on_status}"
            );
            assert_eq!(failure.details.as_ref().unwrap()["body"], json!("said"));
        }
        let (answer, _) =
            exchange(request("GET", json!({ "on_status": { "404": "accept" } })), &[received(404, &[])]);
        assert_eq!(answer.unwrap().body, json!("said"));
        let limited = received(429, &[("retry-after", "7")]);
        let failure = exchange(request("GET", json!({})), &[limited]).0.unwrap_err();
        assert_eq!(failure.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn redirects_are_followed_as_browsers_do_it() {
        let cases = [
            ("GET", 301, "GET", false),
            ("HEAD", 303, "HEAD", false),
            ("POST", 302, "GET", false),
            ("POST", 303, "GET", false),
            ("POST", 307, "POST", true),
            ("PUT", 301, "PUT", true),
            ("PUT", 303, "GET", false),
        ];
        for (method, status, then, has_body) in cases {
            let body = if method.starts_with('P') { json!({ "text": "x" }) } else { json!({}) };
            let answers = [received(status, &[("location", "/y")]), received(200, &[])];
            let (answer, asked) = exchange(request(method, body), &answers);
            assert_eq!(answer.unwrap().url, "https://a.test/y");
            assert_eq!(
                (asked[1].method.as_str(), asked[1].body.is_some()),
                (then, has_body),
                "{method} {status}"
            );
        }
    }

    #[test]
    fn header_fields_stay_with_their_host() {
        let headers = json!({
            "headers": { "Authorization": "secret", "X-Key": "secret", "Accept": "a/b" },
            "secrets": { "X-Kept": { "secret": "stripe" } },
        });
        let names = |location: &str| {
            let answers = [received(302, &[("location", location)]), received(200, &[])];
            let (_, asked) = exchange(request("GET", headers.clone()), &answers);
            assert_eq!(asked[1].secrets.is_empty(), asked[1].headers.len() == 1, "they stay behind as well");
            asked[1].headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names("https://A.test:443/y"), ["Accept", "Authorization", "X-Key"]);
        assert_eq!(names("https://b.test/"), ["Accept"]);
        assert_eq!(names("https://a.test:444/"), ["Accept"]);
    }

    #[test]
    fn redirects_end_where_they_must() {
        let on = |location: &str| received(302, &[("location", location)]);
        let fails =
            |more: Value, answers: &[Received]| exchange(request("GET", more), answers).0.unwrap_err();
        let many = fails(json!({ "redirects": 1 }), &[on("/y"), on("/z")]);
        assert!(
            many.message.ends_with("after 1 redirects; `redirects` says how many are followed"),
            "{many}"
        );
        assert!(fails(json!({ "redirects": 0 }), &[on("/y")]).message.contains("after 0 redirects"));
        let plain = fails(json!({}), &[on("http://a.test/")]);
        assert_eq!(plain.kind, FailureKind::Denied);
        assert!(fails(json!({}), &[on("mailto:x@a.test")]).message.contains("no URL of HTTP"));
        let (answer, _) = exchange(request("GET", json!({ "on_status": { "302": "accept" } })), &[on("/y")]);
        assert_eq!(answer.unwrap().headers["location"], "/y");
    }

    #[test]
    fn what_was_done_before_a_redirect_leaves_no_failure_certain() {
        let on = received(303, &[("location", "/result")]);
        let fails = |answers: &[Received]| exchange(request("POST", json!({})), answers).0.unwrap_err();
        assert!(fails(&[on.clone()]).is_ambiguous, "cut off");
        assert!(fails(&[on.clone(), received(404, &[])]).is_ambiguous);
        let json = received(200, &[("content-type", "application/json")]);
        assert!(fails(&[json]).is_ambiguous, "no JSON");
        let repeated = received(307, &[("location", "/y")]);
        assert!(!fails(&[repeated, received(404, &[])]).is_ambiguous);
    }
}
