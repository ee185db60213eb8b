//! Waiting for a condition, never for a time.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long a condition may take; told when it has passed.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(pub Duration);

impl Deadline {
    /// A number of seconds.
    pub const fn secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

/// Asks again and again until the answer is good; returns how long it took. A bad answer says why.
///
/// # Panics
/// When the deadline has passed, with the last reason.
pub async fn until<W: Display, T>(
    what: impl Display,
    deadline: Deadline,
    mut good: impl AsyncFnMut() -> Result<T, W>,
) -> (T, Duration) {
    let began = Instant::now();
    loop {
        let reason = match good().await {
            Ok(value) => return (value, began.elapsed()),
            Err(reason) => reason,
        };
        assert!(began.elapsed() < deadline.0, "{what}: not within {:?}: {reason}", deadline.0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
