//! Spans as OTLP has them, in its JSON encoding: what every collector takes at `/v1/traces`.

use serde_json::{Value, json};

use crate::span::{Attribute, Kind, Span};

/// The body of one request.
pub(crate) fn body(resource: &[(String, String)], spans: &[Span]) -> Value {
    let resource: Vec<_> = resource
        .iter()
        .map(|(name, value)| json!({ "key": name, "value": { "stringValue": value } }))
        .collect();
    let spans: Vec<_> = spans.iter().map(span).collect();
    json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{
                "scope": { "name": "pawl", "version": env!("CARGO_PKG_VERSION") },
                "spans": spans,
            }],
        }],
    })
}

fn span(span: &Span) -> Value {
    let mut json = json!({
        "traceId": span.trace.to_string(),
        "spanId": span.id.to_string(),
        "name": span.name,
        "kind": match span.kind { Kind::Internal => 1, Kind::Client => 3 },
        "startTimeUnixNano": nanos(span.start.0),
        "endTimeUnixNano": nanos(span.end.0),
        "attributes": attributes(&span.attributes),
        // The lowest bit says that the trace is recorded.
        "flags": 1,
    });
    if let Some(parent) = span.parent {
        json["parentSpanId"] = parent.to_string().into();
    }
    if let Some(state) = &span.state {
        json["traceState"] = state.as_str().into();
    }
    if !span.notes.is_empty() {
        let notes = span.notes.iter().map(|note| {
            json!({
                "timeUnixNano": nanos(note.at.0),
                "name": note.name,
                "attributes": attributes(&note.attributes),
            })
        });
        json["events"] = notes.collect();
        json["droppedEventsCount"] = span.notes_dropped.into();
    }
    if !span.links.is_empty() {
        let links = span.links.iter().map(|link| {
            json!({
                "traceId": link.trace.to_string(),
                "spanId": link.span.to_string(),
                "attributes": attributes(&[("pawl.link", link.relation.into())]),
            })
        });
        json["links"] = links.collect();
    }
    if span.error.is_some() {
        json["status"] = json!({ "code": 2 });
    }
    json
}

fn attributes(attributes: &[(&'static str, Attribute)]) -> Value {
    let one = |(name, value): &(&'static str, Attribute)| {
        let value = match value {
            Attribute::Text(text) => json!({ "stringValue": text }),
            // 64 bits are a text in the JSON of protobuf.
            Attribute::Whole(number) => json!({ "intValue": number.to_string() }),
            Attribute::List(texts) => {
                let values: Vec<_> = texts.iter().map(|text| json!({ "stringValue": text })).collect();
                json!({ "arrayValue": { "values": values } })
            }
        };
        json!({ "key": name, "value": value })
    };
    attributes.iter().map(one).collect()
}

/// Nanoseconds, as a text.
fn nanos(ms: u64) -> String {
    (u128::from(ms) * 1_000_000).to_string()
}
