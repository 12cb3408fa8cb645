//! Names of plugins in registries: `oci://host/repository:tag@sha256:…`.

use std::fmt;
use std::str::FromStr;

use crate::Digest;

/// How such a name begins.
pub const OCI_SCHEME: &str = "oci://";
/// The longest name, in bytes.
pub const REFERENCE_MAX_BYTES: usize = 512;
/// The longest tag, in bytes.
const TAG_MAX_BYTES: usize = 128;
/// What a digest begins with there.
const ALGORITHM: &str = "sha256:";

/// A plugin in a registry: by its tag, which may come to mean another, by its digest, or by both. With both, the
/// tag says for people what was meant, and the digest is what is taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    /// The registry, with its port where it has one.
    pub host: String,
    /// The repository.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
    /// SHA-256 of the manifest.
    pub digest: Option<Digest>,
}

/// A text that names no plugin in a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {}", Self::HELP)]
pub struct InvalidReference {
    why: &'static str,
}

impl InvalidReference {
    /// How it is written.
    pub const HELP: &'static str = "write it as in oci://registry.example.com/team/triage:1.0.0@sha256:…";

    /// What is wrong with it.
    pub const fn why(&self) -> &'static str {
        self.why
    }
}

impl Reference {
    /// Whether a text is meant as such a name.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(OCI_SCHEME)
    }

    /// The same with a digest.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// Whether both name the same place, whatever their digests.
    pub fn is_place_of(&self, other: &Self) -> bool {
        (&self.host, &self.repository, &self.tag) == (&other.host, &other.repository, &other.tag)
    }

    /// What stands for it in a path of the registry: the digest, else the tag.
    pub fn selector(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{ALGORITHM}{digest}"),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |why| Err(InvalidReference { why });
        if text.len() > REFERENCE_MAX_BYTES {
            return wrong("the name has more than reference_max_bytes (512)");
        }
        let Some(rest) = text.strip_prefix(OCI_SCHEME) else {
            return wrong("the name does not begin with oci://");
        };
        let (rest, digest) = match rest.split_once('@') {
            None => (rest, None),
            Some((rest, digest)) => match digest.strip_prefix(ALGORITHM).and_then(|hex| hex.parse().ok()) {
                Some(digest) => (rest, Some(digest)),
                None => return wrong("what follows @ is not sha256: and 64 hexadecimal digits"),
            },
        };
        let Some((host, path)) = rest.split_once('/') else { return wrong("no repository follows the host") };
        if !is_host(host) {
            return wrong("the host is none");
        }
        let (repository, tag) = match path.rsplit_once(':') {
            None => (path, None),
            Some((path, tag)) if is_tag(tag) => (path, Some(tag.to_owned())),
            Some(_) => {
                return wrong("the tag has other signs than letters, digits, `_`, `.` and `-`, or too many");
            }
        };
        if !repository.split('/').all(is_component) {
            return wrong("the repository has other signs than small letters, digits, `_`, `.`, `-` and `/`");
        }
        if tag.is_none() && digest.is_none() {
            return wrong("it has neither a tag nor a digest");
        }
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OCI_SCHEME}{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{ALGORITHM}{digest}")?;
        }
        Ok(())
    }
}

/// A name or an address of the network, perhaps with a port: `localhost:5000`, `[::1]:5000`.
pub(crate) fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, after)) => {
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("v6", after.strip_prefix(':').or((!after.is_empty()).then_some("")))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let named = host.starts_with(|c: char| c.is_ascii_alphanumeric())
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-');
    named && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_tag(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        && text.len() <= TAG_MAX_BYTES
}

/// A part of a repository's name. It begins and ends with a letter or a digit, so none leads upwards.
fn is_component(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| plain(b) || b"_.-".contains(&b))
        && text.bytes().next().is_some_and(plain)
        && text.bytes().next_back().is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written_alike() {
        let digest = Digest::of(b"a");
        for text in [
            "oci://localhost:5000/triage:1.0.0".to_owned(),
            "oci://registry.example.com/team/sub/triage:v1_a".to_owned(),
            format!("oci://[::1]:5000/a@sha256:{digest}"),
            format!("oci://h/a:b@sha256:{digest}"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), text);
        }
        let read: Reference = format!("oci://h:1/a/b:c@sha256:{digest}").parse().unwrap();
        assert_eq!(
            (read.host.as_str(), read.repository.as_str(), read.tag.as_deref()),
            ("h:1", "a/b", Some("c"))
        );
        assert_eq!(read.selector(), format!("sha256:{digest}"));
        assert!(read.is_place_of(&"oci://h:1/a/b:c".parse().unwrap()));
    }

    #[test]
    fn what_could_mean_something_else_is_refused() {
        let long = format!("oci://h/{}:a", "a".repeat(REFERENCE_MAX_BYTES));
        for text in [
            "h/a:b",
            "oci://h",
            "oci://h/",
            "oci://h/a",
            "oci:///a:b",
            "oci://user:pass@h/a:b",
            "oci://h:0/a:b",
            "oci://h:x/a:b",
            "oci://h/../a:b",
            "oci://h/a//b:c",
            "oci://h/A:b",
            "oci://h/a:b c",
            "oci://h/a:b?x=y",
            "oci://h/a:b@sha512:00",
            "oci://h/a:b@sha256:00",
            "oci://[::1/a:b",
            "oci://[::1]x/a:b",
            "oci://h\r\n/a:b",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
