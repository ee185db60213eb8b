//! F6 and F7: brokers are lost, and a leader is cut off from those who copy it.

use crate::Part;
use crate::play::{Path, Scenario, Stage, lacks_cluster};
use crate::proxy::Manner;
use std::time::Duration;

/// Below `min.insync.replicas` nobody is answered.
pub(super) const F6: Scenario = Scenario {
    lacks: lacks_cluster,
    ..Scenario::new(
        "F6",
        "kill -9 of a broker that leads; then of a second one (below `min.insync.replicas`); then both come back",
        |stage| Box::pin(two_of_three(stage)),
    )
};

/// What its followers do not have was never acknowledged.
pub(super) const F7: Scenario = Scenario {
    lacks: lacks_cluster,
    ..Scenario::new(
        "F7",
        "a leader is cut off from its followers and not from its clients, and dies so",
        |stage| Box::pin(cut_off(stage)),
    )
};

/// What was on its way when a broker died may still be answered.
const ANSWERED_LATE: Duration = Duration::from_secs(3);

async fn two_of_three(stage: &mut Stage) {
    for _ in 0..2 {
        // Every broker leads a third of everything.
        let first = stage.one_of(&[1, 2, 3]);
        let second = stage.one_of(&[1, 2, 3].into_iter().filter(|node| *node != first).collect::<Vec<_>>());
        stage.kill_part(Part::Broker(first)).await;
        stage.flows(20).await;
        stage.kill_part(Part::Broker(second)).await;
        stage.holds(ANSWERED_LATE).await;
        let before = stage.acknowledged();
        let held = stage.number(4, 10);
        stage.holds(Duration::from_secs(held as u64)).await;
        let after = stage.acknowledged();
        stage.note(format_args!("one broker of three: {} acknowledged in {held} s", after - before));
        if after > before {
            stage.violates(1, format_args!("{} messages were acknowledged by one broker", after - before));
        }
        // One with nobody to agree with is not ready by itself.
        stage.note(format_args!("kafka-{first} and kafka-{second} start"));
        Part::Kafka.start().await;
        stage.came_back();
        stage.flows(20).await;
    }
}

async fn cut_off(stage: &mut Stage) {
    for manner in [Manner::Refuse, Manner::Silent] {
        let node = stage.one_of(&[1, 2, 3]);
        stage.behaves(Path::Brokers(node), manner);
        // Past the time after which a follower that is behind is no copy any more, in some runs.
        let held = stage.number(2, 9);
        stage.holds(Duration::from_secs(held as u64)).await;
        stage.kill_part(Part::Broker(node)).await;
        stage.behaves(Path::Brokers(node), Manner::Open);
        let held = stage.number(1, 6);
        stage.holds(Duration::from_secs(held as u64)).await;
        stage.start_part(Part::Broker(node)).await;
        stage.flows(20).await;
    }
}
