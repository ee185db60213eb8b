//! Planted patient data occur nowhere but in payloads: not in logs, keys, headers, metrics or answers.

use super::*;

const CANARIES: [&str; 5] = ["Zzcanary", "CANARY4711", "Canarystreet", "VCANARY99", "0049canary"];

/// Messages that hold canaries, from sound to broken at every place where something might be quoted.
fn planted() -> Vec<Vec<u8>> {
    let visit = "|".repeat(16);
    let body = format!(
        "PID|1||CANARY4711^^^NORTH||Zzcanary^Maria||19700101|F|||Canarystreet 5||0049canary\r\
         PV1|1|I|W1{visit}VCANARY99\r"
    );
    let header = |control_id: &str| format!("MSH|^~\\&|A|B|C|D|20260301||ADT^A01|{control_id}|P|2.5\r");
    [
        mllp::encode(format!("{}{body}", header("1")).as_bytes()),
        mllp::encode(format!("{}{body}", header("")).as_bytes()),
        mllp::encode(body.as_bytes()),
        mllp::encode(format!("MSH|^^^^|Zzcanary\r{body}").as_bytes()),
        mllp::encode(format!("{}{body}{}", header("2"), header("3")).as_bytes()),
        mllp::encode(format!("FHS|^~\\&|Zzcanary\r{body}").as_bytes()),
        mllp::encode(format!("{}{body}OBX|1|TX|||{}", header("4"), "Zzcanary ".repeat(2000)).as_bytes()),
        // Garbage, a frame that is given up, and one that is never ended.
        body.clone().into_bytes(),
        format!("\x0b{}{body}", header("5")).into_bytes(),
        format!("\x0b{}{body}", header("6")).into_bytes(),
    ]
    .to_vec()
}

#[track_caller]
fn check_absent(place: &str, text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {place}:\n{text}");
    }
}

#[tokio::test]
async fn planted_patient_data_occur_nowhere_but_in_payloads() {
    let logs = Logs::default();
    let _capturing = logs.capture();
    for mode in [Mode::AtOnce, Mode::Failing, Mode::TooLarge] {
        let stand = Stand::with(mode, |sender| sender.listening.frame_bytes_max = 8 << 10).await;
        let mut peer = stand.peer().await;
        for bytes in planted() {
            peer.says(&bytes).await;
        }
        peer.stream.shutdown().await.expect("half closed");
        let mut answers = Vec::new();
        timeout(PATIENCE, peer.stream.read_to_end(&mut answers)).await.expect("answered").expect("read");
        assert!(answers.len() > 500, "answers came");
        check_absent("answers", &String::from_utf8_lossy(&answers));
        stand.is_quiet().await;
        check_absent("metrics", &stand.around.metrics.render());
        check_absent("health", &format!("{:?}", stand.around.health));
        let landed = stand.shelf.landed();
        assert_eq!(landed.len(), if mode == Mode::TooLarge { 0 } else { 6 });
        for Piece { key, headers, message } in landed {
            check_absent("a key", &key.to_string());
            for (name, value) in headers.to_pairs() {
                check_absent(&name, &String::from_utf8_lossy(&value));
            }
            check_absent("a record as it is printed", &format!("{message:?}"));
            assert!(
                CANARIES
                    .iter()
                    .any(|canary| String::from_utf8_lossy(message.payload.reveal()).contains(canary))
            );
        }
    }
    check_absent("logs", &logs.text());
    assert!(logs.warnings() > 0, "something was logged");
}
