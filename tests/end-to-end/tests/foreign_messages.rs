//! Messages that nobody here wrote, from a file of HL7v2 messages that `VERTEBRA_TEST_HL7_MESSAGES` names: each is landed and
//! acknowledged, and each is translated, or counted with the reason.
//!
//! Needs what `VERTEBRA_TEST_*` name, and the services' programs. The file is not ours to keep here: without it there is
//! nothing to do. It is taken as the Simulated Hospital writes it: patients of the authority "SIMULATOR MRN".

use canon::{Event, RawHl7v2};
use end_to_end::{drained, folder, seed, settled};
use harness::{Books, Fleet, Kind, Launch, Outgoing, ParkedAt, Role, Sender, SenderFile, Stack};
use std::collections::BTreeSet;
use std::time::Duration;

const SENDER: &str = "foreign";
const READY: Duration = Duration::from_secs(60);

#[expect(clippy::disallowed_methods, reason = "a test is told where its file is by its environment")]
fn messages() -> Option<Vec<Outgoing>> {
    let file = std::env::var("VERTEBRA_TEST_HL7_MESSAGES").ok()?;
    let text = std::fs::read(&file).expect("the file of messages");
    let mut starts: Vec<usize> =
        text.windows(4).enumerate().filter(|(_, four)| *four == b"MSH|").map(|(at, _)| at).collect();
    starts.push(text.len());
    let message = |(from, to): (usize, usize)| {
        let bytes = text[from..to].trim_ascii_end().to_vec();
        let control_id = bytes.split(|byte| *byte == b'|').nth(9).unwrap_or_default();
        let control_id = String::from_utf8_lossy(control_id).into_owned();
        Outgoing { control_id, kind: Kind::Visit, bytes }
    };
    Some(starts.windows(2).map(|pair| message((pair[0], pair[1]))).collect())
}

fn file() -> SenderFile {
    let port = Launch::free_port();
    let yaml = format!(
        "name: {SENDER}\nlisten: 127.0.0.1:{port}\ntime_zone: Europe/London\ncurrency: GBP\nprocessing: [P, T]\n\
         patient_authority: SIMHOSP\npatient_assigning_authority: SIMULATOR MRN\npatient_identifier_type: MRN\n\
         visit_authority: SIMHOSP\n"
    );
    SenderFile { name: SENDER.to_owned(), port, yaml }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_nobody_here_wrote_are_landed_and_translated_or_counted_with_the_reason() {
    let Some(messages) = messages() else {
        println!("skipped: VERTEBRA_TEST_HL7_MESSAGES names no file");
        return;
    };
    let Some(stack) = Stack::from_env() else { return };
    let folder = folder("foreign-messages", seed());
    let fleet = Fleet::new(&stack, &folder, vec![file()]).expect("its files");
    fleet.apply_contract().expect("topics and schemas");
    // Billing follows the visits, so that whoever tests next finds nothing on its way.
    let roles = [Role::Land, Role::Translate, Role::Bill];
    let processes: Result<Vec<_>, _> = roles.into_iter().map(|role| fleet.start(role)).collect();
    let mut processes = processes.expect("the programs are built");
    for process in &mut processes {
        process.ready(READY).await.unwrap_or_else(|error| panic!("{error}"));
    }
    let mut sender = Sender::new(fleet.mllp(SENDER));
    for message in &messages {
        sender.send(message).await.unwrap_or_else(|error| panic!("{error}"));
    }
    let books = Books::open(&stack).await.expect("the books");
    settled(&books).await;
    let evidence = books.read().await.expect("everything can be read");

    let ids: BTreeSet<&str> = messages.iter().map(|message| message.control_id.as_str()).collect();
    let ours: Vec<_> = evidence.raw.iter().filter(|raw| raw.sender == SENDER).collect();
    let landed = ours.iter().map(|raw| raw.content).collect::<BTreeSet<_>>().len();
    assert_eq!((landed, ids.len()), (messages.len(), messages.len()), "landed, of the messages sent");
    // Whoever tested here before has their own.
    let is_ours = |parked: &&ParkedAt| {
        let at = parked.record.as_ref().filter(|(topic, ..)| topic == RawHl7v2::TOPIC);
        at.is_some_and(|(_, partition, offset)| ours.iter().any(|raw| raw.at == (*partition, *offset)))
    };
    let parked: Vec<_> = evidence.parked.iter().filter(is_ours).collect();
    assert!(parked.is_empty(), "{} parked, the first: {:?}", parked.len(), parked.first());
    let mut stated: BTreeSet<&str> = BTreeSet::new();
    let mut note = |sender: &str, id: &'_ String| {
        if let (SENDER, Some(id)) = (sender, ids.get(id.as_str())) {
            stated.insert(*id);
        }
    };
    let encounters = evidence.encounters.stated.iter().filter_map(|one| one.body.as_ref());
    encounters.for_each(|body| note(&body.sender, &body.control_id));
    let orders = evidence.orders.stated.iter().filter_map(|one| one.body.as_ref());
    orders.for_each(|body| note(&body.sender, &body.control_id));
    let results = evidence.results.stated.iter().filter_map(|one| one.body.as_ref());
    results.for_each(|body| note(&body.sender, &body.control_id));
    // A link says of two patients which one is left, and not which message said so.
    let links = evidence.links.stated.iter().filter_map(|one| one.body.as_ref());
    let links = links.filter(|body| body.sender == SENDER).count();
    let metrics = processes[1].metrics().await.expect("metrics");
    let is_ours = |line: &&str| {
        line.starts_with("vertebra_translation_unmapped_total{")
            && line.contains(&format!("sender=\"{SENDER}\""))
    };
    let counted = metrics.lines().filter(is_ours);
    let counted: f64 = counted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    println!("{landed} landed, facts of {}, {links} links, {counted} counted as not mapped", stated.len());
    assert!(
        (stated.len() + links) as f64 + counted >= messages.len() as f64,
        "some came to nothing, uncounted"
    );
    drained(&mut processes).await;
    std::fs::remove_dir_all(&folder).expect("the folder goes when all went well");
}
