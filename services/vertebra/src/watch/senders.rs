//! Silence of a sender against its own habit in the same hour of the week.
//!
//! A sender is silent when it has said nothing for longer than it used to be silent around this time in earlier
//! weeks. What counts as the habit, each with its reason:
//!
//! - **From an hour before to an hour after**, a week ago and up to six: an evening's end that comes a little early is no
//!   silence, nor is a clock put forward.
//! - **The third quartile over the weeks**, not the longest: the week in which it was broken does not teach us to wait
//!   as long again.
//! - **Twice that, and ten minutes at least.**
//! - **It used to say something in this hour** in three weeks of four: the night of a day clinic is no silence.
//! - **Three weeks are known at least**: a new sender has no habit, and no alert; the dashboard says so.

use super::rules::{Alert, Group, Rule, Severity};

/// How many weeks are looked back.
const WEEKS: u32 = 6;
/// How many of them must be known.
pub(super) const WEEKS_MIN: u32 = 3;
const HOURS_OF_A_WEEK: u32 = 168;
/// Seconds that are no silence whatever the habit.
const SILENCE_MIN: u32 = 600;

/// Seconds since the last message.
pub(crate) const SILENCE: &str = "vertebra:sender_silence_seconds";
/// Seconds of silence that are usual around this hour of the week.
pub(crate) const HABIT: &str = "vertebra:sender_silence_habit_seconds";
/// How long it may be silent now.
pub(crate) const ALLOWED: &str = "vertebra:sender_silence_allowed_seconds";
/// Messages of the last hour.
pub(super) const MESSAGES: &str = "vertebra:sender_messages_1h";
/// Messages that are usual in the hour that ends now.
pub(super) const MESSAGES_HABIT: &str = "vertebra:sender_messages_habit_1h";
/// Weeks that the habit is known from.
pub(super) const KNOWN: &str = "vertebra:sender_habit_weeks";

pub(super) fn group() -> Group {
    let silence = "time() - max by (sender) (vertebra_landing_last_message_timestamp_seconds)";
    let messages = "sum by (sender) (increase(vertebra_landing_messages_total[1h]))\n\
                    or max by (sender) (vertebra_landing_last_message_timestamp_seconds) * 0";
    let longest = |week: u32| format!("max_over_time({SILENCE}[2h] offset {}h)", HOURS_OF_A_WEEK * week - 1);
    let said = |week: u32| format!("{MESSAGES} offset {}h", HOURS_OF_A_WEEK * week);
    let allowed =
        format!("clamp_min(2 * {HABIT}, {SILENCE_MIN}) and {KNOWN} >= {WEEKS_MIN} and {MESSAGES_HABIT} > 0");
    let rules = vec![
        Rule::record(SILENCE, silence),
        Rule::record(MESSAGES, messages),
        Rule::record(HABIT, format!("quantile by (sender) (0.75,\n{}\n)", weeks(longest))),
        Rule::record(MESSAGES_HABIT, format!("quantile by (sender) (0.25,\n{}\n)", weeks(said))),
        Rule::record(KNOWN, format!("count by (sender) (\n{}\n)", weeks(longest))),
        Rule::record(ALLOWED, allowed),
        Rule::Alert(Alert {
            name: "VertebraSenderSilent",
            severity: Severity::Page,
            expr: format!("{SILENCE} > {ALLOWED}"),
            holds: "2m",
            runbook: "sender-silent",
            summary: "{{ $labels.sender }} has sent nothing for {{ $value | humanizeDuration }}",
            means: "At this hour of the week it does not use to be silent so long. Admissions, results or charges of \
                    that system may be piling up on its side; what it has not sent, nobody here can see. Nothing that \
                    was acknowledged is lost.",
            then: "See whether it is connected, then call whoever runs it.",
        }),
    ];
    Group { name: "vertebra-senders", rules }
}

/// One series for each week that is known.
fn weeks(of: impl Fn(u32) -> String) -> String {
    let weeks =
        (1..=WEEKS).map(|week| format!("  label_replace({}, \"week\", \"{week}\", \"\", \"\")", of(week)));
    weeks.collect::<Vec<_>>().join("\n  or\n")
}
