//! How long work tells its caller where it is, and hears that it should stop.

/// Watches long work. Called from any thread, so it must be cheap and thread-safe.
pub trait Progress: Sync {
    /// A stage begins. `total_bytes` is `None` where nobody can know.
    fn start(&self, stage: &str, total_bytes: Option<u64>);

    /// So many more bytes of the stage are done.
    fn advance(&self, bytes: u64);

    /// True once the work should stop: it then cleans up and returns its own "interrupted" error.
    fn interrupted(&self) -> bool;
}

/// Watches nothing, never interrupts.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn start(&self, _stage: &str, _total_bytes: Option<u64>) {}

    fn advance(&self, _bytes: u64) {}

    fn interrupted(&self) -> bool {
        false
    }
}
