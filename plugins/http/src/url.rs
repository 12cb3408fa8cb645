//! URLs: what they must be, what is added to them, where others lead from them.

use std::collections::BTreeMap;

use fluent_uri::{Uri, UriRef};
use form_urlencoded::Serializer;
use pawl_plugin::prelude::*;

/// A value of a query, or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a number, a boolean or a list of them")]
pub(crate) enum Query {
    One(Scalar),
    Many(Vec<Scalar>),
}

#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text, a number or a boolean")]
pub(crate) enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Boolean(bool),
}

impl Scalar {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
        }
    }
}

/// Names and values as queries and forms have them.
pub(crate) fn encode(query: &BTreeMap<String, Query>) -> String {
    let mut encoded = Serializer::new(String::new());
    for (name, values) in query {
        match values {
            Query::One(value) => drop(encoded.append_pair(name, &value.text())),
            Query::Many(values) => {
                for value in values {
                    encoded.append_pair(name, &value.text());
                }
            }
        }
    }
    encoded.finish()
}

/// The URL with its query, without a fragment.
pub(crate) fn build(url: &str, query: &BTreeMap<String, Query>) -> Result<String, Failure> {
    let wrong = |what: &str| Failure::invalid_input(format!("`url` is {url:?}: {what}"));
    let parsed = Uri::parse(url).map_err(|error| {
        wrong(&format!("{error}; percent-encode what is no plain ASCII, and give what varies in `query`"))
    })?;
    if !is_http(&parsed) {
        return Err(wrong("a URL begins with https:// or http:// and a host"));
    }
    if parsed.authority().is_some_and(|authority| authority.has_userinfo()) {
        return Err(wrong("it carries a name or a password; give them in `headers`"));
    }
    let mut url = parsed.strip_fragment().as_str().to_owned();
    let added = encode(query);
    if !added.is_empty() {
        url.push(if parsed.has_query() { '&' } else { '?' });
        url.push_str(&added);
    }
    Ok(url)
}

fn is_http(url: &Uri<&str>) -> bool {
    let scheme = url.scheme().as_str();
    let has_host = url.authority().is_some_and(|authority| !authority.host().is_empty());
    has_host && (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https"))
}

/// Where `location` leads from `base`.
pub(crate) fn resolve(base: &str, location: &str) -> Option<String> {
    let (base, location) = (Uri::parse(base).ok()?, UriRef::parse(location).ok()?);
    let target = location.resolve_against(&base).ok()?;
    let target = target.strip_fragment();
    let is_plain = !target.authority().is_some_and(|authority| authority.has_userinfo());
    (is_plain && is_http(&target)).then(|| target.as_str().to_owned())
}

/// Scheme, host and port, as they are compared.
pub(crate) fn origin(url: &str) -> Option<(String, String, u16)> {
    let url = Uri::parse(url).ok()?;
    let scheme = url.scheme().as_str().to_ascii_lowercase();
    let authority = url.authority()?;
    let port = authority.port_to_u16().ok()?.unwrap_or(if scheme == "http" { 80 } else { 443 });
    Some((scheme, authority.host().to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(url: &str, query: Value) -> Result<String, String> {
        build(url, &serde_json::from_value(query).unwrap()).map_err(|failure| failure.message)
    }

    #[test]
    fn queries_are_added_and_encoded() {
        let query = json!({ "q": "a b&c=é", "n": 1.5, "on": true, "id": ["x", 2] });
        let encoded = "id=x&id=2&n=1.5&on=true&q=a+b%26c%3D%C3%A9";
        assert_eq!(
            built("https://a.test/x#y", query.clone()).unwrap(),
            format!("https://a.test/x?{encoded}")
        );
        assert_eq!(built("https://a.test?z=1", query).unwrap(), format!("https://a.test?z=1&{encoded}"));
        assert_eq!(built("http://[::1]:8080", json!({})).unwrap(), "http://[::1]:8080");
    }

    #[test]
    fn what_is_no_url_is_refused_with_its_place() {
        let cases = [
            ("https://a.test/a b", "unexpected character at index 16; percent-encode"),
            ("ftp://a.test", "begins with https://"),
            ("/only/a/path", "index"),
            ("https://", "begins with https://"),
            ("https://ann:secret@a.test", "it carries a name or a password"),
        ];
        for (url, expected) in cases {
            let message = built(url, json!({})).unwrap_err();
            assert!(message.contains(expected), "{url}: {message}");
        }
    }

    #[test]
    fn locations_lead_on_from_where_they_were_read() {
        let base = "https://a.test/x/y?z";
        let cases = [
            ("w", Some("https://a.test/x/w")),
            ("../w?q", Some("https://a.test/w?q")),
            ("//b.test/w#f", Some("https://b.test/w")),
            ("http://c.test", Some("http://c.test")),
            ("mailto:ann@a.test", None),
            ("https://ann@c.test", None),
            ("a b", None),
        ];
        for (location, expected) in cases {
            assert_eq!(resolve(base, location).as_deref(), expected, "{location}");
        }
        assert_eq!(origin("HTTPS://A.test/x"), origin("https://a.TEST:443"));
        assert_ne!(origin("http://a.test"), origin("https://a.test"));
    }
}
