//! Enhanced mode (case 11) and MLLP's second release (case 9).

use super::*;
use hl7::ack::AckCode::{
    ApplicationAccept as AA, ApplicationReject as AR, CommitAccept as CA, CommitError as CE,
};
use hl7::batch::Batch;
use hl7::mllp::Commit;

/// A message whose MSH ends with MSH-15 and MSH-16.
fn asking(control_id: &str, asked: &str) -> Vec<u8> {
    let text = String::from_utf8(message(control_id)).expect("text");
    text.replace("|P|2.5\r", &format!("|P|2.5|||{asked}\r")).into_bytes()
}

/// What a message that asks so is answered, and then a plain one.
async fn check(mode: Acknowledge, asked: &str, expected: &[AckCode]) {
    let stand = Stand::with(Mode::AtOnce, |sender| sender.listening.acknowledge = mode).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(&asking("1", asked))).await;
    for code in expected {
        peer.is_answered(*code, "1").await;
    }
    // Nothing else was said of the first, which is landed in any case.
    peer.says(&mllp::encode(&asking("2", "AL|NE"))).await;
    peer.is_answered(if mode == Acknowledge::Original { AA } else { CA }, "2").await;
    assert_eq!(stand.shelf.landed().len(), 2);
    stand.counts(r#"vertebra_landing_messages_total{result="accepted",sender="north"} 2"#).await;
}

#[tokio::test]
async fn case_11_the_answers_are_those_that_msh_15_and_16_ask_for() {
    check(Acknowledge::ByMessage, "", &[AA]).await;
    check(Acknowledge::ByMessage, "AL|NE", &[CA]).await;
    check(Acknowledge::ByMessage, "AL|AL", &[CA, AA]).await;
    check(Acknowledge::ByMessage, "SU|SU", &[CA, AA]).await;
    check(Acknowledge::ByMessage, "NE|AL", &[AA]).await;
    check(Acknowledge::ByMessage, "ER|ER", &[]).await;
    check(Acknowledge::ByMessage, "NE|NE", &[]).await;
    check(Acknowledge::Enhanced, "", &[CA]).await;
    check(Acknowledge::Enhanced, "NE|AL", &[AA]).await;
    check(Acknowledge::Original, "AL|AL", &[AA]).await;
    check(Acknowledge::Original, "NE|NE", &[AA]).await;
}

#[tokio::test]
async fn case_11_in_enhanced_mode_nothing_is_committed_before_it_is_durable() {
    let stand =
        Stand::with(Mode::Held, |sender| sender.listening.ack_deadline = Duration::from_millis(200)).await;
    let mut peer = stand.peer().await;
    peer.says(&[asking("1", "AL|AL"), asking("2", "AL|AL")].map(|text| mllp::encode(&text)).concat()).await;
    stand.shelf.has(2).await;
    peer.hears_nothing_yet();
    stand.shelf.release(0);
    peer.is_answered(CA, "1").await;
    peer.is_answered(AA, "1").await;
    // Of what is not known to be durable no application's answer follows.
    let heard = peer.is_answered(CE, "2").await;
    assert!(heard.text.contains("send it again"), "{}", heard.whole);
    *stand.shelf.mode.lock().unwrap() = Mode::AtOnce;
    peer.says(&frame("3")).await;
    peer.is_answered(AA, "3").await;
}

#[tokio::test]
async fn case_11_a_failure_that_the_sender_does_not_want_to_hear_of_ends_the_connection() {
    let stand = Stand::with(Mode::Failing, |_| {}).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(&asking("1", "NE|NE"))).await;
    peer.is_closed().await;
    stand.counts(r#"vertebra_landing_messages_total{result="failed",sender="north"} 1"#).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(&asking("2", "ER|NE"))).await;
    peer.is_answered(CE, "2").await;
}

#[tokio::test]
async fn case_12_a_header_that_cannot_be_read_is_refused_aloud_whatever_the_mode() {
    let stand =
        Stand::with(Mode::AtOnce, |sender| sender.listening.acknowledge = Acknowledge::Enhanced).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(b"PID|1||7^^^NORTH\r")).await;
    peer.is_answered(AR, "").await;
}

#[tokio::test]
async fn case_13_a_batch_is_answered_for_those_of_its_messages_that_want_it() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let batch = |asked: [&str; 2]| {
        let [one, two] = asked;
        mllp::encode(&[&b"BHS|^~\\&|A\r"[..], &asking("1", one), &asking("2", two)].concat())
    };
    peer.says(&batch(["AL|AL", "NE|NE"])).await;
    let answer = peer.hears_frame().await;
    let heard: Vec<_> =
        Batch::parse(&answer).expect("a batch").messages().map(|one| Heard::of(one).code).collect();
    assert_eq!(heard, [CA, AA]);
    // Where none wants any there is none.
    peer.says(&[batch(["NE|NE", "ER|ER"]), frame("3")].concat()).await;
    peer.is_answered(AA, "3").await;
    assert_eq!(stand.shelf.landed().len(), 5);
}

#[tokio::test]
async fn case_09_the_second_release_commits_with_a_byte_before_the_answer() {
    let stand = Stand::with(Mode::AtOnce, |sender| {
        sender.listening.mllp = Mllp::V2;
        sender.listening.frame_bytes_max = 8 << 10;
        sender.listening.ack_deadline = Duration::from_millis(200);
    })
    .await;
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::Stored));
    peer.is_answered(AA, "1").await;
    // The sender commits our answer in its turn: that is no message, and is not answered.
    peer.says(&[&Commit::Stored.frame()[..], &mllp::encode(&asking("2", "NE|NE"))].concat()).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::Stored));
    // What is refused is stored all the same.
    peer.says(&mllp::encode(b"PID|1||7^^^NORTH\r")).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::Stored));
    peer.is_answered(AR, "").await;
    assert_eq!(stand.shelf.landed().len(), 3);
    // What is not stored has the byte that says so, and nothing else.
    let large = [&message("3")[..], b"OBX|1|TX|||", &vec![b'x'; 16 << 10]].concat();
    peer.says(&mllp::encode(&large)).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::NotStored));
    *stand.shelf.mode.lock().unwrap() = Mode::Failing;
    peer.says(&frame("4")).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::NotStored));
    *stand.shelf.mode.lock().unwrap() = Mode::AtOnce;
    peer.says(&[&Commit::NotStored.frame()[..], &frame("4")].concat()).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::Stored));
    peer.is_answered(AA, "4").await;
    stand.counts("vertebra_landing_stream_faults_total{kind=\"answer_not_stored\",sender=\"north\"} 1").await;
}

#[tokio::test]
async fn case_09_a_batch_is_committed_as_a_whole() {
    let stand = Stand::with(Mode::Held, |sender| {
        sender.listening.mllp = Mllp::V2;
        sender.listening.ack_deadline = Duration::from_millis(200);
    })
    .await;
    let mut peer = stand.peer().await;
    let batch = mllp::encode(&[&b"BHS|^~\\&|A\r"[..], &message("1"), &message("2")].concat());
    peer.says(&batch).await;
    stand.shelf.has(2).await;
    stand.shelf.release(0);
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::NotStored));
    *stand.shelf.mode.lock().unwrap() = Mode::AtOnce;
    peer.says(&batch).await;
    assert_eq!(Commit::of(&peer.hears_frame().await), Some(Commit::Stored));
    assert_eq!(Batch::parse(&peer.hears_frame().await).expect("a batch").messages().count(), 2);
}
