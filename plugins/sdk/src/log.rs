//! Lines in the run's record: [`info!`], [`debug!`], [`warn!`] and [`error!`](crate::log::error) take what
//! `format!` takes. Always granted; an attempt's lines are limited, and lines beyond that are dropped. In a
//! unit test, which has no host, they go to stderr.
//!
//! ```no_run
//! use pawl_plugin::log;
//!
//! let (paid, all) = (2, 3);
//! log::info!("paid {paid} of {all}");
//! ```

#[doc(inline)]
pub use crate::bindings::log::Level;
#[doc(inline)]
pub use crate::{__debug as debug, __error as error, __info as info, __warn as warn};

/// Adds one line.
pub fn write(level: Level, message: &str) {
    if cfg!(target_family = "wasm") {
        crate::bindings::log::write(level, message);
    } else {
        eprintln!("{}: {message}", name(level));
    }
}

/// Says how far the work is, to whoever watches right now; `fraction` from 0 to 1, where that can be
/// said. It is not recorded, and of many notes some are dropped.
///
/// ```no_run
/// pawl_plugin::log::progress("page 3 of 10", Some(0.3));
/// ```
pub fn progress(note: &str, fraction: impl Into<Option<f64>>) {
    let fraction = fraction.into();
    if cfg!(target_family = "wasm") {
        crate::bindings::log::progress(note, fraction);
    } else {
        eprintln!("progress: {note}");
    }
}

/// A level, where there is no host to show it.
const fn name(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}

/// Adds a line for the plugin's author.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Debug, &::std::format!($($argument)+)) };
}

/// Adds a line for whoever reads the run.
#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Info, &::std::format!($($argument)+)) };
}

/// Adds a line about something odd.
#[doc(hidden)]
#[macro_export]
macro_rules! __warn {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Warn, &::std::format!($($argument)+)) };
}

/// Adds a line about something that failed.
#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($argument:tt)+) => { $crate::log::write($crate::log::Level::Error, &::std::format!($($argument)+)) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log;

    /// Without a host there is nobody to hand a line to; it must not end the test that writes it.
    #[test]
    fn a_line_of_a_unit_test_is_printed() {
        log::info!("paid {} of {}", 2, 3);
        write(Level::Error, "no host");
        progress("page 3 of 10", 0.3);
    }
}
