//! Framing, case 5: what is too large, too slow, or never ends.

use super::{Case, End};
use crate::bench::{Bench, failed, skipped};
use crate::target::Slow;
use crate::wire::Heard;
use std::time::{Duration, Instant};

/// How often a sender that dribbles sends a byte.
const DRIBBLE: Duration = Duration::from_millis(200);
/// Connections that are held open in the middle of a message.
const HALF_OPEN: usize = 4;

pub(super) const CASES: &[Case] = &[
    Case {
        number: "5",
        name: "a-message-over-the-size-cap",
        says: "A message over the cap is answered with a NAK and named; memory stays bounded.",
        run: |bench| Box::pin(oversize(bench)),
    },
    Case {
        number: "5",
        name: "half-open-connections-hold-up-nobody",
        says: "Senders that stopped amid a message do not keep others from being answered.",
        run: |bench| Box::pin(half_open(bench)),
    },
    Case {
        number: "5",
        name: "a-side-that-is-closed-is-answered",
        says: "A sender that closes its side behind a message still gets the answer.",
        run: |bench| Box::pin(half_closed(bench)),
    },
    Case {
        number: "5",
        name: "a-sender-that-dribbles-is-cut-off",
        says: "A message that never ends is cut off, however steadily its bytes come.",
        run: |bench| Box::pin(dribble(bench)),
    },
    Case {
        number: "5",
        name: "an-idle-connection-is-let-go-or-served",
        says: "A silent connection is closed or kept; a message on it is never swallowed.",
        run: |bench| Box::pin(idle(bench)),
    },
];

async fn oversize(bench: &mut Bench) -> End {
    let bytes = bench.target.oversize_bytes;
    let note = [b"OBX|1|TX|TRT^Torture||", &vec![b'x'; bytes][..]].concat();
    let message = bench.message().and(note);
    let mut peer = bench.peer().await?;
    bench.step(format!("{} with a field of {bytes} bytes", message.control_id));
    let heard = peer.says_and_hears(&message.frame(), 1).await.pop().unwrap_or(Heard::Closed);
    match heard {
        Heard::Answer(answer) if answer.accepts() => {
            bench.is_accept(&answer, &message.control_id)?;
            bench.tolerates(format!("it takes messages of {bytes} bytes; its cap, if any, is above"));
        }
        Heard::Answer(answer) => {
            bench.step(&answer);
            if !answer.is_to(&message.control_id) {
                bench.tolerates("its NAK does not name the message");
            }
        }
        Heard::Commit(byte) => bench.step(format!("the commit byte 0x{byte:02x}")),
        Heard::Closed => {
            bench.tolerates("it closes the connection at a message over its cap");
            return Ok(());
        }
        other => return failed(format!("a NAK to {}", message.control_id), other),
    }
    let next = bench.message();
    peer.says(&next.frame()).await;
    match peer.hears().await {
        Heard::Answer(answer) => bench.is_accept(&answer, &next.control_id),
        Heard::Closed => {
            bench.tolerates("it closes the connection behind its NAK");
            Ok(())
        }
        other => failed(format!("AA to {}", next.control_id), other),
    }
}

async fn half_open(bench: &mut Bench) -> End {
    let mut stuck = Vec::new();
    for _ in 0..HALF_OPEN {
        let mut peer = bench.peer().await?;
        let frame = bench.message().frame();
        peer.says(frame.get(..frame.len() / 2).unwrap_or_default()).await;
        stuck.push(peer);
    }
    bench.step(format!("{HALF_OPEN} connections stand still amid a message; one more"));
    let mut peer = bench.peer().await?;
    bench.goes_on(&mut peer).await
}

async fn half_closed(bench: &mut Bench) -> End {
    let message = bench.message();
    let mut peer = bench.peer().await?;
    bench.step(format!("{}, then the end of the sender's side", message.control_id));
    peer.says(&message.frame()).await;
    peer.says_no_more().await;
    match peer.hears().await {
        Heard::Answer(answer) => {
            bench.step(&answer);
            bench.is_accept(&answer, &message.control_id)
        }
        Heard::Closed => {
            bench.tolerates("it does not answer a sender that has closed its side");
            Ok(())
        }
        other => failed(format!("AA to {}", message.control_id), other),
    }
}

async fn dribble(bench: &mut Bench) -> End {
    let Slow::Within(most) = bench.target.slow else {
        return skipped("it waits for the endpoint's time-outs: --slow");
    };
    let mut peer = bench.peer().await?;
    let frame = bench.message().frame();
    peer.says(frame.get(..frame.len() / 2).unwrap_or_default()).await;
    bench.step(format!("half a message, then a byte every {} ms", DRIBBLE.as_millis()));
    let begun = Instant::now();
    while begun.elapsed() < most {
        peer.says(b"x").await;
        match peer.hears_within(DRIBBLE).await {
            Heard::Silence => {}
            Heard::Closed => return Ok(()),
            Heard::Answer(answer) if !answer.accepts() => {
                bench.step(&answer);
                return Ok(());
            }
            other => return failed("the connection's end", other),
        }
    }
    failed(format!("the connection's end within {} s", most.as_secs()), "it was waited on for longer")
}

async fn idle(bench: &mut Bench) -> End {
    let Slow::Within(most) = bench.target.slow else {
        return skipped("it waits for the endpoint's time-outs: --slow");
    };
    let mut peer = bench.peer().await?;
    bench.goes_on(&mut peer).await?;
    bench.step(format!("silence for {} s", most.as_secs()));
    match peer.hears_within(most).await {
        Heard::Closed => {
            bench.step("it closes the silent connection");
            Ok(())
        }
        Heard::Silence => {
            bench.step("it keeps the silent connection");
            bench.goes_on(&mut peer).await
        }
        other => failed("silence", other),
    }
}
