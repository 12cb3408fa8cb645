//! What comes back.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pawl_plugin::prelude::*;

/// How a body is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Expect {
    /// As JSON where the answer calls it so, as text otherwise; null if there is none.
    #[default]
    Auto,
    /// As JSON, whatever the answer calls it.
    Json,
    /// As text.
    Text,
    /// As base64.
    Bytes,
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// What was read in the end, after redirects.
    pub(crate) url: String,
    /// By name, in lower case; several of one name are joined by `, `.
    pub(crate) headers: BTreeMap<String, String>,
    /// JSON, a text, bytes in base64, or null.
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(header, _)| header == name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    pub(crate) fn all_headers(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::<_, String>::new();
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value);
            all.entry(name.clone())
                .and_modify(|before| before.push_str(&format!(", {value}")))
                .or_insert_with(|| value.into_owned());
        }
        all
    }

    /// The body as it is expected; otherwise what is wrong with it.
    pub(crate) fn read(&self, expect: Expect) -> Result<Value, String> {
        let kind = self.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        let is_json = kind == "application/json" || kind.ends_with("+json");
        match expect {
            Expect::Auto if self.body.is_empty() => Ok(Value::Null),
            Expect::Auto if is_json => self.json(),
            Expect::Json => self.json(),
            Expect::Auto | Expect::Text => String::from_utf8(self.body.clone())
                .map(Value::from)
                .map_err(|error| format!("the body is no text in UTF-8 ({error}); set `expect: bytes`")),
            Expect::Bytes => Ok(Value::from(STANDARD.encode(&self.body))),
        }
    }

    fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let beginning: String = String::from_utf8_lossy(&self.body).chars().take(80).collect();
            format!(
                "the body is no JSON ({error}); set `expect: text` to see it; it begins with {beginning:?}"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_read_as_they_are_expected() {
        let cases: [(&str, &[u8], Expect, Result<Value, &str>); 10] = [
            ("application/json; charset=utf-8", b"{\"a\":1}", Expect::Auto, Ok(json!({ "a": 1 }))),
            ("application/problem+json", b"[1]", Expect::Auto, Ok(json!([1]))),
            ("text/html", "é".as_bytes(), Expect::Auto, Ok(json!("é"))),
            ("", b"", Expect::Auto, Ok(Value::Null)),
            ("text/plain", b"[1]", Expect::Json, Ok(json!([1]))),
            ("application/json", b"[1]", Expect::Text, Ok(json!("[1]"))),
            ("image/png", &[0xff, 0], Expect::Bytes, Ok(json!("/wA="))),
            ("image/png", &[0xff, 0], Expect::Auto, Err("set `expect: bytes`")),
            ("application/json", b"<p>", Expect::Auto, Err("it begins with \"<p>\"")),
            ("", b"", Expect::Json, Err("the body is no JSON")),
        ];
        for (kind, body, expect, expected) in cases {
            let headers = vec![("content-type".to_owned(), kind.as_bytes().to_vec())];
            let read = Received { status: 200, headers, body: body.to_vec() }.read(expect);
            match expected {
                Ok(value) => assert_eq!(read, Ok(value), "{kind}"),
                Err(what) => assert!(read.clone().unwrap_err().contains(what), "{kind}: {read:?}"),
            }
        }
    }
}
