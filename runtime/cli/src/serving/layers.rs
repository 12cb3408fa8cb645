//! The one order of settings, and where each was found.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};

use crate::fault::Fault;

/// What a setting is called in each place that can say it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named {
    /// The flag, where there is one.
    pub(crate) flag: Option<&'static str>,
    /// The variable of the environment.
    pub(crate) variable: &'static str,
    /// The key of `pawl.yaml`.
    pub(crate) key: &'static str,
}

/// Where a setting was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// On the command line.
    Flag(&'static str),
    /// In the environment.
    Variable(&'static str),
    /// In `pawl.yaml`.
    Key(&'static str),
}

impl Display for Source {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::Key(name) => write!(f, "{name} in pawl.yaml"),
        }
    }
}

/// The places beside the command line that settings stand in.
pub(crate) struct Layers<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
}

impl<'a> Layers<'a> {
    /// With an environment.
    pub(crate) const fn new(variable: &'a dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { variable }
    }

    /// With the environment of this process.
    pub(crate) fn of_process() -> Layers<'static> {
        Layers::new(&|name| std::env::var_os(name))
    }

    /// What a variable says, read by `parse`; one that is empty says nothing.
    pub(crate) fn variable<T>(
        &self,
        named: Named,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Fault> {
        let Some(text) = (self.variable)(named.variable).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let text = text.into_string();
        let text = text.map_err(|_| wrong(named, &format!("{} is no UTF-8", named.variable)))?;
        let parsed = parse(&text);
        parsed.map(Some).map_err(|why| wrong(named, &format!("{} is '{text}': {why}", named.variable)))
    }

    /// The flag, else the variable, else the file.
    pub(crate) fn pick<T>(
        &self,
        named: Named,
        flag: Option<T>,
        parse: impl FnOnce(&str) -> Result<T, String>,
        file: Option<T>,
    ) -> Result<Option<(T, Source)>, Fault> {
        if let (Some(value), Some(name)) = (flag, named.flag) {
            return Ok(Some((value, Source::Flag(name))));
        }
        if let Some(value) = self.variable(named, parse)? {
            return Ok(Some((value, Source::Variable(named.variable))));
        }
        Ok(file.map(|value| (value, Source::Key(named.key))))
    }
}

/// The variable's value is not shown to be a secret: none of these settings is one.
fn wrong(named: Named, message: &str) -> Fault {
    let first = named.flag.map(|flag| format!("; {flag} comes before it")).unwrap_or_default();
    Fault::usage(message).hint(format!("change {} in the environment, or take it out{first}", named.variable))
}
