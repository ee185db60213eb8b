//! What meets the world: senders that connect to us, Odoo that is read.

use super::{Alert, Severity, risen};

pub(super) fn alerts() -> Vec<Alert> {
    let mut alerts = senders();
    alerts.extend(sources());
    alerts
}

fn senders() -> Vec<Alert> {
    let alert = |name, severity, expr: String, holds, summary, means, then| Alert {
        name,
        severity,
        expr,
        holds,
        runbook: "sender-silent",
        summary,
        means,
        then,
    };
    vec![
        alert(
            "VertebraNotAcknowledged",
            Severity::Page,
            risen("vertebra_landing_messages_total{result=\"failed\"}", "sender", "5m"),
            "2m",
            "messages of {{ $labels.sender }} are not acknowledged",
            "They could not be made durable in time, so the sender was told to send them again. It keeps them; if it \
             gives up repeating, they are lost on its side.",
            "See whether Kafka takes writes: in-sync replicas, disks.",
        ),
        alert(
            "VertebraRefused",
            Severity::Ticket,
            risen("vertebra_landing_messages_total{result=\"refused\"}", "sender", "15m"),
            "0m",
            "messages of {{ $labels.sender }} are refused",
            "They have no control id, are too large, or are no messages; the sender was told so (AR).",
            "The log of ehr-adapter says which and why, without their content.",
        ),
        alert(
            "VertebraConnectionsRefused",
            Severity::Ticket,
            risen("vertebra_landing_connections_refused_total", "sender, reason", "15m"),
            "0m",
            "connections to {{ $labels.sender }} are closed at once: {{ $labels.reason }}",
            "A new address, too many connections, or a certificate. Messages may wait on the sender's side.",
            "Compare with the sender's file: allow, connections_max, tls.",
        ),
        alert(
            "VertebraStreamFaults",
            Severity::Ticket,
            "sum by (sender, kind) (increase(vertebra_landing_stream_faults_total[15m])) > 10".to_owned(),
            "0m",
            "what {{ $labels.sender }} sends is broken: {{ $labels.kind }}",
            "Frames come in pieces or with other bytes between them. Only whole messages are taken.",
            "Look at the network between, and at the sender's engine.",
        ),
        alert(
            "VertebraSenderFileRejected",
            Severity::Ticket,
            "max by (sender) (vertebra_landing_sender_config_rejected) > 0".to_owned(),
            "5m",
            "the file of {{ $labels.sender }} is not taken",
            "What it said before still holds, so the change somebody meant is not in force.",
            "`ehr-adapter land --check-config` says the line.",
        ),
        alert(
            "VertebraAcknowledgesSlowly",
            Severity::Ticket,
            "histogram_quantile(0.99, sum by (sender, le) (rate(vertebra_landing_ack_seconds_bucket[10m])))\n\
             > on () group_left () (20 * vertebra:topic_objective_seconds{topic=\"raw.hl7v2.v1\"})"
                .to_owned(),
            "10m",
            "{{ $labels.sender }} waits {{ $value | humanizeDuration }} for answers",
            "Its queue may grow, since most senders wait for each answer.",
            "See how long Kafka's writes take.",
        ),
    ]
}

fn sources() -> Vec<Alert> {
    let alert = |name, severity, expr: String, holds, summary, means, then| Alert {
        name,
        severity,
        expr,
        holds,
        runbook: "odoo-down",
        summary,
        means,
        then,
    };
    vec![
        alert(
            "VertebraSourceAsks",
            Severity::Page,
            "max by (service, source, kind) (vertebra_source_asks_rows) > 0".to_owned(),
            "0m",
            "{{ $labels.source }} asks before it withdraws {{ $value }} rows of {{ $labels.kind }}",
            "More than 1 % of the rows it knew are gone at once. It has withdrawn none of them and goes no further: what \
             it reads stands still. Somebody deleted them, or it is the wrong database or folder.",
            "Ask who deletes there; only then approve.",
        ),
        alert(
            "VertebraSourceWaits",
            Severity::Page,
            "sum by (service, what) (increase(vertebra_retries_total{what!~\"effect|kafka|postgres|registry|relay|state\"}[2m])) > 0\n\
             unless on (service) max by (service) (vertebra_source_asks_rows) > 0"
                .to_owned(),
            "15m",
            "{{ $labels.service }} has read nothing of {{ $labels.what }} for a quarter of an hour",
            "Master data, payments or tables stand still as they were. What changes meanwhile is found when it answers again.",
            "See whether Odoo answers people, or whether the folder can be read.",
        ),
        alert(
            "VertebraSourceRefused",
            Severity::Ticket,
            risen("vertebra_source_rows_total{outcome=\"refused\"}", "service, source", "1h"),
            "0m",
            "{{ $labels.source }} has rows that cannot be stated",
            "What each of them stated before still holds, so here it is out of date.",
            "The log of {{ $labels.service }} and ops.dead-letter.v1 name the rows.",
        ),
        alert(
            "VertebraPollerLateRows",
            Severity::Ticket,
            risen("vertebra_odoo_poller_late_rows_total", "service, model", "1h"),
            "0m",
            "rows of {{ $labels.model }} came to light later than the poller looks back",
            "A transaction in Odoo was open for longer than that. The sweep found the rows, and they were published, late.",
            "See which import or job holds transactions open so long.",
        ),
        alert(
            "VertebraPollerSlow",
            Severity::Ticket,
            "histogram_quantile(0.99, sum by (model, le) (rate(vertebra_odoo_poller_detection_seconds_bucket[30m])))\n\
             > on () group_left () (6 * max(vertebra:topic_objective_seconds{topic=~\"inventory.*\"}))"
                .to_owned(),
            "30m",
            "changes of {{ $labels.model }} in Odoo take {{ $value | humanizeDuration }} to get here",
            "Stock, master data or payments are old when they are seen.",
            "See how long Odoo takes to answer, and whether something large is imported.",
        ),
    ]
}
