//! The writing half of a connection: what is in hand is answered, in its order.

use super::answer::{self, Answer};
use super::hand::{InHand, settle};
use super::{Desk, Land};
use crate::sender::Mllp;
use hl7::mllp::{self, Commit};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a peer may leave an answer unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers until the reader has ended and all is answered, or the peer does not take it.
pub(super) async fn write<L: Land>(
    desk: &Desk<L>,
    mut socket: impl AsyncWrite + Unpin,
    mut in_hand: mpsc::Receiver<InHand<L::Ack>>,
) {
    while let Some(payload) = in_hand.recv().await {
        if reply(desk, &mut socket, payload).await.is_break() {
            return;
        }
    }
    // Refused where the peer has gone already.
    let _ = socket.shutdown().await;
}

/// Settles a payload and answers it, as far as its sender wants to hear of it.
async fn reply<L: Land>(
    desk: &Desk<L>,
    socket: &mut (impl AsyncWrite + Unpin),
    payload: InHand<L::Ack>,
) -> ControlFlow<()> {
    let InHand { batch, messages, _room } = payload;
    let (mut answers, mut said, mut flights) = (Vec::new(), Vec::new(), Vec::new());
    for message in messages {
        let answer = settle(desk, message.outcome).await;
        let mode = desk.sender.listening.acknowledge;
        said.push(answer.messages(message.header.as_deref(), mode, &desk.shared.numbers));
        flights.push(message.flight);
        answers.push(answer);
    }
    let is_stored = answers.iter().all(Answer::is_stored);
    let bytes = match desk.sender.listening.mllp {
        Mllp::V1 => frames(desk, batch.as_deref(), &said),
        Mllp::V2 if is_stored => {
            [Commit::Stored.frame().to_vec(), frames(desk, batch.as_deref(), &said)].concat()
        }
        // It says that it was not received, so no answer of HL7's can follow.
        Mllp::V2 => Commit::NotStored.frame().to_vec(),
    };
    // What is not stored and may not be told is told by closing: the sender would take silence for success.
    let is_untold = desk.sender.listening.mllp == Mllp::V1
        && answers.iter().zip(&said).any(|(answer, said)| !answer.is_stored() && said.is_empty());
    let write = async {
        socket.write_all(&bytes).await?;
        socket.flush().await
    };
    match timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => {}
        // Unanswered, so it will come again.
        Ok(Err(_)) | Err(_) => return ControlFlow::Break(()),
    }
    for (flight, answer) in flights.into_iter().zip(&answers) {
        if let Some(flight) = flight {
            flight.end(answer.landed());
        }
    }
    if is_untold { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

/// The frames of HL7's answers: each message's own, or one for a batch.
fn frames<L>(desk: &Desk<L>, batch: Option<&[u8]>, said: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let Some(payload) = batch else {
        return said.iter().flatten().flat_map(|answer| mllp::encode(answer)).collect();
    };
    // Where nobody of a batch wants an answer there is none; a batch of nobody is one that wants it.
    if !said.is_empty() && said.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    answer::batch(payload, said, &desk.shared.numbers).map(|answer| mllp::encode(&answer)).unwrap_or_default()
}
