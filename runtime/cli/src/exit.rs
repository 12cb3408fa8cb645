//! Exit codes. They are part of the interface; `docs/cli.md` lists them.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// The run completed; the command did what was asked.
    Ok,
    /// The run failed or was cancelled; an answer was refused; something was found to be wrong.
    Failed,
    /// What was given cannot be used: arguments, a file, inputs, an id.
    Usage,
    /// The run waits for a person, a signal, an event or a slot, or is suspended.
    Waits,
    /// The data folder cannot be used, or is in use.
    Unusable,
    /// Stopped by a signal with this number.
    Signal(u8),
}

impl Exit {
    /// Stopped by SIGINT.
    pub(crate) const INTERRUPTED: Self = Self::Signal(2);
    /// Stopped by SIGTERM.
    pub(crate) const TERMINATED: Self = Self::Signal(15);

    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Waits => 3,
            Self::Unusable => 4,
            Self::Signal(number) => 128 + number,
        }
    }

    /// The code that stands for several runs together: what failed before what waits.
    pub(crate) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::Waits, _) | (_, Self::Waits) => Self::Waits,
            (Self::Ok, other) | (other, _) => other,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What `pawl --help` says of the codes.
pub(crate) const HELP: &str = "\
Exit codes:
  0    completed; done
  1    the run failed or was cancelled, an answer was refused, something is wrong
  2    arguments, a file, inputs or an id that cannot be used
  3    the run waits for a person, a signal, an event or a slot, or is suspended
  4    the data folder cannot be used or is in use
  130  stopped by SIGINT (Ctrl-C)
  143  stopped by SIGTERM

Every command takes --json and then prints one JSON document on stdout and nothing else.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_counts_more_than_what_waits() {
        assert_eq!(Exit::Ok.and(Exit::Waits), Exit::Waits);
        assert_eq!(Exit::Waits.and(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Ok.and(Exit::Ok), Exit::Ok);
        assert_eq!(Exit::Signal(2).code(), 130);
    }
}
