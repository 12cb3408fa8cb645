use std::sync::Once;

use crate::log::{self, Level};

/// Writes the text of every panic to the log, which would be lost otherwise: a panic stops the
/// component on the spot. The export macros call it at each entry.
#[doc(hidden)]
pub fn log_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| log::write(Level::Error, &panic.to_string())));
    });
}
