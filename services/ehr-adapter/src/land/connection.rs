//! One connection: frames in, messages landed several at a time, answers out in the order of the messages.
//!
//! A reader and a writer share a bounded queue of payloads in hand. The reader stops reading when the queue is full,
//! so a fast sender is held back by TCP and memory stays bounded.

use super::answer::{Answer, Refusal};
use super::hand::{InHand, Outcome, Waiting};
use super::intake::{self, Intake, header_line};
use super::watch::StreamFault;
use super::{Desk, Land, writer};
use crate::sender::Mllp;
use backbone::mutant::{self, Mutant};
use backbone::service::LandError;
use canon::Timestamp;
use hl7::ack::ErrorCode;
use hl7::mllp::{Commit, Decoder, Fault, Frame, Limits};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

const READ_BYTES: usize = 16 << 10;
/// How long an FS without a CR is waited on before the frame counts as complete.
const CR_PAUSE: Duration = Duration::from_millis(50);

/// Serves a connection to its end; everything that was taken in is answered before.
pub(crate) async fn attend<L, S>(desk: &Desk<L>, stream: S)
where
    L: Land,
    S: AsyncRead + AsyncWrite + Unpin,
{
    let _connected = desk.watch.connected();
    let (incoming, outgoing) = tokio::io::split(stream);
    let pipeline_max = desk.sender.listening.pipeline_max;
    let (queue, in_hand) = mpsc::channel(pipeline_max);
    let gone = CancellationToken::new();
    let reader = Reader {
        desk,
        decoder: Decoder::new(Limits {
            frame_bytes: desk.sender.listening.frame_bytes_max,
            ..Limits::default()
        }),
        queue,
        room: Arc::new(Semaphore::new(pipeline_max)),
        gone: gone.clone(),
        waited: Duration::ZERO,
        has_warned: false,
    };
    let writing = async {
        writer::write(desk, outgoing, in_hand).await;
        // Without anybody to answer to there is nothing more to be read.
        gone.cancel();
    };
    tokio::join!(reader.run(incoming), writing);
}

struct Reader<'d, L: Land> {
    desk: &'d Desk<L>,
    decoder: Decoder,
    queue: mpsc::Sender<InHand<L::Ack>>,
    room: Arc<Semaphore>,
    gone: CancellationToken,
    /// How long the frame that is open has been waited on; time spent holding the sender back is not its own.
    waited: Duration,
    has_warned: bool,
}

/// What reading came to.
enum Step {
    Bytes(usize),
    /// The sender pauses behind an FS.
    Paused,
    /// The peer has closed, or is gone.
    Closed,
    /// Nothing more is read: told to stop, idle for too long, or nobody to answer to.
    Done,
    /// A frame takes too long.
    Slow,
}

