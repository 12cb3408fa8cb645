//! What the operator says of the server.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::Duration;

/// How the server listens and ends, who may use it, and what it takes at most; what is absent is as usual.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSetting {
    /// Where it listens.
    pub listen: Option<SocketAddr>,
    /// How long steps that are under way may take to end when it is stopped.
    pub drain: Option<Duration>,
    /// Whether who asks must say who they are.
    pub identity: Option<IdentitySetting>,
    /// The certificate, relative to the operator's file.
    pub tls_cert: Option<String>,
    /// Its key, relative to the operator's file.
    pub tls_key: Option<String>,
    /// The names of the server.
    pub hosts: Option<Vec<String>>,
    /// Pages elsewhere that may ask.
    pub allow_origins: Option<Vec<String>>,
    /// What signed links begin with.
    pub public_url: Option<String>,
    /// The requests of one token or user in a second.
    pub token_requests_max: Option<u32>,
    /// What it takes at most, by the names of `SERVER_LIMITS`, each within its range.
    pub limits: BTreeMap<&'static str, u32>,
}

/// Whether who asks must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentitySetting {
    /// They must.
    Required,
    /// They need not; on loopback alone.
    Off,
}

impl IdentitySetting {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Required, Self::Off];

    /// The name as it stands in `pawl.yaml` and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Off => "off",
        }
    }
}

/// Whether a text is scheme and host, perhaps with a port, and nothing behind.
pub fn is_origin(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    is_host(rest.strip_suffix('/').unwrap_or(rest))
}

/// Whether a text can be the name of a host, alone.
pub fn is_host(text: &str) -> bool {
    let is_sign = |sign: char| sign.is_whitespace() || sign.is_control() || "/?#@*,\\".contains(sign);
    !text.is_empty() && !text.contains(is_sign)
}

#[cfg(test)]
mod tests {
    use super::{is_host, is_origin};

    #[test]
    fn an_origin_is_scheme_and_host_and_nothing_behind() {
        let good = ["https://console.example.com", "http://127.0.0.1:8917", "https://[::1]:9/"];
        let bad = [
            "",
            "https://",
            "console.example.com",
            "https://a/b",
            "https://a?b",
            "https://me@a",
            "https://*.a",
        ];
        for text in good {
            assert!(is_origin(text), "{text}");
        }
        for text in bad {
            assert!(!is_origin(text), "{text}");
        }
        for (text, good) in [("pawl.example.com", true), ("[::1]", true), ("", false), ("https://a", false)] {
            assert_eq!(is_host(text), good, "{text}");
        }
    }
}
