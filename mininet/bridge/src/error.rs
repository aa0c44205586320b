/// Why Mininet could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The interpreter does not come up.
    #[error("Python does not start: {0}")]
    Interpreter(String),
    /// The interpreter has no Mininet, or one that does not load.
    #[error("Mininet does not load: {0}; apt install mininet")]
    Mininet(String),
    /// Mininet raised an exception, or logged an error.
    #[error("Mininet cannot {what}: {message}")]
    Failed {
        /// What it was asked to do.
        what: &'static str,
        /// What it said, in one line.
        message: String,
    },
}
