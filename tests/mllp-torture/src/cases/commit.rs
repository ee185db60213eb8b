//! Framing, case 9: the commit bytes of MLLP's second release.

use super::{Case, End};
use crate::bench::{Bench, failed, skipped};
use crate::message::framed;
use crate::target::Mllp;
use crate::wire::{COMMIT, Heard, NO_COMMIT};

const FIRST_RELEASE: &str = "the endpoint is not said to be of MLLP's second release: --mllp v2";

pub(super) const CASES: &[Case] = &[
    Case {
        number: "9",
        name: "a-commit-byte-before-the-ack",
        says: "In MLLP v2 a message is committed by 0x06 in a frame of its own; its ACK comes behind.",
        run: |bench| Box::pin(committed(bench)),
    },
    Case {
        number: "9",
        name: "an-ack-that-is-not-committed",
        says: "In MLLP v2 an endpoint whose ACK is answered 0x15 goes on, or ends the connection.",
        run: |bench| Box::pin(not_committed(bench)),
    },
    Case {
        number: "9",
        name: "a-commit-byte-that-nobody-asked-for",
        says: "A stray commit byte is no message that is accepted, and stops nothing.",
        run: |bench| Box::pin(stray(bench)),
    },
];

async fn committed(bench: &mut Bench) -> End {
    if bench.target.mllp == Mllp::V1 {
        return skipped(FIRST_RELEASE);
    }
    let mut peer = bench.peer().await?;
    for _ in 0..3 {
        let message = bench.message();
        peer.says(&message.frame()).await;
        match peer.hears_raw(bench.target.timeout).await {
            Heard::Commit(COMMIT) => bench.step("0x06"),
            other => return failed("0x06 in a frame of its own", other),
        }
        match peer.hears_raw(bench.target.timeout).await {
            Heard::Answer(answer) => bench.is_accept(&answer, &message.control_id)?,
            other => return failed(format!("AA to {} behind it", message.control_id), other),
        }
        peer.says(&framed(&[COMMIT])).await;
    }
    Ok(())
}

async fn not_committed(bench: &mut Bench) -> End {
    if bench.target.mllp == Mllp::V1 {
        return skipped(FIRST_RELEASE);
    }
    let mut peer = bench.peer().await?;
    let message = bench.message();
    peer.says(&message.frame()).await;
    for expected in ["0x06", "an ACK"] {
        match peer.hears_raw(bench.target.timeout).await {
            heard @ (Heard::Commit(COMMIT) | Heard::Answer(_)) => bench.step(heard),
            other => return failed(expected, other),
        }
    }
    bench.step("0x15 for the ACK");
    let next = bench.message();
    peer.says(&framed(&[NO_COMMIT])).await;
    peer.says(&next.frame()).await;
    // The ACK may come a second time before.
    for _ in 0..3 {
        match peer.hears().await {
            Heard::Answer(answer) if answer.is_to(&message.control_id) => bench.step(&answer),
            Heard::Answer(answer) => {
                bench.step(&answer);
                return bench.is_accept(&answer, &next.control_id);
            }
            Heard::Commit(_) => {}
            Heard::Closed => return Ok(()),
            other => return failed(format!("AA to {}", next.control_id), other),
        }
    }
    failed(format!("AA to {}", next.control_id), "the ACK of before, again and again")
}

async fn stray(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    for byte in [COMMIT, NO_COMMIT] {
        let message = bench.message();
        bench.step(format!("0x{byte:02x} in a frame of its own, then {}", message.control_id));
        peer.says(&framed(&[byte])).await;
        peer.says(&message.frame()).await;
        let expected = format!("AA to {}", message.control_id);
        let mut heard = peer.hears().await;
        if let Heard::Answer(answer) = &heard
            && answer.control_id.is_empty()
        {
            if answer.accepts() {
                return failed("no acceptance of a stray commit byte", answer);
            }
            bench.step(answer);
            heard = peer.hears().await;
        }
        match heard {
            Heard::Answer(answer) => bench.is_accept(&answer, &message.control_id)?,
            Heard::Closed => {
                bench.tolerates("it closes the connection at a stray commit byte");
                peer = bench.peer().await?;
            }
            other => return failed(expected, other),
        }
    }
    Ok(())
}
