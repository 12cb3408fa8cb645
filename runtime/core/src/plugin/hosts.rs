//! The hosts that requests may go to, and with which methods.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The methods that can be granted one by one. A host without methods is granted with all there are.
pub const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Ports that a host without a port stands for.
const DEFAULT_PORTS: [&str; 2] = ["80", "443"];

/// What requests to a host may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Methods {
    /// Anything.
    All,
    /// One of these.
    These(BTreeSet<String>),
}

impl Methods {
    fn is_nothing(&self) -> bool {
        matches!(self, Self::These(methods) if methods.is_empty())
    }

    /// Whether a request with this method is among them.
    pub fn allow(&self, method: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(methods) => methods.contains(method),
        }
    }

    fn common(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::All, methods) | (methods, Self::All) => methods.clone(),
            (Self::These(own), Self::These(other)) => Self::These(own.intersection(other).cloned().collect()),
        }
    }

    fn with(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::These(own), Self::These(other)) => Self::These(own.union(other).cloned().collect()),
            _ => Self::All,
        }
    }

    fn without(&self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::All) => Self::These(BTreeSet::new()),
            // All but a few are still all of those that have no name here.
            (Self::All, Self::These(_)) => Self::All,
            (Self::These(own), Self::These(other)) => Self::These(own.difference(other).cloned().collect()),
        }
    }
}

/// Hosts, `api.example.com` or `127.0.0.1:8080`, each with the methods of requests to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Entry>", into = "Vec<Entry>")]
pub struct Hosts(BTreeMap<String, Methods>);

/// A host as it is written: journals from before there were methods have texts alone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Entry {
    All(String),
    These { host: String, methods: BTreeSet<String> },
}

impl From<Vec<Entry>> for Hosts {
    fn from(entries: Vec<Entry>) -> Self {
        let mut hosts = Self::default();
        for entry in entries {
            match entry {
                Entry::All(host) => hosts.add(&host, Methods::All),
                Entry::These { host, methods } => hosts.add(&host, Methods::These(methods)),
            }
        }
        hosts
    }
}

impl From<Hosts> for Vec<Entry> {
    fn from(hosts: Hosts) -> Self {
        let entry = |(host, methods)| match methods {
            Methods::All => Entry::All(host),
            Methods::These(methods) => Entry::These { host, methods },
        };
        hosts.0.into_iter().map(entry).collect()
    }
}

impl Hosts {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each host with its methods.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Methods)> {
        self.0.iter().map(|(host, methods)| (host.as_str(), methods))
    }

    /// Adds methods to a host; none of them is nothing granted.
    pub fn add(&mut self, host: &str, methods: Methods) {
        if methods.is_nothing() {
            return;
        }
        let host = host.to_ascii_lowercase();
        let both = match self.0.get(&host) {
            Some(own) => own.with(&methods),
            None => methods,
        };
        self.0.insert(host, both);
    }

    /// What both let through.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let mut common = Self::default();
        for (one, own) in &self.0 {
            for (two, others) in &other.0 {
                let narrower = match (covers(one, two), covers(two, one)) {
                    (true, _) => two,
                    (false, true) => one,
                    (false, false) => continue,
                };
                common.add(narrower, own.common(others));
            }
        }
        common
    }

    /// What stands here and not there, as people write it.
    pub fn beyond(&self, other: &Self) -> Vec<String> {
        let missing = self.0.iter().map(|(host, methods)| {
            let granted = other.0.iter().filter(|(wider, _)| covers(wider, host));
            (host, granted.fold(methods.clone(), |left, (_, granted)| left.without(granted)))
        });
        missing.filter(|(_, left)| !left.is_nothing()).map(|(host, left)| written(host, &left)).collect()
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<_> = self.iter().map(|(host, methods)| written(host, methods)).collect();
        f.write_str(&hosts.join(", "))
    }
}

/// As `--allow-http` takes it.
fn written(host: &str, methods: &Methods) -> String {
    match methods {
        Methods::All => host.to_owned(),
        Methods::These(methods) => {
            let methods: Vec<_> = methods.iter().map(String::as_str).collect();
            format!("{host}={}", methods.join(","))
        }
    }
}

impl FromStr for Hosts {
    type Err = String;

