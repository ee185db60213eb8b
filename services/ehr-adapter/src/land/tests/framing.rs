//! Framing over real sockets: cases 1 to 7, 10 and 14.

use super::*;
use hl7::ack::AckCode::{ApplicationAccept as AA, ApplicationReject as AR};
use socket2::SockRef;

const FAULT: &str = "vertebra_landing_stream_faults_total";

#[tokio::test]
async fn case_01_bytes_before_the_start_block_are_dropped_counted_and_logged() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    peer.says(b"GET / HTTP/1.1\r\n\r\n").await;
    peer.says(&frame("1")).await;
    peer.is_answered(AA, "1").await;
    stand.counts(&format!("{FAULT}{{kind=\"garbage\",sender=\"north\"}} 1")).await;
    assert_eq!(logs.warnings(), 1, "{}", logs.text());
    assert!(logs.text().contains("18 bytes outside of any frame") || logs.text().contains("bytes outside"));
    assert!(!logs.text().contains("HTTP"));
    // Without any start block there is no message, and so no answer.
    let mut other = stand.peer().await;
    other.says(&message("2")).await;
    other.stream.shutdown().await.expect("closed");
    other.is_closed().await;
    assert_eq!(stand.shelf.landed().len(), 1);
}

#[tokio::test]
async fn case_02_a_frame_ends_by_fs_cr_lf_by_fs_alone_and_by_a_cr_that_comes_later() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    peer.says(&[&frame("1")[..], b"\n"].concat()).await;
    peer.is_answered(AA, "1").await;
    let alone = frame("2");
    peer.says(&alone[..alone.len() - 1]).await;
    peer.is_answered(AA, "2").await;
    peer.says(b"\r").await;
    peer.says(&[&alone[..alone.len() - 1], b"\n"].concat()).await;
    peer.is_answered(AA, "2").await;
    peer.says(&frame("3")).await;
    peer.is_answered(AA, "3").await;
    assert!(!stand.around.metrics.render().contains(FAULT), "{}", stand.around.metrics.render());
    assert_eq!(stand.shelf.landed()[1].message.payload.reveal(), &message("2"));
}

#[tokio::test]
async fn case_03_frames_in_one_read_in_single_bytes_and_split_anywhere_are_the_same_messages() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    peer.says(&[frame("1"), frame("2"), frame("3")].concat()).await;
    for id in ["1", "2", "3"] {
        peer.is_answered(AA, id).await;
    }
    for byte in frame("4") {
        peer.says(&[byte]).await;
        tokio::task::yield_now().await;
    }
    peer.is_answered(AA, "4").await;
    let whole = frame("5");
    for at in 1..whole.len() {
        let (first, second) = whole.split_at(at);
        peer.says(first).await;
        tokio::task::yield_now().await;
        peer.says(second).await;
        peer.is_answered(AA, "5").await;
    }
    let landed = stand.shelf.landed();
    assert!(landed[4..].iter().all(|piece| piece.message.payload.reveal() == &message("5")));
}

#[tokio::test]
async fn case_04_framing_bytes_inside_a_payload_are_payload_and_a_new_message_inside_one_replaces_it() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let odd = [&message("1")[..], b"NTE|1||a\x0bb\x1cc\r"].concat();
    peer.says(&mllp::encode(&odd)).await;
    peer.is_answered(AA, "1").await;
    assert_eq!(stand.shelf.landed()[0].message.payload.reveal(), &odd);
    let given_up = frame("2");
    peer.says(&given_up[..40]).await;
    peer.says(&frame("3")).await;
    peer.is_answered(AA, "3").await;
    stand.counts(&format!("{FAULT}{{kind=\"start_inside_frame\",sender=\"north\"}} 1")).await;
    assert_eq!(stand.shelf.landed().len(), 2);
}

/// MLLP has no way to say that such a byte is payload. A sender that pauses behind one has ended its message.
#[tokio::test]
async fn case_04_a_payload_fs_at_a_packets_end_before_a_pause_ends_the_message_there_and_the_rest_is_garbage()
{
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let (before, after) = ([&message("1")[..], b"NTE|1||one"].concat(), b"two\r\x1c\r");
    peer.says(&[b"\x0b", &before[..], b"\x1c"].concat()).await;
    // The pause is the server's, which answers behind it.
    peer.is_answered(AA, "1").await;
    assert_eq!(stand.shelf.landed()[0].message.payload.reveal(), &before);
    peer.says(after).await;
    peer.says(&frame("2")).await;
    peer.is_answered(AA, "2").await;
    stand.counts(&format!("{FAULT}{{kind=\"garbage\",sender=\"north\"}} 1")).await;
    assert_eq!(stand.shelf.landed().len(), 2, "what stands behind it is no message");
    // Without a pause it is payload, wherever a packet ends.
    let whole = [&message("3")[..], b"NTE|1||one\x1ctwo\r"].concat();
    peer.says(&mllp::encode(&whole)).await;
    peer.is_answered(AA, "3").await;
    assert_eq!(stand.shelf.landed()[2].message.payload.reveal(), &whole);
}

