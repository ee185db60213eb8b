//! F9: brokers' disks are full.

use crate::Part;
use crate::ground::{BALLAST, Ground};
use crate::play::{HAPPENS, Scenario, Stage, lacks_cluster};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Of one broker, of two, of all.
pub(super) const F9: Scenario = Scenario {
    lacks: |ground| lacks_cluster(ground).or_else(|| (1..=3).find_map(|node| ground.broker_disk(node).err())),
    ..Scenario::new("F9", "the log directory of one broker, of two, of all three is full", |stage| {
        Box::pin(full(stage))
    })
};

async fn full(stage: &mut Stage) {
    let mut counts = vec![1, 2, 3];
    for _ in 0..2 {
        let count = counts.remove(stage.chance.below(counts.len()));
        let first = stage.number(0, 2);
        let nodes: Vec<u8> = (0..count).map(|n| 1 + u8::try_from((first + n) % 3).unwrap_or(0)).collect();
        let ballast: Vec<PathBuf> = nodes.iter().map(|node| fill(&disk(&stage.ground, *node))).collect();
        stage.note(format_args!("no byte is left for kafka-{nodes:?}"));
        let mut dead = 0;
        for node in &nodes {
            if dies(stage, *node).await {
                stage.died(Part::Broker(*node));
                dead += 1;
            } else {
                // Whatever others have for it waits for one that is away already.
                stage.note(format_args!("kafka-{node} has nothing to write, and goes on"));
            }
        }
        if nodes.len() == 1 {
            stage.flows(20).await;
        } else if dead == nodes.len() {
            let before = stage.acknowledged();
            stage.holds(Duration::from_secs(5)).await;
            let more = stage.acknowledged() - before;
            if more > 0 {
                stage.violates(1, format_args!("{more} messages were acknowledged by one broker or none"));
            }
        }
        ballast.iter().for_each(|file| std::fs::remove_file(file).expect("the ballast goes"));
        stage.note("there is room again; whoever looks after the brokers starts them");
        Part::Kafka.start().await;
        stage.came_back();
        stage.flows(20).await;
    }
}

fn disk(ground: &Ground, node: u8) -> PathBuf {
    ground.broker_disk(node).expect("the scenario runs only where there is one")
}

/// Takes all room there is; returns what has to go to give it back.
pub(super) fn fill(disk: &Path) -> PathBuf {
    let file = disk.join(BALLAST);
    let mut ballast = File::create(&file).expect("a file");
    // In pieces down to one byte: a last page that is half free would be room.
    for piece in [1 << 20, 4096, 1] {
        let zeros = vec![0; piece];
        while ballast.write_all(&zeros).is_ok() {}
    }
    file
}

/// A broker whose only log directory fails ends itself; whether it has.
async fn dies(stage: &mut Stage, node: u8) -> bool {
    let (port, began) = (stage.ground.broker_port(node), Instant::now());
    while began.elapsed() < HAPPENS.0 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            return true;
        }
        stage.holds(Duration::from_millis(200)).await;
    }
    false
}
