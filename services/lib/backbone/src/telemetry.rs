//! Logs, panics and the thread of causes through `traceparent`.
//!
//! Publishes log lines on standard error. A panic is logged with its place and never with its message, since a message
//! may hold a piece of a payload.

use crate::settings::LogFormat;
use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use uuid::Uuid;

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Somebody set up logging before.
    #[error("logging has been set up before")]
    AlreadySet(#[source] TryInitError),
    /// The setting is not a list of directives.
    #[error("log-level is neither a level nor a list such as info,backbone=debug")]
    Level(#[source] ParseError),
}

/// Sets up logging for the process, and the panic hook.
///
/// # Errors
/// The level is no directive, or logging has been set up before.
pub fn init(level: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(level).map_err(TelemetryError::Level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let set = match format {
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(true).with_span_list(false).finish().try_init()
        }
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).finish().try_init(),
    };
    set.map_err(TelemetryError::AlreadySet)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!("{}:{}:{}", at.file(), at.line(), at.column()));
    let thread = std::thread::current();
    tracing::error!(place, thread = thread.name().unwrap_or("unnamed"), "panicked; the message is not told");
}

/// A W3C `traceparent` that begins a new trace.
pub fn root_traceparent() -> String {
    format!("00-{}-{}-01", Uuid::new_v4().simple(), span_id())
}

/// A `traceparent` beneath another: the same trace, a new span. One that cannot be read begins a new trace.
pub fn child_traceparent(parent: &str) -> String {
    match trace_and_flags(parent) {
        Some((trace, flags)) => format!("00-{trace}-{}-{flags}", span_id()),
        None => root_traceparent(),
    }
}

fn trace_and_flags(parent: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = parent.split('-').collect();
    let &[version, trace, span, flags] = parts.as_slice() else {
        return None;
    };
    let is_hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let is_zero = |text: &str| text.bytes().all(|byte| byte == b'0');
    let is_valid = version == "00"
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2)
        && !is_zero(trace)
        && !is_zero(span);
    is_valid.then_some((trace, flags))
}

fn span_id() -> String {
    // The last half of a random UUID: two bits of it are fixed, so it is never all zeros.
    let bytes = Uuid::new_v4().into_bytes();
    bytes[8..].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[track_caller]
    fn check(parent: &str, stays_in_trace: bool) {
        let child = child_traceparent(parent);
        assert!(trace_and_flags(&child).is_some(), "{child}");
        assert_ne!(child, parent);
        assert_eq!(child.get(..36) == parent.get(..36), stays_in_trace, "{child}");
    }

    #[test]
    fn a_child_stays_in_its_parents_trace_and_rubbish_begins_a_new_one() {
        check(PARENT, true);
        check(&root_traceparent(), true);
        check("", false);
        check("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false);
        check("00-00000000000000000000000000000000-b7ad6b7169203331-01", false);
        check("00-0af7651916cd43dd8448eb211c80319c-é7ad6b716920333-01", false);
    }
}
