//! The driver against a receiver that loses acknowledgements, asks again and hangs up.

use hl7::ack::{AckCode, Reply, ack, ack_unparsed};
use hl7::message::Message;
use hl7::mllp::{self, Decoder, Frame, Limits};
use hospital::send::{End, Sending, Told, send};
use hospital::truth::{Bad, Fate, MessageId};
use hospital::{Config, Day, Plan, Sender, Share, content};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a receiver does to one message of so many; 0: never.
#[derive(Clone, Copy, Default)]
struct Moods {
    /// It takes the message and hangs up before it answers.
    hangs_up: usize,
    /// It does not take the message and says AE.
    asks_again: usize,
    /// It answers something that is no acknowledgement.
    babbles: usize,
}

/// What it took, in order.
type Taken = Arc<Mutex<Vec<Vec<u8>>>>;

async fn receiver(moods: Moods) -> (SocketAddr, Taken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let taken = Taken::default();
    let theirs = Arc::clone(&taken);
    tokio::spawn(async move {
        let count = Arc::new(Mutex::new(0));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, moods, Arc::clone(&theirs), Arc::clone(&count)));
        }
    });
    (address, taken)
}

async fn serve(mut stream: TcpStream, moods: Moods, taken: Taken, count: Arc<Mutex<usize>>) {
    let mut decoder = Decoder::new(Limits::default());
    let mut buffer = [0; 4096];
    loop {
        for frame in decoder.by_ref() {
            let Frame::Message(payload) = frame else { panic!("{frame:?}") };
            let number = {
                let mut count = count.lock().expect("whole");
                *count += 1;
                *count
            };
            let is = |of: usize| of > 0 && number.is_multiple_of(of);
            if is(moods.asks_again) {
                if stream.write_all(&answer(&payload, AckCode::ApplicationError)).await.is_err() {
                    return;
                }
                continue;
            }
            taken.lock().expect("whole").push(payload.clone());
            if is(moods.hangs_up) {
                return;
            }
            let bytes = match is(moods.babbles) {
                true => mllp::encode(b"OK"),
                false => answer(&payload, AckCode::ApplicationAccept),
            };
            if stream.write_all(&bytes).await.is_err() {
                return;
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => decoder.push(&buffer[..read]),
        }
    }
}

fn answer(payload: &[u8], code: AckCode) -> Vec<u8> {
    let refusal = Reply {
        code: AckCode::ApplicationReject,
        control_id: "1",
        sent_at: "20250101",
        text: None,
        error: None,
    };
    let Ok(message) = Message::parse(payload) else { return mllp::encode(&ack_unparsed(&refusal)) };
    let has_id = !message.header().field(10).raw().is_empty();
    let reply = if has_id { Reply { code, ..refusal } } else { refusal };
    mllp::encode(&ack(&message, &reply))
}

fn plan(seed: u64, patients: usize) -> Arc<Plan> {
    let config =
        Config { bad: Share::of_hundred(4), twice: Share::of_hundred(10), ..Config::new(seed, patients) };
    Arc::new(Day::plan(&config))
}

fn quick(address: SocketAddr) -> Sending {
    Sending {
        ack_timeout: Duration::from_secs(20),
        between_tries: Duration::from_millis(1),
        ..Sending::new(Sender::ALL.map(|sender| (sender, address)).into())
    }
}

/// Sends a day; everything has to be answered and told.
async fn check(
    plan: &Arc<Plan>,
    moods: Moods,
    change: impl FnOnce(&mut Sending),
) -> (Vec<Told>, Vec<Vec<u8>>) {
    let (address, taken) = receiver(moods).await;
    let mut how = quick(address);
    change(&mut how);
    let mut log = Vec::new();
    let report = send(plan, &how, |told| log.push(told.clone())).await;
    assert_eq!(report.unacknowledged, []);
    assert_eq!(report.transmissions, log.len());
    let taken = taken.lock().expect("whole").clone();
    complete(plan, &log, &taken);
    (log, taken)
}

/// Each message has as many final answers as it was to be sent, and what was taken was told.
fn complete(plan: &Plan, log: &[Told], taken: &[Vec<u8>]) {
    let mut finals: BTreeMap<MessageId, usize> = BTreeMap::new();
    for told in log {
        let message = plan.truth.message(told.id).expect("of the plan");
        assert_eq!(told.content, message.content);
        assert_eq!(told.acknowledged_at.is_some(), told.end == End::Acknowledged);
        if [End::Acknowledged, End::Refused].contains(&told.end) {
            *finals.entry(told.id).or_default() += 1;
            let is_refused = matches!(message.fate, Fate::Refused { why: Bad::NoControlId | Bad::Garbage });
            assert_eq!(told.end == End::Refused, is_refused, "{}", told.kind);
            assert!(told.code.is_some() && told.answer_us.is_some());
        }
    }
    let planned: BTreeMap<MessageId, usize> =
        plan.truth.messages.iter().map(|message| (message.id, message.copies)).collect();
    assert_eq!(finals, planned);
    let told: BTreeSet<&str> = log.iter().map(|told| told.sha256.as_str()).collect();
    for payload in taken {
        let sha256: String = sha2(payload);
        assert!(told.contains(sha256.as_str()), "something was sent and not told");
    }
    let arrived: BTreeSet<String> = taken.iter().map(|payload| hex(&content(payload))).collect();
    for told in log.iter().filter(|told| told.end == End::Acknowledged) {
        assert!(arrived.contains(&told.content), "something was acknowledged and not taken");
    }
}

fn sha2(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn a_day_arrives_whole_and_each_transmission_is_told_once() {
    let plan = plan(1, 40);
    let (log, taken) = check(&plan, Moods::default(), |_| {}).await;
    assert_eq!(log.len(), plan.outgoing().count());
    assert_eq!(taken.len(), log.len());
}

#[tokio::test]
async fn a_receiver_that_hangs_up_asks_again_and_babbles_gets_everything_at_last() {
    let plan = plan(2, 40);
    let moods = Moods { hangs_up: 7, asks_again: 11, babbles: 13 };
    let (log, _) = check(&plan, moods, |_| {}).await;
    let ends: BTreeSet<End> = log.iter().map(|told| told.end).collect();
    assert_eq!(
        ends,
        [End::Acknowledged, End::AskedAgain, End::Broken, End::Refused, End::Strange].into_iter().collect()
    );
    assert!(log.iter().any(|told| told.attempt > 1 && told.end == End::Acknowledged));
}

#[tokio::test]
async fn acknowledgements_are_lost_on_purpose_and_the_message_comes_again_with_another_msh_7() {
    let plan = plan(3, 40);
    let (log, taken) = check(&plan, Moods::default(), |how| how.lost_acks = Share::of_hundred(30)).await;
    let lost = log.iter().filter(|told| told.end == End::LostOnPurpose).count();
    assert!(lost > log.len() / 6, "{lost} of {}", log.len());
    let again = log.iter().filter(|told| told.attempt == 2).count();
    assert_eq!(again, lost, "what was lost was sent again, once");
    let contents: BTreeSet<String> = taken.iter().map(|payload| hex(&content(payload))).collect();
    let bytes: BTreeSet<&Vec<u8>> = taken.iter().collect();
    assert!(bytes.len() > contents.len(), "nothing came again with another time");
}

#[tokio::test]
async fn a_patients_messages_arrive_in_order_over_several_connections() {
    let plan = plan(4, 60);
    let moods = Moods { hangs_up: 17, ..Moods::default() };
    let (_, taken) = check(&plan, moods, |how| how.connections = 3).await;
    let mut first = BTreeMap::new();
    for (place, payload) in taken.iter().enumerate() {
        first.entry(hex(&content(payload))).or_insert(place);
    }
    let mut last: BTreeMap<(Sender, &str), usize> = BTreeMap::new();
    for message in &plan.truth.messages {
        let Some(patient) = &message.patient else { continue };
        let place = first[&message.content];
        let before = last.insert((message.id.sender, patient), place);
        assert!(before.is_none_or(|before| before < place), "{} came before its time", message.kind);
    }
}

#[tokio::test]
async fn pipelined_messages_are_each_answered() {
    let plan = plan(5, 40);
    let moods = Moods { hangs_up: 19, asks_again: 23, ..Moods::default() };
    check(&plan, moods, |how| (how.pipeline, how.rate) = (16, 5_000)).await;
}

#[tokio::test]
async fn nobody_there_is_given_up_and_told() {
    let plan = plan(6, 10);
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("its address");
    let how = Sending { patience: Duration::from_millis(20), ..quick(gone) };
    let report = send(&plan, &how, |told| panic!("{told:?}")).await;
    assert_eq!(report.unacknowledged.len(), 3);
    let unsent: usize = report.unacknowledged.iter().map(|given_up| given_up.unsent + 1).sum();
    assert_eq!(unsent, plan.outgoing().count());
}