    /// Reads one host as `--allow-http` takes it, `api.example.com` or `api.example.com=GET,HEAD`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (host, methods) = match text.split_once('=') {
            None => (text, Methods::All),
            Some((host, methods)) => {
                let methods: BTreeSet<_> = methods.split(',').map(str::to_owned).collect();
                if let Some(wrong) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                    let known = METHODS.join(", ");
                    return Err(format!("'{wrong}' is not a method that can be granted; there are {known}"));
                }
                (host, Methods::These(methods))
            }
        };
        if !is_host(host) {
            return Err(format!("'{host}' is not a host; write api.example.com, or 127.0.0.1:8080=GET,HEAD"));
        }
        let mut hosts = Self::default();
        hosts.add(host, methods);
        Ok(hosts)
    }
}

impl FromIterator<Self> for Hosts {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        let mut hosts = Self::default();
        for (host, methods) in all.into_iter().flat_map(|some| some.0) {
            hosts.add(&host, methods);
        }
        hosts
    }
}

/// Whether a text can be a host with a port or without.
pub(crate) fn is_host(text: &str) -> bool {
    !text.is_empty() && !text.contains(['/', '*', '@', '=', ',']) && !text.contains(char::is_whitespace)
}

/// Whether one host is the other, or stands for it with one of the ports of its own.
fn covers(wider: &str, host: &str) -> bool {
    let with_port = || host.strip_prefix(wider)?.strip_prefix(':');
    wider == host || with_port().is_some_and(|port| DEFAULT_PORTS.contains(&port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hosts(texts: &[&str]) -> Hosts {
        texts.iter().map(|text| text.parse::<Hosts>().unwrap()).collect()
    }

    #[test]
    fn common_is_what_both_let_through_and_never_more() {
        let cases: [(&[&str], &[&str], &str); 10] = [
            (&["a.test"], &["a.test"], "a.test"),
            (&["A.test"], &["a.TEST"], "a.test"),
            (&["a.test"], &["b.test"], ""),
            (&["a.test=GET,POST"], &["a.test=POST,PUT"], "a.test=POST"),
            (&["a.test=GET"], &["a.test"], "a.test=GET"),
            (&["a.test=GET"], &["a.test=POST"], ""),
            (&["a.test"], &["a.test:443=GET"], "a.test:443=GET"),
            (&["a.test"], &["a.test:8443"], ""),
            (&["a.test:80"], &["a.test:443"], ""),
            (&["[::1]"], &["[::1]:80"], "[::1]:80"),
        ];
        for (one, two, both) in cases {
            let (one, two) = (hosts(one), hosts(two));
            assert_eq!(one.common(&two).to_string(), both, "{one} and {two}");
            assert_eq!(two.common(&one).to_string(), both, "{two} and {one}");
        }
    }

    #[test]
    fn beyond_is_what_is_missing() {
        let cases: [(&[&str], &[&str], &str); 7] = [
            (&["a.test"], &["a.test"], ""),
            (&["a.test"], &["a.test=GET"], "a.test"),
            (&["a.test=GET,POST"], &["a.test=GET"], "a.test=POST"),
            (&["a.test=GET,POST"], &["a.test=GET", "a.test=POST"], ""),
            (&["a.test:443=GET"], &["a.test"], ""),
            (&["a.test"], &["a.test:443"], "a.test"),
            (&["a.test:8443"], &["a.test"], "a.test:8443"),
        ];
        for (one, two, missing) in cases {
            assert_eq!(hosts(one).beyond(&hosts(two)).join(" "), missing, "{one:?} beyond {two:?}");
        }
    }

    #[test]
    fn hosts_of_older_journals_are_texts_and_have_all_methods() {
        let old: Hosts = serde_json::from_value(json!(["b.test", "a.test"])).unwrap();
        assert_eq!(old, hosts(&["a.test", "b.test"]));
        assert_eq!(serde_json::to_value(&old).unwrap(), json!(["a.test", "b.test"]));
        let new = hosts(&["a.test=GET,POST", "b.test"]);
        let written = serde_json::to_value(&new).unwrap();
        assert_eq!(written, json!([{ "host": "a.test", "methods": ["GET", "POST"] }, "b.test"]));
        assert_eq!(serde_json::from_value::<Hosts>(written).unwrap(), new);
        let packed = rmp_serde::to_vec_named(&new).unwrap();
        assert_eq!(rmp_serde::from_slice::<Hosts>(&packed).unwrap(), new);
        // No method is no grant, and not all of them.
        let none: Hosts = serde_json::from_value(json!([{ "host": "a.test", "methods": [] }])).unwrap();
        assert!(none.is_empty());
    }

    #[test]
    fn what_is_no_host_or_method_is_refused() {
        for wrong in ["", "a.test/x", "*", "u@a.test", "a.test=", "a.test=get", "a.test=GET,", "=GET", "a b"]
        {
            assert!(wrong.parse::<Hosts>().is_err(), "{wrong}");
        }
    }
}
