//! Case 13: batches, landed message by message and answered once.

use super::*;
use hl7::ack::AckCode::{ApplicationAccept as AA, ApplicationError as AE, ApplicationReject as AR};
use hl7::batch::Batch;

const FAULT: &str = "vertebra_landing_stream_faults_total";

/// The codes and control ids that a batch answers with, and the batch.
async fn hears_batch(peer: &mut Peer) -> (Vec<(AckCode, String)>, String) {
    let answer = peer.hears_frame().await;
    let batch = Batch::parse(&answer).expect("a batch");
    assert_eq!(batch.disagreements().next(), None);
    let heard = batch.messages().map(Heard::of).map(|heard| (heard.code, heard.control_id)).collect();
    (heard, String::from_utf8(answer).expect("text"))
}

fn all(code: AckCode, ids: &[&str]) -> Vec<(AckCode, String)> {
    ids.iter().map(|id| (code, (*id).to_owned())).collect()
}

#[tokio::test]
async fn case_13_every_message_of_a_batch_is_landed_and_one_batch_answers() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let headers = ["FHS|^~\\&|A|B|C|D|20260301||||F1\rBHS|^~\\&|A|B|C|D|20260301||||B1\r", "BHS|^~\\&|A\r"];
    for (number, header) in headers.into_iter().enumerate() {
        let batch = [header.as_bytes(), &message("1"), &message("2"), b"BTS|2\r"].concat();
        peer.says(&mllp::encode(&batch)).await;
        let (heard, whole) = hears_batch(&mut peer).await;
        assert_eq!(heard, all(AA, &["1", "2"]));
        assert_eq!(whole.contains("|F1\r") && whole.contains("|B1\r"), number == 0, "{whole}");
        let landed = &stand.shelf.landed()[number * 2..];
        assert_eq!(landed.len(), 2);
        for (piece, id) in landed.iter().zip(["1", "2"]) {
            assert_eq!(piece.message.payload.reveal(), &message(id));
            assert_eq!(piece.message.control_id.as_deref(), Some(id));
        }
    }
    // Alone or in a batch, a message is the same.
    peer.says(&frame("1")).await;
    peer.is_answered(AA, "1").await;
    let landed = stand.shelf.landed();
    assert_eq!(landed[0].headers.id, landed[4].headers.id);
    stand.counts(r#"vertebra_landing_messages_total{result="accepted",sender="north"} 5"#).await;
    assert!(!stand.around.metrics.render().contains(FAULT));
}

#[tokio::test]
async fn case_13_a_batch_is_answered_when_all_of_it_is_durable_and_each_message_for_itself() {
    let stand =
        Stand::with(Mode::Held, |sender| sender.listening.ack_deadline = Duration::from_millis(200)).await;
    let mut peer = stand.peer().await;
    let broken = b"MSH|^~\\&|A|B|C|D|20260301||ADT^A01||P|2.5\r";
    let batch = [b"BHS|^~\\&|A\r", &message("1")[..], broken, &message("3"), b"BTS|3\r"].concat();
    peer.says(&mllp::encode(&batch)).await;
    stand.shelf.has(3).await;
    stand.shelf.release(0);
    stand.shelf.release(1);
    tokio::task::yield_now().await;
    peer.hears_nothing_yet();
    // The last one is never known to be durable.
    let (heard, _) = hears_batch(&mut peer).await;
    assert_eq!(heard, [(AA, "1".to_owned()), (AR, String::new()), (AE, "3".to_owned())]);
}

#[tokio::test]
async fn case_13_a_batch_whose_trailer_counts_otherwise_is_landed_and_told() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let batch = [b"BHS|^~\\&|A\r", &message("1")[..], b"BTS|2\r"].concat();
    peer.says(&mllp::encode(&batch)).await;
    let (heard, whole) = hears_batch(&mut peer).await;
    assert_eq!(heard, all(AA, &["1"]));
    assert!(whole.ends_with("BTS|1|BTS-1 of batch 1 counts 2, 1 came\r"), "{whole}");
    stand.counts(&format!("{FAULT}{{kind=\"batch_count\",sender=\"north\"}} 1")).await;
    assert!(logs.text().contains("counts 2, 1 came"), "{}", logs.text());
}

#[tokio::test]
async fn case_13_an_empty_batch_is_answered_by_an_empty_one() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    peer.says(&mllp::encode(b"BHS|^~\\&|A||||20260301||||B1\rBTS|0\r")).await;
    let (heard, whole) = hears_batch(&mut peer).await;
    assert_eq!(heard, []);
    assert!(whole.contains("|B1\r") && whole.ends_with("BTS|0\r"), "{whole}");
    assert_eq!(stand.shelf.landed().len(), 0);
}

#[tokio::test]
async fn case_13_a_batch_that_cannot_be_split_is_landed_and_refused_as_a_whole() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let many = "MSH|^~\\&|A\r".repeat(10_001);
    let cases = [
        ("BHS|^~\\&|A\rPID|1||7\r", "segment 2 is out of place", "ERR|||100"),
        ("BHS|^^\\&|A\rMSH|^~\\&|A\r", "repeats an earlier one", "ERR|||102"),
        (&format!("BHS|^~\\&|A\r{many}"), "more than 10000 messages", "ERR|||207"),
    ];
    for (number, (payload, says, error)) in cases.into_iter().enumerate() {
        peer.says(&mllp::encode(payload.as_bytes())).await;
        let heard = peer.hears().await;
        assert!(
            heard.code == AR && heard.whole.contains(error) && heard.text.contains(says),
            "{}",
            heard.whole
        );
        let landed = stand.shelf.landed();
        assert_eq!(landed.len(), number + 1);
        assert_eq!(landed[number].message.payload.reveal(), payload.as_bytes());
        assert!(landed[number].message.unparsed.as_deref().is_some_and(|why| why.contains(says)));
    }
}

#[tokio::test]
async fn case_14_a_byte_order_mark_before_a_batch_holds_for_each_of_its_messages() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let batch = ["\u{feff}BHS|^~\\&|A\r".as_bytes(), &message("1"), &message("2")].concat();
    peer.says(&mllp::encode(&batch)).await;
    assert_eq!(hears_batch(&mut peer).await.0, all(AA, &["1", "2"]));
    for piece in stand.shelf.landed() {
        assert!(piece.message.payload.reveal().starts_with("\u{feff}MSH".as_bytes()));
    }
}

#[tokio::test]
async fn case_11_a_batch_lost_before_its_answer_is_the_same_messages_when_it_is_sent_again() {
    let stand = Stand::new(Mode::Held).await;
    let batch = mllp::encode(&[b"BHS|^~\\&|A\r", &message("1")[..], &message("2")].concat());
    let mut peer = stand.peer().await;
    peer.says(&batch).await;
    stand.shelf.has(2).await;
    drop(peer);
    stand.shelf.release(0);
    stand.shelf.release(1);
    stand.is_quiet().await;
    *stand.shelf.mode.lock().unwrap() = Mode::AtOnce;
    let mut peer = stand.peer().await;
    peer.says(&batch).await;
    assert_eq!(hears_batch(&mut peer).await.0, all(AA, &["1", "2"]));
    let landed = stand.shelf.landed();
    for (first, again) in [(0, 2), (1, 3)] {
        assert_eq!(landed[first].headers.id, landed[again].headers.id);
    }
}
