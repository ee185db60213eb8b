//! One connection: frames in, messages landed several at a time, answers out in the order of the messages.
//!
//! A reader and a writer share a bounded queue of messages in hand. The reader stops reading when the queue is full,
//! so a fast sender is held back by TCP and memory stays bounded.

use super::answer::{Answer, Refusal};
use super::intake::{Intake, header_line};
use super::watch::{InFlight, StreamFault};
use super::{Desk, Land};
use backbone::service::LandError;
use canon::Timestamp;
use hl7::ack::ErrorCode;
use hl7::mllp::{Decoder, Fault, Frame, Limits};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

const READ_BYTES: usize = 16 << 10;
/// How long an FS without a CR is waited on before the frame counts as complete.
const CR_PAUSE: Duration = Duration::from_millis(50);
/// How long a peer may leave an answer unread.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves a connection to its end; everything that was taken in is answered before.
pub(crate) async fn attend<L: Land>(desk: &Desk<L>, stream: TcpStream) {
    let _connected = desk.watch.connected();
    let (incoming, outgoing) = stream.into_split();
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
        write(desk, outgoing, in_hand).await;
        // Without anybody to answer to there is nothing more to be read.
        gone.cancel();
    };
    tokio::join!(reader.run(incoming), writing);
}

/// A message in hand, from the reader to the writer.
struct InHand<A> {
    header: Option<Vec<u8>>,
    outcome: Outcome<A>,
    flight: Option<InFlight>,
    _room: OwnedSemaphorePermit,
}

enum Outcome<A> {
    /// On its way to Kafka; what to say when it is there.
    Sent { ack: A, deadline: Instant, answer: Answer },
    /// Known already.
    Known(Answer),
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
    async fn run(mut self, mut socket: OwnedReadHalf) {
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
    async fn step(&mut self, socket: &mut OwnedReadHalf, buffer: &mut [u8]) -> Step {
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
            () = self.desk.around.stop.cancelled() => return Step::Done,
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
            Frame::Message(payload) => self.land(payload, received).await,
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

    /// Lands a message and queues its answer.
    async fn land(&mut self, payload: Vec<u8>, received: Instant) -> ControlFlow<()> {
        let desk = self.desk;
        let room = self.enter().await?;
        let flight = desk.watch.begin(received.into_std());
        let received_at = Timestamp::from(SystemTime::now());
        let intake = Intake::of(&desk.sender, &desk.tokenizer, payload, received_at);
        let deadline = received + desk.sender.listening.ack_deadline;
        let landing = desk.lander.land(&intake.key, &intake.headers, &intake.message);
        let landed = tokio::select! {
            biased;
            () = self.gone.cancelled() => return ControlFlow::Break(()),
            () = desk.hurry.cancelled() => None,
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
        self.queue(InHand { header: intake.header, outcome, flight: Some(flight), _room: room }).await
    }

    /// Answers a frame over the limit by what its beginning tells; it is not landed.
    async fn refuse(&mut self, head: &[u8], limit_bytes: usize) -> ControlFlow<()> {
        let room = self.enter().await?;
        self.desk.watch.refused_frame();
        let text = format!("the message is over the limit of {limit_bytes} bytes and was not stored");
        let refusal = Refusal::new(ErrorCode::ApplicationInternal, None, text);
        let outcome = Outcome::Known(Answer::Refused(refusal));
        let header = header_line(head).map(<[u8]>::to_vec);
        self.queue(InHand { header, outcome, flight: None, _room: room }).await
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
                Answer::Refused(Refusal::new(ErrorCode::ApplicationInternal, None, text))
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

/// Answers messages in their order, until the reader has ended and all are answered, or the peer does not take it.
async fn write<L: Land>(
    desk: &Desk<L>,
    mut socket: OwnedWriteHalf,
    mut in_hand: mpsc::Receiver<InHand<L::Ack>>,
) {
    while let Some(InHand { header, outcome, flight, _room }) = in_hand.recv().await {
        let answer = settle(desk, outcome).await;
        let bytes = answer.bytes(header.as_deref(), &desk.numbers);
        match timeout(WRITE_TIMEOUT, socket.write_all(&bytes)).await {
            Ok(Ok(())) => {}
            // Unanswered, so it will come again.
            Ok(Err(_)) | Err(_) => return,
        }
        if let Some(flight) = flight {
            flight.end(answer.landed());
        }
    }
    // Refused where the peer has gone already.
    let _ = socket.shutdown().await;
}

/// What became of a message: never accepted before Kafka has it.
async fn settle<L: Land>(desk: &Desk<L>, outcome: Outcome<L::Ack>) -> Answer {
    let (ack, deadline, answer) = match outcome {
        Outcome::Known(answer) => return answer,
        Outcome::Sent { ack, deadline, answer } => (ack, deadline, answer),
    };
    tokio::select! {
        biased;
        durable = ack => match durable {
            Ok(_) => answer,
            Err(error) => {
                if desk.watch.may_warn() {
                    tracing::warn!(sender = desk.sender.name, %error, "a message is not known to be durable");
                }
                Answer::Unknown
            }
        },
        () = sleep_until(deadline) => Answer::Unknown,
        () = desk.hurry.cancelled() => Answer::Unknown,
    }
}
