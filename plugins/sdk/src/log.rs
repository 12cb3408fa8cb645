//! Lines in the run's record: [`info!`], [`debug!`], [`warn!`] and [`error!`](crate::log::error) take what
//! `format!` takes. Always granted; an attempt's lines are limited, and lines beyond that are dropped.
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
    crate::bindings::log::write(level, message);
}

/// Says how far the work is, to whoever watches right now; `fraction` from 0 to 1, where that can be
/// said. It is not recorded, and of many notes some are dropped.
///
/// ```no_run
/// pawl_plugin::log::progress("page 3 of 10", Some(0.3));
/// ```
pub fn progress(note: &str, fraction: impl Into<Option<f64>>) {
    crate::bindings::log::progress(note, fraction.into());
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
