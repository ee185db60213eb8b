//! Case 13: batches are split into their messages, and answered by a batch.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use hl7::ack::{AckCode, BatchReply, Reply, ack, batch_ack};
use hl7::batch::{Batch, BatchError};
use hl7::delimiters::DelimiterError;
use hl7::message::{Message, ParseError};

/// Parts of a batch as they are written in these tests: short, each a line.
const FILE: &str = "FHS|^~\\&|A|B|C|D|20260301||||F7\r";
const HEAD: &str = "BHS|^~\\&|A|B|C|D|20260301||||B7\r";
const ONE: &str = "MSH|^~\\&|A|B|C|D|20260301||ADT^A08|1|P|2.5\rPID|1||7\r";
const TWO: &str = "MSH|^~\\&|A|B|C|D|20260301||ADT^A08|2|P|2.5\rPID|1||8\r";

/// The messages of each group, and what the trailers disagree about.
#[track_caller]
fn check(parts: &[&str], groups: &[&[&str]], disagreements: &[&str]) {
    let payload = parts.concat();
    let batch = Batch::parse(payload.as_bytes()).unwrap();
    let found: Vec<Vec<&str>> = batch
        .groups()
        .iter()
        .map(|group| group.messages().iter().map(|message| std::str::from_utf8(message).unwrap()).collect())
        .collect();
    assert_eq!(found, groups);
    assert_eq!(batch.messages().count(), groups.iter().map(|group| group.len()).sum::<usize>());
    let told: Vec<String> = batch.disagreements().map(|one| one.to_string()).collect();
    assert_eq!(told, disagreements);
}

#[track_caller]
fn check_refused(parts: &[&str], expected: BatchError) {
    let payload = parts.concat();
    assert_eq!(Batch::parse(payload.as_bytes()).map(|batch| batch.groups().len()), Err(expected));
}

#[test]
fn case_13_a_batch_is_split_into_its_messages_whatever_is_left_out() {
    check(&[FILE, HEAD, ONE, TWO, "BTS|2\r", HEAD, ONE, "BTS|1\r", "FTS|2\r"], &[&[ONE, TWO], &[ONE]], &[]);
    check(&[HEAD, ONE, TWO], &[&[ONE, TWO]], &[]);
    check(&[HEAD, ONE, HEAD, TWO], &[&[ONE], &[TWO]], &[]);
    check(&[FILE, ONE, TWO, "FTS\r"], &[&[ONE, TWO]], &[]);
    check(&[FILE, ONE, "BTS|1\r", TWO, "BTS|1\r", "FTS|2\r"], &[&[ONE], &[TWO]], &[]);
    check(&[HEAD, "BTS|0\r"], &[&[]], &[]);
    check(&[FILE, "FTS|0\r"], &[], &[]);
    // Line ends of any kind, blank lines, a byte order mark.
    let [file, one] = [FILE, ONE].map(|part| part.replace('\r', "\r\n"));
    check(&["\u{feff}", &file, "\r\n", &one, "\r\n", "BTS|1"], &[&[&format!("{one}\r\n")]], &[]);
    assert!(Batch::parse("\u{feff}BHS|^~\\&".as_bytes()).unwrap().has_byte_order_mark());
}

#[test]
fn case_13_a_trailer_that_counts_otherwise_is_told() {
    check(&[HEAD, ONE, "BTS|2\r"], &[&[ONE]], &["BTS-1 of batch 1 counts 2, 1 came"]);
    check(
        &[FILE, HEAD, ONE, "BTS| 1 \r", HEAD, "BTS|x\r", "FTS|1|Erika\r"],
        &[&[ONE], &[]],
        &["BTS-1 of batch 2 is no number, 0 came", "FTS-1 counts 1, 2 came"],
    );
    check(&[HEAD, ONE, "BTS|99999999999999999999\r"], &[&[ONE]], &["BTS-1 of batch 1 is no number, 1 came"]);
}

#[test]
fn case_13_each_header_announces_its_own_delimiters() {
    let custom = "MSH!*%$@!A!B!C!D!20260301!!ADT*A08!3!P!2.7\rNTE!1!BTS|7\r";
    check(&["BHS#^~\\&#A\r", custom, ONE, "BTS#2#x\r"], &[&[custom, ONE]], &[]);
    // A message whose own delimiters are broken is broken by itself.
    let broken = "MSH|^^\\&|A\rPID|1||9\r";
    check(&[HEAD, broken, ONE], &[&[broken, ONE]], &[]);
    assert!(matches!(Message::parse(broken.as_bytes()), Err(ParseError::Delimiters(_))));
    // A text broken by a stray line end that goes on with the letters of a header.
    let note = "MSH|^~\\&|A|B|C|D|20260301||ADT^A08|4|P|2.5\rNTE|1||he said\rMSH, and then\rBHS too\rBTSX\r";
    check(&[HEAD, note, ONE, "BTS|2\r"], &[&[note, ONE]], &[]);
}

