//! Pages for people: what a problem's code means, and the document of the API to read.

use axum::response::{Html, IntoResponse, Response};

use super::Path;
use crate::Problem;
use crate::problem::Code;

/// What a code means.
pub(crate) async fn problem(Path(name): Path<String>) -> Response {
    let Some(code) = Code::named(&name) else { return Problem::no_such_path().into_response() };
    let (title, status, page) = (code.title(), code.status(), code.page());
    let body = format!("<h1>{name}</h1><p>{status}: {title}.</p><p>{}</p>", told(page));
    Html(whole(&name, &body)).into_response()
}

/// All codes.
pub(crate) async fn problems() -> Html<String> {
    let rows = Code::ALL.iter().map(|code| {
        let (name, status, title) = (code.name(), code.status().as_u16(), code.title());
        format!("<tr><td>{status}</td><td><a href=\"/problems/{name}\">{name}</a></td><td>{title}</td></tr>")
    });
    Html(whole("Problems", &format!("<h1>Problems</h1><table>{}</table>", rows.collect::<String>())))
}

/// The pages of codes are written as comments, with marks around what is code.
fn told(page: &str) -> String {
    let text: Vec<_> = page.lines().map(str::trim).collect();
    let parts = text.join(" ");
    let mut is_code = false;
    let mut html = String::new();
    for part in parts.split('`') {
        let part = escaped(part);
        html.extend([if is_code { format!("<code>{part}</code>") } else { part }]);
        is_code = !is_code;
    }
    html
}

/// Text as it stands in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A whole page.
pub(crate) fn whole(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>{title} - pawl</title><main>{body}</main></html>"
    )
}

/// The document of the API, to read: without scripts, so that no rule for pages stands in its way.
pub(crate) fn reference(document: &utoipa::openapi::OpenApi) -> String {
    let mut body = String::from(
        "<h1>The API of pawl</h1><p>For programs: <a href=\"/openapi.json\">/openapi.json</a>. \
         What is refused: <a href=\"/problems\">problems</a>.</p>",
    );
    for (path, item) in &document.paths.paths {
        let operations =
            [("GET", &item.get), ("POST", &item.post), ("DELETE", &item.delete), ("PUT", &item.put)];
        for (method, operation) in operations {
            let Some(operation) = operation else { continue };
            let said = [&operation.summary, &operation.description];
            let said: Vec<_> = said.into_iter().flatten().map(|text| told(text)).collect();
            body.extend([format!("<h2>{method} {}</h2><p>{}</p><ul>", escaped(path), said.join(" "))]);
            for parameter in operation.parameters.iter().flatten() {
                let text = parameter.description.as_deref().unwrap_or_default();
                body.extend([format!("<li><code>{}</code> {}</li>", escaped(&parameter.name), told(text))]);
            }
            body.push_str("</ul><table>");
            for (status, answer) in &operation.responses.responses {
                let utoipa::openapi::RefOr::T(answer) = answer else { continue };
                body.extend([format!("<tr><td>{status}</td><td>{}</td></tr>", told(&answer.description))]);
            }
            body.push_str("</table>");
        }
    }
    whole("API", &body)
}
