//! Signed links to one approval, for one person, once.
//!
//! A link is good for what was shown when it was made: it holds the approval's digest. Looking changes nothing; the
//! answer takes the link, and the link is taken before the answer is given, so that two uses at once are one. Where
//! the run refuses the answer, the link is given back.

mod page;
pub(crate) mod routes;
#[cfg(test)]
mod tests;
mod ticket;

pub(crate) use routes::{USED, is_link, is_over, new_link, says_why_not};
pub(crate) use ticket::LinkKey;
pub use ticket::{LINK_EXPIRES_MAX_MS, LINK_KEY_BYTES, LinkKeyError};
