//! A topic whose partition count is not the catalog's is refused, with what to do.

use canon::Case;
use canon::event::Event;
use faults::{Start, World, say};
use harness::Role;

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_with_another_partition_count_is_refused_with_what_to_do() {
    let Some(world) = World::fresh().await else { return };
    world.remake_topic(Case::TOPIC, 3).await;
    let log = world.start(Role::Bill, &Start::default()).until_ended().await;
    let told = log.lines().find(|line| line.contains(Case::TOPIC)).unwrap_or_default();
    for part in ["has 3 partitions", "catalog says 6", "next generation"] {
        assert!(told.contains(part), "`{part}` is not told:\n{log}");
    }
    say(format_args!("refused: {told}"));
    world.end().await;
}
