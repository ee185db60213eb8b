//! Whether what was acknowledged gets on: lanes, outboxes, the parts they need.

use super::{Alert, Severity, risen};

pub(super) fn alerts() -> Vec<Alert> {
    let mut alerts = vec![version_gap(), lane_stopped(), lanes_unowned(), gone()];
    alerts.extend(behind());
    alerts.extend(outbox());
    alerts.extend(away());
    alerts.push(Alert {
        name: "VertebraLeasesLost",
        severity: Severity::Ticket,
        expr: "sum by (service, processor) (increase(vertebra_lease_lost_total[10m])) > 5".to_owned(),
        holds: "0m",
        runbook: "behind",
        summary: "{{ $labels.service }} loses lanes of {{ $labels.processor }} again and again",
        means: "Instances take lanes from each other, so each starts anew all the time and events come late. Nothing is \
                doubled: a lane that was lost writes nothing.",
        then: "Look for processes that stand still (CPU limits, swapping) and for a slow PostgreSQL.",
    });
    alerts
}

fn version_gap() -> Alert {
    Alert {
        name: "VertebraVersionGap",
        severity: Severity::Page,
        expr: risen("vertebra_events_total{outcome=\"version_gap\"}", "service, processor", "15m"),
        holds: "0m",
        runbook: "version-gap",
        summary: "{{ $labels.processor }} saw versions of a key skipped",
        means: "A topic's one producer counts without gaps, so events of some visit or item may be missing here: a bill \
                may lack charges. It is a restored or recreated store, a topic that was cut, or a defect.",
        then: "Stop nothing yet; find out what was restored or deleted, and do not let it happen again meanwhile.",
    }
}

fn lane_stopped() -> Alert {
    Alert {
        name: "VertebraLaneStopped",
        severity: Severity::Page,
        expr: "max by (service, processor, lane) (vertebra_lane_stopped) > 0".to_owned(),
        holds: "0m",
        runbook: "lane-stopped",
        summary: "the breaker has stopped lane {{ $labels.lane }} of {{ $labels.processor }}",
        means: "Too much of what came was rejected, so the lane waits for a person instead of parking everything. What \
                belongs to it is kept and waits, in order; a part of the visits or items is not processed.",
        then: "Find out what changed: a release, a sender, a code table. Repair that, then resume the lane.",
    }
}

fn lanes_unowned() -> Alert {
    Alert {
        name: "VertebraLanesUnowned",
        severity: Severity::Page,
        expr: "max by (service, processor) (\n  \
                 max by (service, processor, topic) (vertebra_lag_records) * 0 + on (topic) group_left () vertebra:topic_lanes\n\
               ) - on (service, processor) sum by (service, processor) (vertebra_lanes_owned) > 0\n\
               or sum by (service, processor) (vertebra_lanes_owned) == 0"
            .to_owned(),
        holds: "3m",
        runbook: "behind",
        summary: "lanes of {{ $labels.processor }} are worked by nobody",
        means: "A part of the visits or items stands still. It is kept, in Kafka and in the ledger.",
        then: "See whether instances of {{ $labels.service }} run and are ready.",
    }
}

fn gone() -> Alert {
    Alert {
        name: "VertebraServiceGone",
        severity: Severity::Page,
        expr: "count by (service) (vertebra_build_info offset 1h) unless count by (service) (vertebra_build_info)"
            .to_owned(),
        holds: "3m",
        runbook: "behind",
        summary: "no instance of {{ $labels.service }} is seen any more",
        means: "Its work stands still and waits. If it takes messages in, senders get no answer and keep what they have.",
        then: "Start it, or see why it ends: it says so in its last line.",
    }
}