#[tokio::test]
async fn case_05_a_message_over_the_limit_is_refused_and_the_connection_goes_on() {
    let stand = Stand::with(Mode::AtOnce, |sender| sender.listening.frame_bytes_max = 8 << 10).await;
    let mut peer = stand.peer().await;
    let large = [&message("1")[..], b"OBX|1|TX|||", &vec![b'x'; 16 << 10]].concat();
    peer.says(&mllp::encode(&large)).await;
    let heard = peer.is_answered(AR, "1").await;
    assert!(heard.text.contains("over the limit of 8192 bytes"), "{}", heard.whole);
    peer.says(&frame("2")).await;
    peer.is_answered(AA, "2").await;
    assert_eq!(stand.shelf.landed().len(), 1);
    stand.counts(r#"vertebra_landing_messages_total{result="refused",sender="north"} 1"#).await;
    *stand.shelf.mode.lock().unwrap() = Mode::TooLarge;
    peer.says(&frame("3")).await;
    peer.is_answered(AR, "3").await;
}

#[tokio::test]
async fn case_05_a_sender_that_dribbles_is_cut_off_and_one_that_is_silent_is_let_go() {
    let short = Duration::from_millis(100);
    let stand = Stand::with(Mode::AtOnce, |sender| {
        sender.listening.frame_timeout = short;
        sender.listening.idle_timeout = short;
    })
    .await;
    let mut silent = stand.peer().await;
    silent.is_closed().await;
    assert!(!stand.around.metrics.render().contains(FAULT));
    let (mut reading, mut writing) = stand.peer().await.stream.into_split();
    let dribbling = tokio::spawn(async move {
        // Never silent, never done.
        for byte in b"\x0bMSH|".iter().chain(std::iter::repeat(&b'x')) {
            if writing.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut rest = Vec::new();
    let ended = timeout(PATIENCE, reading.read_to_end(&mut rest)).await.expect("cut off in time");
    assert!(rest.is_empty(), "{ended:?}");
    stand.counts(&format!("{FAULT}{{kind=\"slow_frame\",sender=\"north\"}} 1")).await;
    stand.is_quiet().await;
    timeout(PATIENCE, dribbling).await.expect("ended").expect("no panic");
}

#[tokio::test]
async fn case_05_a_peer_that_is_gone_without_a_word_is_let_go_in_mid_message_too() {
    let stand = Stand::with(Mode::AtOnce, |sender| {
        sender.listening.frame_timeout = Duration::from_millis(100);
        sender.listening.connections_max = 1;
    })
    .await;
    let mut gone = stand.peer().await;
    gone.says(&frame("1")[..20]).await;
    gone.is_closed().await;
    stand.counts(&format!("{FAULT}{{kind=\"slow_frame\",sender=\"north\"}} 1")).await;
    stand.is_quiet().await;
    // Its place is free again.
    let mut peer = stand.peer().await;
    peer.says(&frame("2")).await;
    peer.is_answered(AA, "2").await;
}

#[tokio::test]
async fn case_06_a_probe_makes_no_noise() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    let stand = Stand::new(Mode::AtOnce).await;
    for reset in [false, true] {
        let peer = stand.peer().await;
        if reset {
            SockRef::from(&peer.stream).set_linger(Some(Duration::ZERO)).expect("linger");
        }
        drop(peer);
    }
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    peer.is_answered(AA, "1").await;
    drop(peer);
    stand.is_quiet().await;
    assert_eq!(logs.warnings(), 0, "{}", logs.text());
    assert!(!stand.around.metrics.render().contains(FAULT));
}

#[tokio::test]
async fn case_07_a_reconnect_in_mid_message_loses_only_what_was_never_acknowledged() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let whole = frame("1");
    peer.says(&whole[..30]).await;
    drop(peer);
    stand.counts(&format!("{FAULT}{{kind=\"unfinished\",sender=\"north\"}} 1")).await;
    let mut peer = stand.peer().await;
    for id in 0..200 {
        let id = id.to_string();
        peer.says(&frame(&id)).await;
        peer.is_answered(AA, &id).await;
    }
    assert_eq!(stand.shelf.landed().len(), 200);
    stand.counts(r#"vertebra_landing_messages_total{result="accepted",sender="north"} 200"#).await;
    stand.counts(r#"vertebra_landing_inflight{sender="north"} 0"#).await;
}

#[tokio::test]
async fn case_07_connections_over_the_cap_and_peers_that_may_not_connect_are_turned_away() {
    let stand = Stand::with(Mode::AtOnce, |sender| sender.listening.connections_max = 1).await;
    let mut first = stand.peer().await;
    first.says(&frame("1")).await;
    first.is_answered(AA, "1").await;
    stand.peer().await.is_closed().await;
    stand.counts(r#"vertebra_landing_connections_refused_total{reason="cap",sender="north"} 1"#).await;
    drop(first);
    stand.is_quiet().await;
    let mut second = stand.peer().await;
    second.says(&frame("2")).await;
    second.is_answered(AA, "2").await;
    let closed = Stand::with(Mode::AtOnce, |sender| {
        sender.listening.allow = vec!["192.0.2.1".parse().expect("an address")];
    })
    .await;
    closed.peer().await.is_closed().await;
    closed.counts(r#"vertebra_landing_connections_refused_total{reason="peer",sender="north"} 1"#).await;
}

#[tokio::test]
async fn case_10_messages_sent_before_the_first_answer_get_their_own_in_order() {
    let stand = Stand::new(Mode::Held).await;
    let mut peer = stand.peer().await;
    let ids = ["1", "2", "3", "4"];
    peer.says(&ids.map(frame).concat()).await;
    // All are on their way before any is durable.
    stand.shelf.has(4).await;
    stand.shelf.release(3);
    stand.shelf.release(1);
    stand.shelf.release(2);
    tokio::task::yield_now().await;
    peer.hears_nothing_yet();
    stand.shelf.release(0);
    for id in ids {
        peer.is_answered(AA, id).await;
    }
}

#[tokio::test]
async fn case_10_a_sender_that_pipelines_more_than_its_share_is_held_back() {
    let stand = Stand::with(Mode::Held, |sender| sender.listening.pipeline_max = 2).await;
    let mut peer = stand.peer().await;
    peer.says(&["1", "2", "3", "4"].map(frame).concat()).await;
    stand.shelf.has(2).await;
    stand.counts(r#"vertebra_landing_inflight{sender="north"} 2"#).await;
    assert_eq!(stand.shelf.landed().len(), 2);
    stand.shelf.release(0);
    peer.is_answered(AA, "1").await;
    stand.shelf.has(3).await;
    assert_eq!(stand.shelf.landed().len(), 3);
    for number in 1..4 {
        stand.shelf.has(number + 1).await;
        stand.shelf.release(number);
        peer.is_answered(AA, &(number + 1).to_string()).await;
    }
}

#[tokio::test]
async fn case_14_whatever_character_set_is_named_the_bytes_are_kept_and_answered() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    for (number, (mark, name)) in
        [("", ""), ("", "8859/1"), ("", "ISO_IR 100"), ("", "KLINGON"), ("\u{feff}", "8859/1")]
            .into_iter()
            .enumerate()
    {
        let id = number.to_string();
        let header = format!("{mark}MSH|^~\\&|A|B|C|D|20260301||ADT^A01|{id}|P|2.5||||||{name}\r");
        let payload = [header.as_bytes(), b"PID|1||7^^^NORTH||Zo\xeb\r"].concat();
        peer.says(&mllp::encode(&payload)).await;
        peer.is_answered(AA, &id).await;
        let landed = stand.shelf.landed();
        let message = &landed[number].message;
        assert_eq!(message.payload.reveal(), &payload);
        assert_eq!(message.charset.as_deref().unwrap_or_default(), name);
        assert_eq!(&landed[number].key.to_string()[..2], "p:", "the patient is found in any of them");
    }
}

#[tokio::test]
async fn case_18_messages_built_to_hang_are_landed_like_others() {
    let stand = Stand::new(Mode::AtOnce).await;
    let mut peer = stand.peer().await;
    let units = ["~", "^", "&", "\\X", "\\", "OBX|1\r", "x"];
    for (number, unit) in units.into_iter().enumerate() {
        let id = number.to_string();
        let text =
            [&message(&id)[..], b"OBX|1|TX|||", unit.repeat((1 << 20) / unit.len()).as_bytes()].concat();
        peer.says(&mllp::encode(&text)).await;
        peer.is_answered(AA, &id).await;
    }
    assert_eq!(stand.shelf.landed().len(), units.len());
}

#[tokio::test]
async fn the_last_message_of_a_sender_is_told_by_its_time() {
    const LAST: &str = "vertebra_landing_last_message_timestamp_seconds";
    let stand = Stand::new(Mode::AtOnce).await;
    let told = || -> Option<u64> {
        let text = stand.around.metrics.render();
        text.lines().find(|line| line.starts_with(LAST))?.rsplit(' ').next()?.parse().ok()
    };
    let began = told().expect("since when it is listened for");
    let mut peer = stand.peer().await;
    peer.says(&frame("1")).await;
    peer.is_answered(AA, "1").await;
    assert!(told().is_some_and(|heard| heard >= began && began > 1_700_000_000));
}
