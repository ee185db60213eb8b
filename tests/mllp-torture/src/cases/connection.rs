//! Framing, cases 6, 7 and 10: connections that come and go, and many messages on one.

use super::framing::in_order;
use super::{Case, End};
use crate::bench::{Bench, failed};
use crate::message::Message;
use crate::wire::{Heard, Peer};
use futures::future::join_all;
use socket2::SockRef;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Probes of each kind.
const PROBES: usize = 10;
/// Messages on one connection.
const MANY: usize = 200;
/// Connections at once.
const CROWD: usize = 24;
/// Messages sent before the first answer is read.
const PIPELINE: usize = 20;
/// Messages sent while answers are read, more than any queue holds.
const STREAM: usize = 400;

pub(super) const CASES: &[Case] = &[
    Case {
        number: "6",
        name: "a-probe-that-connects-and-closes",
        says: "A load balancer connects and closes at once, again and again.",
        run: |bench| Box::pin(probes(bench, false)),
    },
    Case {
        number: "6",
        name: "a-probe-that-resets",
        says: "A load balancer connects and resets the connection, again and again.",
        run: |bench| Box::pin(probes(bench, true)),
    },
    Case {
        number: "7",
        name: "a-reconnect-amid-a-message",
        says: "What was cut off is no message; sent again on a new connection it is accepted.",
        run: |bench| Box::pin(reconnect(bench)),
    },
    Case {
        number: "7",
        name: "many-messages-on-one-connection",
        says: "A connection is for as many messages as the sender has.",
        run: |bench| Box::pin(many(bench)),
    },
    Case {
        number: "7",
        name: "many-connections-at-once",
        says: "Each connection gets its own answers; one over the cap is closed and not left hanging.",
        run: |bench| Box::pin(crowd(bench)),
    },
    Case {
        number: "10",
        name: "messages-before-the-first-ack",
        says: "Each message sent before the first ACK gets its own ACK, in the order of the messages.",
        run: |bench| Box::pin(pipelined(bench, PIPELINE)),
    },
    Case {
        number: "10",
        name: "more-messages-than-any-queue-holds",
        says: "A sender that does not wait is held back and loses nothing.",
        run: |bench| Box::pin(pipelined(bench, STREAM)),
    },
];

async fn probes(bench: &mut Bench, resets: bool) -> End {
    bench.step(format!("{PROBES} connections, {}", if resets { "reset at once" } else { "closed at once" }));
    for _ in 0..PROBES {
        let connecting = timeout(bench.target.timeout, TcpStream::connect(&bench.target.address)).await;
        let stream = match connecting {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return failed("a connection", error),
            Err(_) => return failed("a connection", "nothing in time"),
        };
        if resets {
            // Closing with nothing left to linger for sends an RST.
            let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        }
        drop(stream);
    }
    Ok(())
}

async fn reconnect(bench: &mut Bench) -> End {
    let message = bench.message();
    let frame = message.frame();
    let mut peer = bench.peer().await?;
    bench.step(format!("two thirds of {}, then the connection's end", message.control_id));
    peer.says(frame.get(..frame.len() * 2 / 3).unwrap_or_default()).await;
    peer.says_no_more().await;
    match peer.hears().await {
        Heard::Closed => {}
        Heard::Answer(answer) if answer.is_to(&message.control_id) && answer.accepts() => {
            return failed("nothing, or a NAK", format!("{answer}, which never came whole"));
        }
        Heard::Answer(answer) => bench.tolerates(format!("it answers what was cut off with {}", answer.code)),
        Heard::Silence => bench.tolerates("it leaves a connection open whose sender has closed its side"),
        other => return failed("nothing, or a NAK", other),
    }
    drop(peer);
    let mut peer = bench.peer().await?;
    bench.step("the whole of it on a new connection");
    bench.sends(&mut peer, &message).await.map(|_| ())
}

async fn many(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    bench.step(format!("{MANY} messages, one after the other"));
    for _ in 0..MANY {
        let message = bench.message();
        peer.says(&message.frame()).await;
        match peer.hears().await {
            Heard::Answer(answer) => bench.is_accept(&answer, &message.control_id)?,
            other => return failed(format!("AA to {}", message.control_id), other),
        }
    }
    Ok(())
}

async fn crowd(bench: &mut Bench) -> End {
    bench.step(format!("{CROWD} connections, open at once, with a message each"));
    let mut peers = Vec::new();
    let mut turned_away = 0;
    for _ in 0..CROWD {
        match Peer::connect(&bench.target, crate::tls::Manner::Usual).await {
            Ok(peer) => peers.push((bench.message(), peer)),
            Err(_) => turned_away += 1,
        }
    }
    let each = peers.iter_mut().map(|(message, peer)| async {
        peer.says(&message.frame()).await;
        (&message.control_id, peer.hears().await)
    });
    for (id, heard) in join_all(each).await {
        match heard {
            Heard::Answer(answer) => bench.is_accept(&answer, id)?,
            Heard::Closed => turned_away += 1,
            other => return failed(format!("AA to {id}, or the connection's end"), other),
        }
    }
    if turned_away == CROWD {
        return failed("at least one connection that is served", "none is");
    }
    if turned_away > 0 {
        bench.tolerates(format!("it serves {} connections at once and closes others", CROWD - turned_away));
    }
    Ok(())
}

async fn pipelined(bench: &mut Bench, count: usize) -> End {
    let messages: Vec<Message> = (0..count).map(|_| bench.message()).collect();
    let frames: Vec<u8> = messages.iter().flat_map(Message::frame).collect();
    let mut peer = bench.peer().await?;
    bench.step(format!("{count} messages without waiting for an answer"));
    let all = peer.says_and_hears(&frames, count).await;
    in_order(bench, &messages, all)?;
    bench.goes_on(&mut peer).await
}
