//! Framing, cases 1 to 4: where a message begins and ends, whatever the packets are.

use super::{Case, End};
use crate::bench::{Bench, failed};
use crate::message::{END, Message, START, framed};
use crate::wire::{Heard, Peer};
use std::time::Duration;

/// Long enough for a packet to be read before the next one comes.
const PACKET: Duration = Duration::from_millis(2);
/// How long a sender leaves a frame without its last CR.
const PAUSE: Duration = Duration::from_millis(300);

pub(super) const CASES: &[Case] = &[
    Case {
        number: "1",
        name: "no-start-block",
        says: "What does not begin with VT is no message; the frame behind it is one.",
        run: |bench| Box::pin(no_start_block(bench)),
    },
    Case {
        number: "1",
        name: "bytes-before-the-start-block",
        says: "Bytes before the start block are dropped.",
        run: |bench| Box::pin(bytes_before(bench)),
    },
    Case {
        number: "2",
        name: "fs-cr-lf",
        says: "An LF behind FS CR is nothing.",
        run: |bench| Box::pin(fs_cr_lf(bench)),
    },
    Case {
        number: "2",
        name: "fs-without-cr",
        says: "A frame whose CR never comes is ended by its FS, or waited on until the CR comes.",
        run: |bench| Box::pin(fs_without_cr(bench)),
    },
    Case {
        number: "2",
        name: "cr-in-a-later-packet",
        says: "A CR that comes later ends the frame; it makes no second message.",
        run: |bench| Box::pin(late_cr(bench)),
    },
    Case {
        number: "3",
        name: "frames-in-one-packet",
        says: "Each of several frames in one packet is a message.",
        run: |bench| Box::pin(one_packet(bench)),
    },
    Case {
        number: "3",
        name: "one-byte-packets",
        says: "A frame that comes byte by byte is a message.",
        run: |bench| Box::pin(one_byte_packets(bench)),
    },
    Case {
        number: "3",
        name: "split-at-every-byte",
        says: "Wherever a frame is split into two packets, it is one message.",
        run: |bench| Box::pin(split_everywhere(bench)),
    },
    Case {
        number: "4",
        name: "framing-bytes-in-the-payload",
        says: "A VT or FS amid a payload neither begins nor ends a message; it may be refused.",
        run: |bench| Box::pin(framing_bytes_inside(bench)),
    },
    Case {
        number: "4",
        name: "a-start-block-amid-a-frame",
        says: "A sender that begins anew amid a frame gave the first one up: only the second is accepted.",
        run: |bench| Box::pin(start_amid_frame(bench)),
    },
];

async fn no_start_block(bench: &mut Bench) -> End {
    let (naked, whole) = (bench.message(), bench.message());
    let mut peer = bench.peer().await?;
    bench.step(format!("{} without VT, then {} in its frame", naked.control_id, whole.control_id));
    peer.says(naked.frame().get(1..).unwrap_or_default()).await;
    peer.says(&whole.frame()).await;
    accepted_behind(bench, &mut peer, &whole, &naked, "takes a message without a start block").await
}

async fn bytes_before(bench: &mut Bench) -> End {
    let (nothing, whole) = (bench.message(), bench.message());
    let mut peer = bench.peer().await?;
    bench.step(format!("an HTTP request, then {}", whole.control_id));
    peer.says(&[b"GET / HTTP/1.1\r\nHost: torture\r\n\r\n", &whole.frame()[..]].concat()).await;
    accepted_behind(bench, &mut peer, &whole, &nothing, "answers what is no message").await
}

/// Reads up to the answer to `whole`; what is said of `before` is a variation.
async fn accepted_behind(
    bench: &mut Bench,
    peer: &mut Peer,
    whole: &Message,
    before: &Message,
    variation: &str,
) -> End {
    // Nothing, or one answer to what stood before.
    for _ in 0..2 {
        match peer.hears().await {
            Heard::Answer(answer) if answer.is_to(&whole.control_id) => {
                bench.step(&answer);
                return bench.is_accept(&answer, &whole.control_id);
            }
            Heard::Answer(answer) if answer.is_to(&before.control_id) => {
                bench.step(&answer);
                bench.tolerates(format!("it {variation}"));
            }
            Heard::Answer(answer) if !answer.accepts() => {
                bench.step(&answer);
                bench.tolerates(format!("it refuses bytes outside of a frame with {}", answer.code));
            }
            Heard::Closed => {
                bench.tolerates("it closes the connection at bytes outside of a frame");
                return Ok(());
            }
            other => return failed(format!("AA to {}", whole.control_id), other),
        }
    }
    failed(format!("AA to {}", whole.control_id), "two answers to what is no message")
}

async fn fs_cr_lf(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    for _ in 0..2 {
        let message = bench.message();
        bench.step(format!("{} ended by FS CR LF", message.control_id));
        peer.says(&[&message.frame()[..], b"\n"].concat()).await;
        bench.accepts(&mut peer, &message.control_id).await?;
    }
    Ok(())
}

