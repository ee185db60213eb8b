//! A patient was merged wrongly: the link between two numbers is taken back by the sender's word, and no invoice was touched.

use canon::PatientToken;
use harness::{Evidence, Fleet, Kind, Outgoing, SECRET, Sender};
use runbooks::expect::Known;
use runbooks::scene::{Scene, scaled};
use runbooks::typist::{Others, Typist};

/// Whoever registers patients at the sender's.
struct Registration<'a> {
    fleet: &'a Fleet,
    sender: &'a str,
    unlink: Outgoing,
}

impl Others for Registration<'_> {
    async fn then(&mut self, name: &str, _known: &mut Known) -> bool {
        match name {
            "registration unlinks them" => {
                let mut sender = Sender::new(self.fleet.mllp(self.sender));
                sender.send(&self.unlink).await.expect("acknowledged");
            }
            _ => return false,
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_was_merged_wrongly() {
    let Some(scene) = Scene::set("merged-wrongly", scaled(6, 60)).await else { return };
    let services = scene.services().await;
    let history = scene.sent(&scene.hospital).await;
    let before = services.balanced(&scene.hospital, &history).await;

    let patients: Vec<String> = scene.hospital.messages().map(|(_, message)| patient(message)).collect();
    let survivor = patients.first().expect("a patient").clone();
    let retired = patients.iter().find(|patient| **patient != survivor).expect("another one").clone();
    let mut sender = Sender::new(scene.fleet.mllp(scene.hospital.sender()));
    let prefix = scene.hospital.prefix();
    let merge = adt("A40", &format!("{prefix}M1"), &format!("PID|1||{survivor}\rMRG|{retired}\r"));
    sender.send(&merge).await.expect("acknowledged");
    services.settled().await;
    let token = token_of(&retired);
    let merged = services.books.read().await.expect("everything can be read");
    assert_eq!(latest(&merged, token), Some(Some(token_of(&survivor))), "the merge says a link");

    let unlink = adt("A37", &format!("{prefix}M2"), &format!("PID|1||{survivor}\rPID|2||{retired}\r"));
    let registration = &mut Registration { fleet: &scene.fleet, sender: scene.hospital.sender(), unlink };
    let mut typist = Typist::new("patient-merged-wrongly.md", &scene.fleet, &scene.stack)
        .knowing("sender", scene.hospital.sender())
        .knowing("patient", token.as_str());
    typist.types(registration).await;

    services.settled().await;
    let after = services.books.read().await.expect("everything can be read");
    assert_eq!(latest(&after, token), Some(None), "the link is taken back");
    assert!(after.invoices == before.invoices, "an invoice was touched");
    assert_eq!(after.charges.stated.len(), before.charges.stated.len(), "a charge was touched");
    services.over(&scene).await;
}

/// What the topic says last of a retired number: the survivor, or that it is none; nothing when it never spoke of it.
fn latest(evidence: &Evidence, retired: PatientToken) -> Option<Option<PatientToken>> {
    let of_it = evidence.links.stated.iter().filter(|stated| stated.key == retired.as_str());
    of_it.max_by_key(|stated| stated.version).map(|stated| stated.body.as_ref().map(|link| link.survivor))
}

fn patient(message: &Outgoing) -> String {
    let text = String::from_utf8(message.bytes.clone()).expect("the hospital writes UTF-8");
    let pid = text.split('\r').find(|segment| segment.starts_with("PID|")).expect("a patient");
    pid.split('|').nth(3).and_then(|field| field.split('~').next()).expect("a number").to_owned()
}

fn token_of(identifier: &str) -> PatientToken {
    let number = identifier.split('^').next().unwrap_or_default();
    canon::Tokenizer::new(SECRET.as_bytes()).expect("a secret").patient("LAKESIDE", number)
}

fn adt(trigger: &str, control_id: &str, segments: &str) -> Outgoing {
    let text = format!(
        "MSH|^~\\&|HIS|LAKESIDE|VERTEBRA|HOUSE|20250310120000+0000||ADT^{trigger}|{control_id}|P|2.5.1|||AL|NE||UNICODE UTF-8\r\
         EVN|{trigger}|20250310120000+0000\r{segments}"
    );
    Outgoing { control_id: control_id.to_owned(), kind: Kind::Visit, bytes: text.into_bytes() }
}
