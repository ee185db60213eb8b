//! Content, case 18: what is built to hang a parser or to make it overflow.

use super::{Case, End};
use crate::bench::{Bench, failed};
use crate::message::framed;
use crate::wire::Heard;

/// Of what is deep or long.
const MUCH: usize = 1 << 20;

pub(super) const CASES: &[Case] = &[
    Case {
        number: "18",
        name: "deep-repetition",
        says: "A million repetitions, components or fields are answered like one.",
        run: |bench| Box::pin(deep(bench)),
    },
    Case {
        number: "18",
        name: "a-megabyte-in-one-field",
        says: "A field of a megabyte is a field.",
        run: |bench| Box::pin(long(bench)),
    },
    Case {
        number: "18",
        name: "delimiters-equal-to-each-other",
        says: "An MSH whose delimiters cannot be told apart is refused, or read somehow; nothing hangs.",
        run: |bench| Box::pin(delimiters(bench)),
    },
    Case {
        number: "18",
        name: "an-escape-that-never-ends",
        says: "An escape of a megabyte, or half a million of them, is content.",
        run: |bench| Box::pin(escapes(bench)),
    },
    Case {
        number: "18",
        name: "no-message-at-all",
        says: "Zeros, an endless MSH, half a message, two in one frame, random bytes: answered, never silence.",
        run: |bench| Box::pin(nonsense(bench)),
    },
];

/// Sends a payload on a connection of its own. Any answer will do, but none may be accepted under another's name.
async fn is_answered(bench: &mut Bench, what: &str, control_id: Option<&str>, payload: &[u8]) -> End {
    let mut peer = bench.peer().await?;
    bench.step(format!("{what}, {} bytes", payload.len()));
    let heard = peer.says_and_hears(&framed(payload), 1).await.pop().unwrap_or(Heard::Closed);
    match heard {
        Heard::Answer(answer) => {
            bench.step(&answer);
            let accepted = answer.accepts();
            match control_id {
                Some(id) if accepted && !answer.is_to(id) => failed(format!("AA to {id}, or a NAK"), answer),
                _ if answer.verdict().is_none() => failed("a code of an acknowledgement", answer),
                _ => Ok(()),
            }
        }
        Heard::Commit(byte) => {
            bench.step(format!("the commit byte 0x{byte:02x}"));
            Ok(())
        }
        Heard::Closed => {
            bench.tolerates(format!("it closes the connection at {what}"));
            Ok(())
        }
        other => failed(format!("an answer to {what}"), other),
    }
}

/// A healthy message with one more segment.
async fn with_segment(bench: &mut Bench, what: &str, segment: Vec<u8>) -> End {
    let message = bench.message().and(segment);
    is_answered(bench, what, Some(&message.control_id), &message.payload()).await
}

async fn deep(bench: &mut Bench) -> End {
    for (what, byte) in
        [("repetitions", b'~'), ("components", b'^'), ("subcomponents", b'&'), ("fields", b'|')]
    {
        with_segment(bench, what, [b"ZTR|1|", &vec![byte; MUCH][..]].concat()).await?;
    }
    let patients = [b"PID|1||", &b"TRT1^^^TORTURE^MR~".repeat(MUCH / 32)[..]].concat();
    with_segment(bench, "identifiers of one patient", patients).await?;
    with_segment(bench, "segments", b"ZTR|1\r".repeat(MUCH / 16)).await?;
    with_segment(bench, "empty segments", b"\r".repeat(MUCH)).await
}

async fn long(bench: &mut Bench) -> End {
    let segment = [b"OBX|1|TX|TRT^Torture||", &vec![b'x'; MUCH][..]].concat();
    with_segment(bench, "a field", segment).await?;
    with_segment(bench, "a segment's name", vec![b'Z'; MUCH]).await?;
    let long_id = "T".repeat(MUCH);
    let message = bench.message().msh(10, &long_id);
    is_answered(bench, "a control id", Some(&long_id), &message.payload()).await?;
    let message = bench.message().msh(3, vec![b'A'; MUCH]);
    is_answered(bench, "an MSH-3", Some(&message.control_id), &message.payload()).await
}

async fn delimiters(bench: &mut Bench) -> End {
    for encoding in ["||||", "^^^^", "^~^&", "", "^", "^~\\&#^~\\&", "\r\r\r\r"] {
        let message = bench.message().msh(2, encoding);
        // Whether its MSH-10 can be found is the endpoint's affair.
        is_answered(bench, &format!("MSH-2 {encoding:?}"), None, &message.payload()).await?;
    }
    for separator in ["^", "\\", "M", "1", "\r"] {
        let message = bench.message().msh(1, separator);
        is_answered(bench, &format!("MSH-1 {separator:?}"), None, &message.payload()).await?;
    }
    Ok(())
}

async fn escapes(bench: &mut Bench) -> End {
    let text = |value: &[u8]| [b"OBX|1|TX|TRT^Torture||", value].concat();
    with_segment(bench, "an escape that never ends", text(&[b"\\X", &b"41".repeat(MUCH / 2)[..]].concat()))
        .await?;
    with_segment(bench, "escapes that never end", text(&b"\\X".repeat(MUCH / 2))).await?;
    with_segment(bench, "escapes", text(&b"\\T\\".repeat(MUCH / 3))).await?;
    with_segment(bench, "escape characters", text(&vec![b'\\'; MUCH])).await?;
    with_segment(bench, "a hexadecimal escape with other digits", text(b"\\XZZ\\ \\X4\\ \\X\\")).await
}

async fn nonsense(bench: &mut Bench) -> End {
    is_answered(bench, "zeros", None, &vec![0; MUCH]).await?;
    is_answered(bench, "an MSH of nothing but separators", None, &[b"MSH", &vec![b'|'; MUCH][..]].concat())
        .await?;
    let two = [bench.message().payload(), bench.message().payload()].concat();
    is_answered(bench, "two messages in one frame", None, &two).await?;
    let half = bench.message().payload();
    is_answered(bench, "a message that ends in its MSH", None, half.get(..40).unwrap_or_default()).await?;
    let message = bench.message().and(b"NTE|1||a\0b\x01c\x7f\xff".as_slice());
    is_answered(bench, "control characters", Some(&message.control_id), &message.payload()).await?;
    for seed in 1..=8 {
        is_answered(bench, "random bytes", None, &random(seed, 64 << 10)).await?;
        let header = bench.message();
        let payload = [&header.payload()[..], &random(seed + 100, 64 << 10)].concat();
        is_answered(bench, "random bytes behind an MSH", None, &payload).await?;
    }
    Ok(())
}

/// Bytes by a seed (xorshift), without those that end or begin a frame.
fn random(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).filter(|byte| !matches!(byte, 0x0b | 0x1c)).take(count).collect()
}
