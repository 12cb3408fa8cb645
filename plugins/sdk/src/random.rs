//! Randomness that is the same again when an agent's code runs again. Always granted; not for secrets.

/// The next 64 bits of the attempt's own sequence.
pub fn next() -> u64 {
    crate::bindings::random::next()
}
