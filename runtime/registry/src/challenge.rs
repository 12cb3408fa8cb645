//! What a registry wants to see before it answers: the `WWW-Authenticate` of its 401.

/// How a registry wants to be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// With name and password.
    Basic,
    /// With a token that somebody else gives.
    Bearer {
        /// Where the token is given.
        realm: String,
        /// What to ask for there, as it is written in the query.
        query: String,
    },
}

impl Challenge {
    pub(crate) fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let fields = fields(rest);
        let field = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let query: Vec<_> = ["service", "scope"]
            .iter()
            .filter_map(|name| Some(format!("{name}={}", encoded(field(name)?))))
            .collect();
        Some(Self::Bearer { realm: field("realm")?.to_owned(), query: query.join("&") })
    }
}

/// `name="value"`, separated by commas; values without quotes end at the next comma.
fn fields(text: &str) -> Vec<(String, String)> {
    let (mut fields, mut rest) = (Vec::new(), text);
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_matches([',', ' ']).to_ascii_lowercase();
        let value = if let Some(quoted) = after.strip_prefix('"') {
            let Some((value, after)) = quoted.split_once('"') else { break };
            rest = after;
            value
        } else {
            let (value, after) = after.split_once(',').unwrap_or((after, ""));
            rest = after;
            value.trim()
        };
        fields.push((name, value.to_owned()));
    }
    fields
}

/// A value as it stands in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        assert_eq!(Challenge::parse("Basic realm=\"r\""), Some(Challenge::Basic));
        let header = "Bearer realm=\"https://auth/token\",service=\"r.example.com\", scope=\"repository:a/b:pull,push\",error=\"x\"";
        let expected = Challenge::Bearer {
            realm: "https://auth/token".to_owned(),
            query: "service=r.example.com&scope=repository%3Aa%2Fb%3Apull%2Cpush".to_owned(),
        };
        assert_eq!(Challenge::parse(header), Some(expected));
        let bare = Challenge::parse("bearer realm=https://a, service=s");
        assert_eq!(
            bare,
            Some(Challenge::Bearer { realm: "https://a".to_owned(), query: "service=s".to_owned() })
        );
        for none in ["", "Digest realm=\"a\"", "Bearer", "Bearer service=\"s\"", "Bearer realm=\"open"] {
            assert_eq!(Challenge::parse(none), None, "{none}");
        }
    }
}