fn behind() -> Vec<Alert> {
    let lag = "max by (service, processor, topic) (vertebra_lag_seconds)";
    let over = |class: &str, times: &str| {
        format!(
            "{lag}\n> on (topic) group_left (owner) ({times}vertebra:topic_lag_limit_seconds{{class=\"{class}\"}})"
        )
    };
    let summary = "{{ $labels.processor }} is {{ $value | humanizeDuration }} behind on {{ $labels.topic }}";
    let then =
        "See whether its lanes are owned, whether something is tried again in place, and what else grew.";
    let alert = |name, severity, expr, holds, means| Alert {
        name,
        severity,
        expr,
        holds,
        runbook: "behind",
        summary,
        means,
        then,
    };
    vec![
        alert(
            "VertebraBehindInteractive",
            Severity::Page,
            over("interactive", ""),
            "3m",
            "Somebody waits for this: visits, orders and results appear late elsewhere. Nothing is lost.",
        ),
        alert(
            "VertebraBehindBatch",
            Severity::Ticket,
            over("batch", ""),
            "10m",
            "Invoices, stock or master data are late. Nothing is lost.",
        ),
        alert(
            "VertebraBehindBatchLong",
            Severity::Page,
            over("batch", "10 * "),
            "10m",
            "Invoices, stock or master data stand still, or nearly. Nothing is lost; the backlog grows.",
        ),
    ]
}

fn outbox() -> [Alert; 2] {
    [
        Alert {
            name: "VertebraOutboxOld",
            severity: Severity::Page,
            expr: "max by (service, shard) (vertebra_outbox_age_seconds)\n\
                   > on (service) group_left () vertebra:service_outbox_limit_seconds"
                .to_owned(),
            holds: "3m",
            runbook: "behind",
            summary: "the outbox of {{ $labels.service }} waits since {{ $value | humanizeDuration }}",
            means: "What the service found out is committed and not yet published: everybody after it is late. Nothing \
                    is lost.",
            then: "See whether Kafka takes writes (in-sync replicas, disk), and what the relay's log says.",
        },
        Alert {
            name: "VertebraRelaySlow",
            severity: Severity::Ticket,
            expr: "histogram_quantile(0.99, sum by (service, le) (rate(vertebra_relay_transaction_seconds_bucket[10m]))) > 5"
                .to_owned(),
            holds: "10m",
            runbook: "behind",
            summary: "publishing takes {{ $labels.service }} {{ $value | humanizeDuration }}",
            means: "Kafka commits slowly; all that is published comes late.",
            then: "Look at the brokers: disks, replicas that lag, the transaction coordinator.",
        },
    ]
}

fn away() -> [Alert; 3] {
    let tried =
        |what: &str| format!("sum by (service, what) (increase(vertebra_retries_total{{{what}}}[2m])) > 0");
    [
        Alert {
            name: "VertebraPartAway",
            severity: Severity::Page,
            expr: tried("what=~\"kafka|postgres|registry|relay\""),
            holds: "5m",
            runbook: "part-away",
            summary: "{{ $labels.service }} has been trying {{ $labels.what }} again for minutes",
            means: "A part it needs is away. Work waits in place, in order, and goes on by itself when the part is back; \
                    nothing is lost and nothing parks because of it.",
            then: "Bring the part back: Kafka, PostgreSQL, the registry, the network between. Restarting services does not help.",
        },
        Alert {
            name: "VertebraEffectsWait",
            severity: Severity::Page,
            expr: tried("what=\"effect\""),
            holds: "15m",
            runbook: "odoo-down",
            summary: "{{ $labels.service }} has not got through to Odoo for a quarter of an hour",
            means: "No invoices are made. Requests wait in order and are carried out once Odoo is back, each once.",
            then: "See whether Odoo answers people; its own operators know why not.",
        },
        Alert {
            name: "VertebraStateUnreadable",
            severity: Severity::Page,
            expr: tried("what=\"state\""),
            holds: "2m",
            runbook: "part-away",
            summary: "{{ $labels.service }} cannot read what it stored",
            means: "A release that is older than its ledger, or a defect. The lane waits; nothing is lost.",
            then: "Roll forward to the release that ran before, or newer.",
        },
    ]
}
