//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; nothing when the time is over.
pub async fn until<T, F: Future<Output = Option<T>>>(
    most: Duration,
    mut ask: impl FnMut() -> F,
) -> Option<T> {
    let begun = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return Some(answer);
        }
        if begun.elapsed() > most {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
