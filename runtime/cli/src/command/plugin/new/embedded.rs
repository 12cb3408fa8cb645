//! What the build script embeds: files by their path within a folder of the repository.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
