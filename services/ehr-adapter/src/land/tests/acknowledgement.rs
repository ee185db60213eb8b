//! Acknowledgements: cases 11 to 13, and the drain.

use super::*;
use hl7::ack::AckCode::{ApplicationAccept as AA, ApplicationError as AE, ApplicationReject as AR};

#[tokio::test]
async fn case_11_nothing_is_accepted_before_it_is_durable() {
    let stand = Stand::new(Mode::Held).await;
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    stand.shelf.has(1).await;
    stand.counts(r#"vertebra_landing_inflight{sender="north"} 1"#).await;
    peer.hears_nothing_yet();
    stand.shelf.release(0);
    let heard = peer.is_answered(AA, "1").await;
    assert!(heard.whole.starts_with("MSH|^~\\&|C|D|A|B|"), "{}", heard.whole);
}

#[tokio::test]
async fn case_11_what_is_not_known_to_be_durable_is_answered_ae_and_the_connection_goes_on() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let deadline = Duration::from_millis(50);
    for (mode, says) in [
        (Mode::Failing, "not known to be stored"),
        (Mode::Held, "not known to be stored"),
        (Mode::Full, "could not be stored"),
    ] {
        let stand = Stand::with(mode, |sender| sender.listening.ack_deadline = deadline).await;
        let mut peer = stand.peer().await;
        peer.says(&[frame("1"), frame("2")].concat()).await;
        for id in ["1", "2"] {
            let heard = peer.is_answered(AE, id).await;
            assert!(heard.text.contains(says), "{mode:?}: {}", heard.whole);
        }
        *stand.shelf.mode.lock().unwrap() = Mode::AtOnce;
        peer.says(&frame("1")).await;
        peer.is_answered(AA, "1").await;
        stand.counts(r#"vertebra_landing_messages_total{result="failed",sender="north"} 2"#).await;
    }
}

#[tokio::test]
async fn case_11_a_message_sent_again_has_the_same_identity_and_gets_an_answer_of_its_own() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    let first = peer.is_answered(AA, "1").await;
    let renewed = String::from_utf8(frame("1")).expect("text").replace("|20260301|", "|20260302111213|");
    peer.says(renewed.as_bytes()).await;
    let second = peer.is_answered(AA, "1").await;
    assert_ne!(first.whole, second.whole, "the answers have one control id");
    let other = String::from_utf8(frame("1")).expect("text").replace("|W1|", "|W2|");
    peer.says(other.as_bytes()).await;
    peer.is_answered(AA, "1").await;
    let [one, again, other] = &stand.shelf.landed()[..] else { panic!("three messages") };
    assert_eq!((one.headers.id, &one.headers.factname), (again.headers.id, &again.headers.factname));
    assert_eq!(one.message.identity, again.message.identity);
    assert_eq!(one.headers.factname, other.headers.factname);
    assert_ne!(one.headers.id, other.headers.id);
    assert_eq!((one.headers.version, one.headers.sourceref.as_deref()), (None, Some("1")));
    assert_eq!(one.headers.source, "vertebra/ehr-adapter/north");
    assert_eq!(one.headers.subject, one.key.to_string());
    assert_ne!(one.headers.traceparent, again.headers.traceparent);
}

#[track_caller]
fn check_refused(heard: &Heard, piece: &Piece, says: &str, error: &str) {
    assert_eq!(heard.code, AR);
    assert!(heard.text.contains(says), "{}", heard.whole);
    assert!(heard.whole.contains(error), "{}", heard.whole);
    assert_eq!(piece.key, RawKey::Sender("north".to_owned()));
    assert!(piece.message.unparsed.as_deref().is_some_and(|why| why.contains(says)));
    assert_eq!((&piece.message.control_id, &piece.headers.sourceref), (&None, &None));
    assert!(piece.headers.factname.starts_with("hl7v2/north/sha256/"));
}