impl<L: Land> Reader<'_, L> {
    async fn run(mut self, mut socket: impl AsyncRead + Unpin) {
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let step = self.step(&mut socket, &mut buffer).await;
            let received = Instant::now();
            let first = match step {
                Step::Bytes(length) => {
                    self.decoder.push(buffer.get(..length).unwrap_or_default());
                    self.decoder.next()
                }
                Step::Paused => self.decoder.idle(),
                Step::Closed => self.decoder.finish(),
                Step::Slow => {
                    self.fault(StreamFault::SlowFrame, "a frame did not end in time");
                    return;
                }
                Step::Done => return,
            };
            let frames: Vec<Frame> = first.into_iter().chain(self.decoder.by_ref()).collect();
            for frame in frames {
                self.waited = Duration::ZERO;
                if self.take(frame, received).await.is_break() {
                    return;
                }
            }
            if matches!(step, Step::Closed) {
                return;
            }
        }
    }

    /// Waits for bytes, or for a reason not to.
    async fn step(&mut self, socket: &mut (impl AsyncRead + Unpin), buffer: &mut [u8]) -> Step {
        let listening = &self.desk.sender.listening;
        let (inside, pausing) = (self.decoder.is_inside_frame(), self.decoder.awaits_only_cr());
        let patience = match (pausing, inside) {
            (true, _) => CR_PAUSE,
            (false, true) => listening.frame_timeout.saturating_sub(self.waited),
            (false, false) => listening.idle_timeout,
        };
        let began = Instant::now();
        let read = tokio::select! {
            biased;
            () = self.desk.stop.cancelled() => return Step::Done,
            () = self.gone.cancelled() => return Step::Done,
            read = timeout(patience, socket.read(buffer)) => read,
        };
        if inside {
            self.waited += began.elapsed();
        }
        match read {
            Ok(Ok(0) | Err(_)) => Step::Closed,
            Ok(Ok(length)) => Step::Bytes(length),
            Err(_) if pausing => Step::Paused,
            Err(_) if inside => Step::Slow,
            Err(_) => Step::Done,
        }
    }

    async fn take(&mut self, frame: Frame, received: Instant) -> ControlFlow<()> {
        match frame {
            Frame::Message(payload) => self.receive(payload, received).await,
            Frame::Fault(fault) => {
                let kind = match &fault {
                    Fault::GarbageBeforeStart { .. } => StreamFault::Garbage,
                    Fault::StartInsideFrame { .. } => StreamFault::StartInsideFrame,
                    Fault::TooLarge { .. } => StreamFault::TooLarge,
                    Fault::Unfinished { .. } => StreamFault::Unfinished,
                };
                self.fault(kind, &fault.to_string());
                match fault {
                    Fault::TooLarge { head, limit_bytes, .. } => self.refuse(&head, limit_bytes).await,
                    _ => ControlFlow::Continue(()),
                }
            }
        }
    }

    /// Lands what a payload holds and queues its answer.
    async fn receive(&mut self, payload: Vec<u8>, received: Instant) -> ControlFlow<()> {
        if self.desk.sender.listening.mllp == Mllp::V2
            && let Some(commit) = Commit::of(&payload)
        {
            // It says of an answer of ours whether that was received; we keep none to send again.
            if commit == Commit::NotStored {
                self.fault(StreamFault::AnswerNotStored, "the sender could not store an answer");
            }
            return ControlFlow::Continue(());
        }
        let room = self.enter().await?;
        self.desk.watch.heard();
        let Some(batch) = intake::batch(&payload) else {
            let message = self.land(payload, received).await?;
            return self.queue(InHand { batch: None, messages: vec![message], _room: room }).await;
        };
        for disagreement in batch.disagreements() {
            self.fault(StreamFault::BatchCount, &disagreement.to_string());
        }
        let parts: Vec<&[u8]> = batch.messages().collect();
        let mut messages = Vec::with_capacity(parts.len());
        for message in parts {
            messages.push(self.land(intake::alone(&batch, message), received).await?);
        }
        self.queue(InHand { batch: Some(payload), messages, _room: room }).await
    }

    /// Hands a message over to be landed.
    async fn land(&self, payload: Vec<u8>, received: Instant) -> ControlFlow<(), Waiting<L::Ack>> {
        let desk = self.desk;
        let flight = desk.watch.begin(received.into_std());
        let received_at = Timestamp::from(SystemTime::now());
        let intake = Intake::of(&desk.sender, &desk.shared.tokenizer, payload, received_at);
        if mutant::is(Mutant::ResendNotLanded) && mutant::was_met(intake.headers.id) {
            let outcome = Outcome::Known(Answer::Durable);
            return ControlFlow::Continue(Waiting { header: intake.header, outcome, flight: Some(flight) });
        }
        let deadline = received + desk.sender.listening.ack_deadline;
        let landing = desk.shared.lander.land(&intake.key, &intake.headers, &intake.message);
        let landed = tokio::select! {
            biased;
            () = self.gone.cancelled() => return ControlFlow::Break(()),
            () = desk.shared.hurry.cancelled() => None,
            landed = timeout_at(deadline, landing) => landed.ok(),
        };
        let outcome = match landed {
            Some(Ok(ack)) => {
                let answer = intake.refusal.map_or(Answer::Durable, Answer::Refused);
                Outcome::Sent { ack, deadline, answer }
            }
            Some(Err(error)) => Outcome::Known(self.not_taken(&error)),
            None => Outcome::Known(Answer::NotStored),
        };
        ControlFlow::Continue(Waiting { header: intake.header, outcome, flight: Some(flight) })
    }

    /// Answers a frame over the limit by what its beginning tells; it is not landed.
    async fn refuse(&mut self, head: &[u8], limit_bytes: usize) -> ControlFlow<()> {
        let room = self.enter().await?;
        self.desk.watch.heard();
        self.desk.watch.refused_frame();
        let text = format!("the message is over the limit of {limit_bytes} bytes and was not stored");
        let refusal = Refusal::new(ErrorCode::ApplicationInternal, None, text);
        let outcome = Outcome::Known(Answer::Unstorable(refusal));
        let header = header_line(head).map(<[u8]>::to_vec);
        let message = Waiting { header, outcome, flight: None };
        self.queue(InHand { batch: None, messages: vec![message], _room: room }).await
    }

    /// Waits for room among the messages in hand.
    async fn enter(&self) -> ControlFlow<(), OwnedSemaphorePermit> {
        let entered = tokio::select! {
            biased;
            () = self.gone.cancelled() => return ControlFlow::Break(()),
            entered = self.room.clone().acquire_owned() => entered,
        };
        entered.map_or(ControlFlow::Break(()), ControlFlow::Continue)
    }

    async fn queue(&self, in_hand: InHand<L::Ack>) -> ControlFlow<()> {
        match self.queue.send(in_hand).await {
            Ok(()) => ControlFlow::Continue(()),
            // The writer is gone, and with it the peer.
            Err(_) => ControlFlow::Break(()),
        }
    }

    fn not_taken(&self, error: &LandError) -> Answer {
        if self.desk.watch.may_warn() {
            tracing::warn!(sender = self.desk.sender.name, %error, "a message could not be landed");
        }
        match error {
            LandError::Broker(_) => Answer::NotStored,
            LandError::Encode(_) | LandError::TooLarge { .. } => {
                let text = "the message cannot be stored as it is".to_owned();
                Answer::Unstorable(Refusal::new(ErrorCode::ApplicationInternal, None, text))
            }
        }
    }

    /// Every fault is counted; the first of a connection is logged.
    fn fault(&mut self, kind: StreamFault, what: &str) {
        self.desk.watch.fault(kind);
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(sender = self.desk.sender.name, fault = kind.as_str(), "{what}");
        }
    }
}
