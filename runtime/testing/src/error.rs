//! Why tests could not be run.

use pawl_core::diagnostic::Diagnostics;
use pawl_engine::EngineError;

/// Why tests could not be run. What a test finds is no error.
#[derive(Debug, thiserror::Error)]
pub enum TestingError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {reason}; check that it exists and that you may read it")]
    Unreadable {
        /// Which.
        path: String,
        /// What the system said.
        reason: String,
    },
    /// The test file has problems.
    #[error("{0}")]
    TestFile(Box<Diagnostics>),
    /// The workflow of a test file cannot be prepared.
    #[error("{0}")]
    Workflow(EngineError),
    /// A run could not be carried out.
    #[error("test '{test}' could not be carried out: {source}")]
    Run {
        /// The test.
        test: String,
        /// Why.
        source: EngineError,
    },
    /// The system gives no thread or no event loop.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

impl From<Diagnostics> for TestingError {
    fn from(problems: Diagnostics) -> Self {
        Self::TestFile(Box::new(problems))
    }
}