async fn fs_without_cr(bench: &mut Bench) -> End {
    let message = bench.message();
    let mut peer = bench.peer().await?;
    let frame = message.frame();
    bench.step(format!("{} ended by FS alone", message.control_id));
    peer.says(frame.get(..frame.len() - 1).unwrap_or_default()).await;
    match peer.hears_within(bench.target.timeout.min(Duration::from_secs(3))).await {
        Heard::Answer(answer) => {
            bench.step(&answer);
            bench.is_accept(&answer, &message.control_id)?;
        }
        Heard::Silence => {
            bench.tolerates("it waits for the CR");
            peer.says(b"\r").await;
            bench.accepts(&mut peer, &message.control_id).await?;
        }
        other => return failed(format!("AA to {}, or a wait for its CR", message.control_id), other),
    }
    bench.goes_on(&mut peer).await
}

async fn late_cr(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    let message = bench.message();
    let frame = message.frame();
    bench.step(format!("{} with its CR {} ms later", message.control_id, PAUSE.as_millis()));
    let (most, cr) = frame.split_at(frame.len() - 1);
    peer.says_in_pieces(&[most, cr], PAUSE).await;
    bench.accepts(&mut peer, &message.control_id).await?;
    // A second answer to it would be heard here.
    bench.goes_on(&mut peer).await
}

async fn one_packet(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    let messages = [bench.message(), bench.message(), bench.message()];
    bench.step("three frames in one packet");
    let all = peer.says_and_hears(&messages.each_ref().map(Message::frame).concat(), messages.len()).await;
    in_order(bench, &messages, all)
}

/// That there is AA to each message, in the order of the messages.
pub(super) fn in_order(bench: &mut Bench, messages: &[Message], all: Vec<Heard>) -> End {
    let mut all = all.into_iter();
    for message in messages {
        let id = &message.control_id;
        match all.next() {
            Some(Heard::Answer(answer)) => {
                bench.step(&answer);
                bench.is_accept(&answer, id)?;
            }
            Some(other) => return failed(format!("AA to {id}"), other),
            None => return failed(format!("AA to {id}"), "nothing more"),
        }
    }
    Ok(())
}

async fn one_byte_packets(bench: &mut Bench) -> End {
    let message = bench.message();
    let mut peer = bench.peer().await?;
    let frame = message.frame();
    bench.step(format!("{} in {} packets of one byte", message.control_id, frame.len()));
    peer.says_in_pieces(&frame.chunks(1).collect::<Vec<_>>(), PACKET).await;
    bench.accepts(&mut peer, &message.control_id).await?;
    bench.goes_on(&mut peer).await
}

async fn split_everywhere(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    let length = bench.message().frame().len();
    bench.step(format!("{} messages, each split behind another byte", length - 1));
    for at in 1..length {
        let message = bench.message();
        let frame = message.frame();
        let (first, second) = frame.split_at(at.min(frame.len()));
        peer.says_in_pieces(&[first, second], PACKET).await;
        let id = &message.control_id;
        match peer.hears().await {
            Heard::Answer(answer) => bench.is_accept(&answer, id)?,
            other => return failed(format!("AA to {id}, split behind its byte {at}"), other),
        }
    }
    Ok(())
}

async fn framing_bytes_inside(bench: &mut Bench) -> End {
    for (name, byte) in [("VT", START), ("FS", END)] {
        let message = bench.message().and([b"NTE|1||Torture a", &[byte][..], b"b"].concat());
        let mut peer = bench.peer().await?;
        bench.step(format!("{} with a {name} in NTE-3", message.control_id));
        peer.says(&message.frame()).await;
        match peer.hears().await {
            Heard::Answer(answer) => {
                bench.step(&answer);
                if !answer.accepts() {
                    bench.tolerates(format!("it refuses a {name} in a payload with {}", answer.code));
                    continue;
                }
                bench.is_accept(&answer, &message.control_id)?;
                bench.goes_on(&mut peer).await?;
            }
            Heard::Closed => bench.tolerates(format!("it closes the connection at a {name} in a payload")),
            other => return failed("an answer", other),
        }
    }
    Ok(())
}

async fn start_amid_frame(bench: &mut Bench) -> End {
    let (given_up, whole) = (bench.message(), bench.message());
    let mut peer = bench.peer().await?;
    bench.step(format!("half of {}, then {} in its frame", given_up.control_id, whole.control_id));
    // Cut inside the PID: the MSH is there, and with it what an ACK is made of.
    let payload = given_up.payload();
    let half = framed(payload.get(..payload.len() * 2 / 3).unwrap_or_default());
    peer.says(half.get(..half.len() - 2).unwrap_or_default()).await;
    peer.says(&whole.frame()).await;
    let expected = format!("AA to {}", whole.control_id);
    for _ in 0..2 {
        match peer.hears().await {
            Heard::Answer(answer) if answer.is_to(&whole.control_id) => {
                bench.step(&answer);
                return bench.is_accept(&answer, &whole.control_id);
            }
            Heard::Answer(answer) if answer.accepts() => {
                return failed(expected, format!("{answer}, which never came whole"));
            }
            Heard::Answer(answer) => {
                bench.step(&answer);
                bench.tolerates(format!("it refuses what was given up with {}", answer.code));
            }
            Heard::Closed => {
                bench.tolerates("it closes the connection at a start block amid a frame");
                return Ok(());
            }
            // Refused as one message, and with it the second one: a sender would send it again.
            Heard::Silence if bench.has_tolerated() => return Ok(()),
            other => return failed(expected, other),
        }
    }
    Ok(())
}
