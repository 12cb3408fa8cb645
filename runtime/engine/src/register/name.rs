//! How registered workflows are named.

use pawl_core::Namespace;

use crate::EngineError;

/// How long the namespace, the name and the version of a registered workflow may be together, in bytes.
pub const REGISTERED_NAME_MAX_BYTES: usize = 400;

/// What stands between the parts of a key: in none of them.
const BETWEEN: char = '\u{1f}';

/// The name of a registered workflow, in a namespace of its own or in that of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowName<'a> {
    /// The namespace; nothing for the one that is there without saying.
    pub namespace: Option<&'a str>,
    /// The workflow's name.
    pub name: &'a str,
}

impl<'a> From<&'a str> for WorkflowName<'a> {
    fn from(name: &'a str) -> Self {
        Self { namespace: None, name }
    }
}

impl<'a> From<&'a String> for WorkflowName<'a> {
    fn from(name: &'a String) -> Self {
        Self { namespace: None, name }
    }
}

impl<'a> WorkflowName<'a> {
    /// A name in a namespace.
    pub fn within(namespace: &'a Namespace, name: &'a str) -> Self {
        Self { namespace: Self::key_of(namespace), name }
    }

    /// How the names of a namespace are kept.
    pub fn key_of(namespace: &'a Namespace) -> Option<&'a str> {
        (!namespace.is_default()).then(|| namespace.as_str())
    }

    pub(super) fn namespace(&self) -> Result<Namespace, EngineError> {
        let named = self.namespace.map(str::parse::<Namespace>).transpose();
        Ok(named.map_err(|error| EngineError::UnfitName(error.to_string()))?.unwrap_or_default())
    }

    pub(super) fn key(&self) -> Result<String, EngineError> {
        fits(&[self.name])?;
        Ok(format!("{}{}", prefix(self.namespace)?, self.name))
    }

    pub(super) fn versions_prefix(&self) -> Result<String, EngineError> {
        Ok(format!("{}{BETWEEN}", self.key()?))
    }

    pub(super) fn version_key(&self, version: &str) -> Result<String, EngineError> {
        fits(&[self.namespace.unwrap_or_default(), self.name, version])?;
        Ok(format!("{}{version}", self.versions_prefix()?))
    }
}

/// What the keys of a namespace begin with.
pub(super) fn prefix(namespace: Option<&str>) -> Result<String, EngineError> {
    let namespace = namespace.unwrap_or_default();
    fits(&[namespace])?;
    Ok(format!("{namespace}{BETWEEN}"))
}

fn fits(parts: &[&str]) -> Result<(), EngineError> {
    let bytes: usize = parts.iter().map(|part| part.len()).sum();
    if bytes > REGISTERED_NAME_MAX_BYTES {
        return Err(EngineError::UnfitName(format!(
            "the name and version of the workflow have {bytes} bytes, and registered_name_max_bytes is \
             {REGISTERED_NAME_MAX_BYTES}; make them shorter"
        )));
    }
    if parts.iter().any(|part| part.contains(|c: char| c.is_control())) {
        let what = "the name or version of the workflow has control characters in it; leave them out";
        return Err(EngineError::UnfitName(what.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_a_name_are_not_among_those_of_another() {
        let (short, long) = (WorkflowName::from("a"), WorkflowName::from("a.b"));
        assert!(!long.version_key("1").unwrap().starts_with(&short.versions_prefix().unwrap()));
        let other = WorkflowName { namespace: Some("a"), name: "a" };
        assert_ne!(short.key().unwrap(), other.key().unwrap());
        assert!(!other.key().unwrap().starts_with(&prefix(None).unwrap()));
    }

    #[test]
    fn a_name_that_is_too_long_or_none_is_refused() {
        let long = "n".repeat(REGISTERED_NAME_MAX_BYTES);
        assert!(WorkflowName::from(&long).key().is_ok());
        let error = WorkflowName::from(&long).version_key("1").unwrap_err();
        assert!(error.to_string().contains("registered_name_max_bytes"), "{error}");
        assert!(WorkflowName::from("a\u{1f}b").key().is_err());
    }
}
