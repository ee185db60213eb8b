//! How long senders have been silent, against their habit: as Prometheus has it by the rules of `vertebra contract alerts`.
//!
//! Consumes three of those rules' series over Prometheus' HTTP API; changes nothing.

use crate::watch::{SILENCE_ALLOWED, SILENCE_HABIT, SILENCE_NOW};
use backbone::settings::ServiceUrl;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a question may take: an operator waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// A sender's silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sender {
    /// Its name.
    pub sender: String,
    /// Seconds since its last message.
    pub silent_s: u64,
    /// Seconds of silence that are usual around this hour of the week; nothing before three weeks are known.
    pub habit_s: Option<u64>,
    /// How long it may be silent now; nothing where it does not use to say anything at this hour, or is new.
    pub allowed_s: Option<u64>,
    /// Whether it has been silent for longer than that.
    pub is_silent: bool,
}

/// Prometheus cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum SilenceError {
    /// It does not answer, or not as Prometheus does.
    #[error("prometheus cannot be asked how long senders are silent")]
    Away(#[source] reqwest::Error),
    /// It says no.
    #[error("prometheus refuses the question: {said}")]
    Refused {
        /// What it says.
        said: String,
    },
}

/// What Prometheus answers an instant query.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    result: Vec<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// The time and the value's text.
    value: (serde_json::Value, String),
}

/// The senders that were ever heard of, the longest over its limit first.
///
/// # Errors
/// When Prometheus does not answer.
pub async fn senders(prometheus: &ServiceUrl) -> Result<Vec<Sender>, SilenceError> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(away)?;
    let now = series(&client, prometheus, SILENCE_NOW).await?;
    let habit = series(&client, prometheus, SILENCE_HABIT).await?;
    let allowed = series(&client, prometheus, SILENCE_ALLOWED).await?;
    let sender = |(sender, silent_s): (String, u64)| {
        let (habit_s, allowed_s) = (habit.get(&sender).copied(), allowed.get(&sender).copied());
        let is_silent = allowed_s.is_some_and(|allowed| silent_s > allowed);
        Sender { sender, silent_s, habit_s, allowed_s, is_silent }
    };
    let mut senders: Vec<Sender> = now.into_iter().map(sender).collect();
    senders.sort_by_key(|sender| (!sender.is_silent, sender.sender.clone()));
    Ok(senders)
}

async fn series(
    client: &reqwest::Client,
    prometheus: &ServiceUrl,
    name: &str,
) -> Result<BTreeMap<String, u64>, SilenceError> {
    let base = prometheus.reveal().as_str().trim_end_matches('/').to_owned();
    // The name of a series needs no escaping but for its colons, which a query string may hold.
    let answer = client.get(format!("{base}/api/v1/query?query={name}")).send().await.map_err(away)?;
    let answer: Answer = answer.json().await.map_err(away)?;
    let Some(data) = answer.data else {
        return Err(SilenceError::Refused { said: answer.error.unwrap_or_default() });
    };
    let of = |series: Series| {
        let sender = series.metric.get("sender")?.clone();
        // Whole seconds are enough for people; what is no number is none.
        let seconds = series.value.1.split('.').next()?.parse().ok()?;
        Some((sender, seconds))
    };
    Ok(data.result.into_iter().filter_map(of).collect())
}

fn away(error: reqwest::Error) -> SilenceError {
    SilenceError::Away(error.without_url())
}