#[tokio::test]
async fn case_12_what_cannot_be_read_is_landed_under_its_sender_and_refused_with_a_reason() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let long_id = "9".repeat(251);
    let long_header = format!("{}|{}", "MSH|^~\\&|A|B|C|D|20260301||ADT^A01|1|P|2.5", "x".repeat(5000));
    let cases: [(&[u8], &str, &str, &str); 8] = [
        (b"", "empty", "ERR|||100", ""),
        (b"PID|1||7^^^NORTH\r", "does not begin with MSH", "ERR|||100", ""),
        (b"MSH|^^\\&|A|B|C|D|20260301||ADT^A01|1|P|2.5\r", "repeats an earlier one", "ERR|||102", ""),
        (b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01||P|2.5\r", "MSH-10 is empty", "ERR||MSH^1^10^1^1^1|101", ""),
        (
            b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01|a\\X00\\|P|2.5\r",
            "MSH-10 has control",
            "ERR||MSH^1^10",
            "a\\X00\\",
        ),
        (&message(&long_id), "MSH-10 is longer than 250 bytes", "ERR||MSH^1^10", &long_id),
        (long_header.as_bytes(), "the MSH is longer than 4096 bytes", "ERR|||102", ""),
        (&[message("1"), message("2")].concat(), "is a second MSH", "ERR|||100", "1"),
    ];
    for (number, (payload, says, error, control_id)) in cases.into_iter().enumerate() {
        peer.says(&mllp::encode(payload)).await;
        let heard = peer.hears().await;
        let landed = stand.shelf.landed();
        assert_eq!(landed.len(), number + 1);
        check_refused(&heard, &landed[number], says, error);
        assert_eq!(heard.control_id, control_id);
        assert_eq!(landed[number].message.payload.reveal(), payload);
    }
    stand.counts(r#"vertebra_landing_messages_total{result="refused",sender="north"} 8"#).await;
}

#[tokio::test]
async fn case_12_refused_only_once_it_is_durable() {
    let stand = Stand::with(Mode::Failing, |_| {}).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(b"PID|1||7^^^NORTH\r")).await;
    assert_eq!(peer.hears().await.code, AE);
}

#[track_caller]
fn check_key(piece: &Piece, kind: &str) {
    assert_eq!(&piece.key.to_string()[..2], kind);
    assert_eq!(piece.message.unparsed, None);
}

#[tokio::test]
async fn case_12_a_message_without_a_patient_is_accepted_under_its_visit_or_its_sender() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let text = String::from_utf8(message("1")).expect("text");
    let visit = text.replace("7^^^NORTH", "7^^^SOUTH");
    let nobody = visit.split("PV1").next().expect("a beginning").to_owned();
    for text in [&text, &visit, &nobody] {
        peer.says(&mllp::encode(text.as_bytes())).await;
        peer.is_answered(AA, "1").await;
    }
    let landed = stand.shelf.landed();
    check_key(&landed[0], "p:");
    check_key(&landed[1], "v:");
    check_key(&landed[2], "s:");
}

#[tokio::test]
async fn case_12b_training_messages_are_landed_and_accepted() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    for mode in ["T", "D"] {
        let text = String::from_utf8(frame("1")).expect("text").replace("|P|", &format!("|{mode}|"));
        peer.says(text.as_bytes()).await;
        peer.is_answered(AA, "1").await;
        let landed = stand.shelf.landed();
        assert_eq!(landed.last().and_then(|piece| piece.message.processing_id.as_deref()), Some(mode));
    }
}

#[tokio::test]
async fn case_13_an_answer_has_the_delimiters_of_its_message() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(b"MSH#*~\\&#A*1#B#C#D#20260301##ADT*A01#77#P#2.5\r")).await;
    let heard = peer.is_answered(AA, "77").await;
    assert!(heard.whole.starts_with("MSH#*~\\&#C#D#A*1#B#"), "{}", heard.whole);
    assert!(heard.whole.contains("#ACK*A01*ACK#"), "{}", heard.whole);
}

#[tokio::test]
async fn a_drain_answers_what_is_in_hand_and_takes_nothing_new() {
    let stand = Stand::new(Mode::Held).await;
    let mut peer = stand.peer().await;
    peer.says(&[frame("1"), frame("2")].concat()).await;
    stand.shelf.has(2).await;
    stand.around.stop.cancel();
    until("the listener to close", || stand.around.health.live().parts.is_empty()).await;
    stand.shelf.release(1);
    stand.shelf.release(0);
    peer.is_answered(AA, "1").await;
    peer.is_answered(AA, "2").await;
    peer.is_closed().await;
    timeout(PATIENCE, stand.serving).await.expect("drained").expect("no panic");
    assert!(TcpStream::connect(stand.address).await.is_err());
}

#[tokio::test]
async fn a_sender_that_closes_its_side_is_answered_all_the_same() {
    let stand = Stand::new(Mode::Held).await;
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    peer.stream.shutdown().await.expect("half closed");
    stand.shelf.has(1).await;
    stand.shelf.release(0);
    peer.is_answered(AA, "1").await;
    peer.is_closed().await;
    stand.is_quiet().await;
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_its_sender_and_nobody_is_listened_for() {
    let stand = Stand::new(Mode::AtOnce).await;
    let [mut south, mut north] = [SENDER; 2].map(|text| Sender::parse(text).expect("valid"));
    south.name = "south".to_owned();
    north.listening.address = stand.address;
    let (_, shared) = shared(Mode::AtOnce);
    let error = Roster::new(shared.clone()).open(vec![Seen::of_sender(south), Seen::of_sender(north)]).await;
    let error = error.expect_err("taken").to_string();
    assert_eq!(error, format!("{} cannot be listened on for sender north", stand.address));
    assert!(shared.around.health.live().parts.is_empty());
}