#[test]
fn case_13_what_would_be_put_with_the_wrong_message_is_refused() {
    let misplaced = |segment| BatchError::Misplaced { segment };
    check_refused(&[HEAD, "PID|1||7\r", ONE], misplaced(2));
    check_refused(&[HEAD, ONE, "BTS|1\r", "PID|1||7\r"], misplaced(5));
    check_refused(&[HEAD, ONE, "BTS|1\r", "BTS|1\r"], misplaced(5));
    check_refused(&[FILE, ONE, FILE], misplaced(4));
    check_refused(&[FILE, ONE, "FTS|1\r", ONE], misplaced(5));
    check_refused(&["BHS|^^\\&|A\r", ONE], BatchError::Delimiters(DelimiterError::Repeated { index: 2 }));
    check_refused(&[HEAD, ONE, "BHS|^\r"], BatchError::Delimiters(DelimiterError::Count { found: 1 }));
    check_refused(&[ONE], BatchError::NoBatch);
    check_refused(&[""], BatchError::NoBatch);
    check_refused(&["\r\n"], BatchError::NoBatch);
}

/// The answer to a batch whose messages are all accepted, its segments joined by line feeds.
#[track_caller]
fn check_answer(parts: &[&str], expected: &str) {
    let payload = parts.concat();
    let batch = Batch::parse(payload.as_bytes()).unwrap();
    let reply =
        Reply { code: AckCode::ApplicationAccept, control_id: "9", sent_at: "2026", text: None, error: None };
    let answers: Vec<_> =
        batch.messages().map(|message| vec![ack(&Message::parse(message).unwrap(), &reply)]).collect();
    let answer = batch_ack(&batch, &BatchReply { control_id: "8", sent_at: "2026" }, &answers);
    assert_eq!(String::from_utf8(answer).unwrap().replace('\r', "\n"), expected);
}

#[test]
fn case_13_the_answer_is_a_batch_of_the_same_shape_that_names_what_it_answers() {
    let accepted = |id| format!("MSH|^~\\&|C|D|A|B|2026||ACK^A08^ACK|9|P|2.5\nMSA|AA|{id}\n");
    let (one, two) = (accepted(1), accepted(2));
    check_answer(
        &[FILE, HEAD, ONE, TWO, "BTS|3\r", "FTS|2\r"],
        &format!(
            "FHS|^~\\&|C|D|A|B|2026||||8|F7\nBHS|^~\\&|C|D|A|B|2026||||8|B7\n{one}{two}\
             BTS|2|BTS-1 of batch 1 counts 3, 2 came\nFTS|1|FTS-1 counts 2, 1 came\n"
        ),
    );
    check_answer(&["BHS#*~\\&#A#B\r", ONE], &format!("BHS#*~\\&###A#B#2026####8#\n{one}BTS#1\n"));
    check_answer(&[HEAD, "BTS|0\r"], "BHS|^~\\&|C|D|A|B|2026||||8|B7\nBTS|0\n");
}

#[test]
fn a_message_without_an_answer_is_left_out_of_the_answer() {
    let payload = [HEAD, ONE, TWO].concat();
    let batch = Batch::parse(payload.as_bytes()).unwrap();
    let reply = BatchReply { control_id: "8", sent_at: "2026" };
    let answers = [vec![], vec![b"MSH|^~\\&|x\r".to_vec(), b"MSH|^~\\&|y\r".to_vec()]];
    let answer = batch_ack(&batch, &reply, &answers);
    let heard = Batch::parse(&answer).unwrap();
    assert_eq!((heard.messages().count(), heard.disagreements().count()), (2, 0));
}

#[test]
fn what_is_printed_for_debugging_shows_no_content() {
    let payload = [FILE, HEAD, "MSH|^~\\&|Muster\r", "BTS|Muster\r"].concat();
    let batch = Batch::parse(payload.as_bytes()).unwrap();
    let told: Vec<String> = batch.disagreements().map(|one| format!("{one} {one:?}")).collect();
    assert!(!format!("{batch:?} {:?} {told:?}", batch.groups()).contains("Muster"));
}
