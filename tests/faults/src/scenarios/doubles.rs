//! F1 and F2: kill -9 between two things that belong together.

use crate::play::{Scenario, Stage};
use harness::Role;

/// Between Kafka's acknowledgement and the ACK on the wire.
pub(super) const F1: Scenario = Scenario::new(
    "F1",
    "kill -9 of the adapter between Kafka's acknowledgement and the ACK on the wire; the sender sends again",
    |stage| Box::pin(landed(stage)),
);

/// Between the database's commit and what is told of it.
pub(super) const F2: Scenario = Scenario::new(
    "F2",
    "kill -9 of a projection or sink between the database's commit and the broker's, and beside",
    |stage| Box::pin(committed(stage)),
);

/// Where a service with a ledger has done one thing and not yet the next; the first ones are F2's own.
const POINTS: [&str; 8] = [
    "commit:after",
    "commit:after",
    "commit:before",
    "write:after",
    "publish:before",
    "publish:inside",
    "publish:after",
    "delete outbox:before",
];

async fn landed(stage: &mut Stage) {
    for _ in 0..4 {
        let nth = stage.number(2, 15);
        stage.killed_at(Role::Land, &format!("landed:after:{nth}")).await;
        stage.flows(10).await;
    }
}

async fn committed(stage: &mut Stage) {
    for role in [Role::Translate, Role::Bill, Role::Write] {
        let own = stage.number(2, 6);
        stage.killed_at(role, &format!("commit:after:{own}")).await;
        stage.flows(10).await;
        // The writer publishes nothing here: it has parked nothing.
        let points = if role == Role::Write { &POINTS[..4] } else { &POINTS[..] };
        let (point, nth) = (stage.one_of(points), stage.number(1, 3));
        stage.killed_at(role, &format!("{point}:{nth}")).await;
        stage.flows(10).await;
    }
}
