//! A process of a service that something is done to. One whose fault never strikes was built for itself: the fault
//! points are there when the whole workspace is built, as `scripts/test` does.

use crate::wait::{Deadline, until};
use harness::{Launch, Process, Signal};
use serde_json::Value;
use std::path::Path;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a service may take to be ready, a drain to end, a fault to strike.
const PATIENCE: Deadline = Deadline::secs(180);

/// A running process; dropped, it is killed.
pub struct Victim {
    process: Process,
    ready: String,
}

impl Victim {
    /// Starts it.
    ///
    /// # Panics
    /// When its program is not built.
    pub fn start(launch: &Launch, folder: &Path) -> Self {
        let process = launch.start(folder).unwrap_or_else(|error| panic!("{error}"));
        Self { process, ready: format!("http://127.0.0.1:{}/ready", launch.http_port) }
    }

    /// Its name, which its log has too.
    pub fn name(&self) -> &str {
        self.process.name()
    }

    /// Its instance, as it calls itself where leases are kept.
    ///
    /// # Panics
    /// When it has not told it: a service does when it starts.
    pub fn instance(&self) -> Uuid {
        let log = self.log();
        // A log is named by its port, which an earlier one may have had.
        let mut lines = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let told = lines.find_map(|line| line["instance"].as_str()?.parse().ok());
        told.unwrap_or_else(|| panic!("{} has not told its instance:\n{}", self.name(), tail(&log)))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap_or_default()
    }

    /// Waits until it is ready; returns how long that took.
    ///
    /// # Panics
    /// When it ends before, or is not ready in time.
    pub async fn until_ready(&mut self) -> Duration {
        let began = Instant::now();
        self.process.ready(PATIENCE.0).await.unwrap_or_else(|error| panic!("{error}"));
        began.elapsed()
    }

    /// Waits until one of these conditions does not hold, and it says why; returns the reason.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn until_unready(&self, conditions: &[&str]) -> String {
        let what = format!("{} is not ready, because of {conditions:?}", self.name());
        let (reason, _) = until(what, PATIENCE, async || {
            let Err(told) = self.readiness().await else { return Err("it is ready".to_owned()) };
            let report: Value = serde_json::from_str(&told).unwrap_or_default();
            let reasons = conditions.iter().filter_map(|condition| report["parts"][condition].as_str());
            // What has not been looked at yet says nothing.
            let mut why = reasons.filter(|reason| *reason != "ok" && !reason.starts_with("not known yet"));
            why.next().map(str::to_owned).ok_or(told)
        })
        .await;
        reason
    }

    /// Whether it says that it is ready; else what does not hold.
    ///
    /// # Errors
    /// What it says instead, or that it does not answer.
    pub async fn readiness(&self) -> Result<(), String> {
        let client = reqwest::Client::new();
        let asked = client.get(&self.ready).timeout(Duration::from_secs(2)).send().await;
        let answer = asked.map_err(|_| "/ready does not answer".to_owned())?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(answer.text().await.unwrap_or_default())
    }

    /// Waits until its fault has killed it.
    ///
    /// # Panics
    /// When it has not in time, or something else ended it.
    pub async fn until_killed(&mut self) {
        let name = self.name().to_owned();
        until(format!("{name} is killed by its fault"), PATIENCE, async || match self.process.is_running() {
            true => Err(format!("it runs; its log ends:\n{}", tail(&self.log()))),
            false => Ok(()),
        })
        .await;
        assert!(self.log().contains("the fault strikes"), "{name} ended by itself:\n{}", tail(&self.log()));
    }

    /// Waits until it is stopped, by its fault or by a signal.
    ///
    /// # Panics
    /// When it is not in time.
    pub async fn until_stopped(&mut self) {
        until(format!("{} is stopped", self.name()), PATIENCE, async || match self.state() {
            Some('T') => Ok(()),
            state => Err(format!("its state is {state:?}; its log ends:\n{}", tail(&self.log()))),
        })
        .await;
    }

    /// Waits until it has ended by itself; returns its log.
    ///
    /// # Panics
    /// When it has not in time.
    pub async fn until_ended(&mut self) -> String {
        let name = self.name().to_owned();
        until(format!("{name} has ended"), PATIENCE, async || match self.process.is_running() {
            true => Err(format!("it runs; its log ends:\n{}", tail(&self.log()))),
            false => Ok(()),
        })
        .await;
        self.log()
    }

    /// Whether it runs, stopped or not.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Whether it is there and does not stand still.
    pub fn is_awake(&self) -> bool {
        self.state().is_some_and(|state| state != 'T')
    }

    /// What it serves as metrics; nothing if it does not answer.
    pub async fn metrics(&self) -> Option<String> {
        self.process.metrics().await
    }

    /// SIGSTOP.
    pub fn stop(&self) {
        self.process.signal(Signal::Stop);
    }

    /// SIGCONT.
    pub fn cont(&self) {
        self.process.signal(Signal::Continue);
    }

    /// SIGTERM, and waits until it has drained; returns how long that took.
    ///
    /// # Panics
    /// When it does not end, or with something else than 0.
    pub async fn drain(mut self) -> Duration {
        let began = Instant::now();
        let status = self.process.stop(PATIENCE.0).await;
        let log = tail(&self.log());
        let status = status.unwrap_or_else(|| panic!("{} does not drain:\n{log}", self.name()));
        assert!(status.success(), "{} ended with {status}:\n{log}", self.name());
        began.elapsed()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Its state as the kernel tells it.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.pid())).ok()?;
        stat.rsplit(')').next()?.trim_start().chars().next()
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
