//! Content, cases 14 to 17: what is in a message is read later. It is answered, and the endpoint lives.

use super::{Case, End};
use crate::bench::{Bench, failed};
use crate::message::{Message, framed};
use crate::wire::Heard;

pub(super) const CASES: &[Case] = &[
    Case {
        number: "14",
        name: "character-sets",
        says: "MSH-18 may be absent, wrong or misspelt: the bytes are kept and the message is accepted.",
        run: |bench| Box::pin(character_sets(bench)),
    },
    Case {
        number: "14",
        name: "a-byte-order-mark",
        says: "A UTF-8 byte order mark before the MSH is no part of it.",
        run: |bench| Box::pin(byte_order_mark(bench)),
    },
    Case {
        number: "15",
        name: "escapes-and-values",
        says: "Escapes, repeated values and types that OBX-2 does not announce are content.",
        run: |bench| Box::pin(values(bench)),
    },
    Case {
        number: "15",
        name: "versions",
        says: "MSH-12 from 2.1 to 2.8, with components, or none: engines drift.",
        run: |bench| Box::pin(versions(bench)),
    },
    Case {
        number: "15",
        name: "segments-ended-otherwise-and-z-segments",
        says: "Segments end in LF or CRLF though the standard says CR; Z-segments stand anywhere.",
        run: |bench| Box::pin(segments(bench)),
    },
    Case {
        number: "16",
        name: "merges-cancels-and-corrections",
        says: "Merges, cancels, an update after a discharge and a corrected result are messages like others.",
        run: |bench| Box::pin(events(bench)),
    },
    Case {
        number: "17",
        name: "times",
        says: "Times have any precision, with or without an offset, and hours that a zone leaves out.",
        run: |bench| Box::pin(times(bench)),
    },
];

/// Sends each on one connection: it is accepted, or refused by its MSA-2, which is a variation.
async fn each_is_answered(bench: &mut Bench, all: Vec<(String, Message)>) -> End {
    let mut peer = bench.peer().await?;
    for (what, message) in all {
        let id = &message.control_id;
        bench.step(format!("{id}: {what}"));
        peer.says(&message.frame()).await;
        match peer.hears().await {
            Heard::Answer(answer) if answer.is_to(id) && answer.accepts() => {
                bench.is_accept(&answer, id)?;
            }
            Heard::Answer(answer) if answer.is_to(id) && answer.verdict().is_some() => {
                bench.tolerates(format!("it refuses {what} with {}", answer.code));
            }
            other => return failed(format!("AA to {id}, {what}"), other),
        }
    }
    Ok(())
}

fn named(what: &str, message: Message) -> (String, Message) {
    (what.to_owned(), message)
}

async fn character_sets(bench: &mut Bench) -> End {
    let (latin, utf) = (b"T\xf6rt\xfcr\xe9".as_slice(), "T\u{f6}rt\u{fc}r\u{e9}".as_bytes());
    let all = [
        ("Latin-1, not declared", "", latin),
        ("UTF-8, not declared", "", utf),
        ("Latin-1 as 8859/1", "8859/1", latin),
        ("Latin-1 as ISO_IR 100", "ISO_IR 100", latin),
        ("Latin-1 declared as UTF-8", "UNICODE UTF-8", latin),
        ("UTF-8 as UNICODE UTF-8", "UNICODE UTF-8", utf),
        ("UTF-8 as utf8", "utf8", utf),
        ("UTF-8 declared as ASCII", "ASCII", utf),
        ("UTF-8 among several", "8859/1~UNICODE UTF-8", utf),
        ("a character set that does not exist", "TORTURE-8", utf),
    ];
    let all = all.map(|(what, declared, name)| {
        let patient = [b"PID|1||TRT1^^^TORTURE^MR||", name, b"^Testcase"].concat();
        (what.to_owned(), bench.message().without("PID").msh(18, declared).and(patient))
    });
    each_is_answered(bench, all.into()).await
}

async fn byte_order_mark(bench: &mut Bench) -> End {
    let message = bench.message();
    let mut peer = bench.peer().await?;
    bench.step(format!("{} behind a byte order mark", message.control_id));
    peer.says(&framed(&[b"\xef\xbb\xbf", &message.payload()[..]].concat())).await;
    let answer = bench.answer(&mut peer, "an answer").await?;
    if answer.accepts() {
        bench.is_accept(&answer, &message.control_id)?;
    } else {
        bench.tolerates(format!("it refuses a byte order mark with {}", answer.code));
    }
    Ok(())
}

async fn values(bench: &mut Bench) -> End {
    let all = [
        ("every escape", "OBX|1|TX|TRT^Torture||\\F\\ \\S\\ \\T\\ \\R\\ \\E\\ \\X41\\ \\.br\\ \\H\\x\\N\\"),
        ("an escape that nobody knows", "OBX|1|TX|TRT^Torture||\\Q\\ \\Zzz\\ \\C2842\\ \\M123456\\"),
        ("an escape that is not closed", "OBX|1|TX|TRT^Torture||a \\ b"),
        ("a repeated OBX-5", "OBX|1|NM|TRT^Torture||1~2~3"),
        ("text in a number", "OBX|1|NM|TRT^Torture||> 4,5 mmol"),
        ("no type in OBX-2", "OBX|1||TRT^Torture||1"),
        ("a type that does not exist", "OBX|1|QQ|TRT^Torture||1"),
        ("a document in OBX-5", "OBX|1|ED|TRT^Torture||^TEXT^plain^Base64^VG9ydHVyZQ=="),
    ];
    let all = all.map(|(what, segment)| {
        let patient = "PID|1||TRT1^^^TORTURE^MR||Torture^Testcase";
        let order = "OBR|1|TRT1|TRT2|TRT^Torture";
        named(what, bench.message().of("ORU^R01^ORU_R01", &[patient, order, segment]))
    });
    each_is_answered(bench, all.into()).await
}

async fn versions(bench: &mut Bench) -> End {
    let numbers = ["2.1", "2.2", "2.3", "2.3.1", "2.4", "2.5", "2.5.1", "2.6", "2.7", "2.7.1", "2.8"];
    let all = numbers.iter().chain(&["2.5^DEU^1.1", "", "3.0", "vTorture"]);
    let all: Vec<_> =
        all.map(|version| (format!("MSH-12 {version:?}"), bench.message().msh(12, version))).collect();
    each_is_answered(bench, all).await
}

async fn segments(bench: &mut Bench) -> End {
    let all = vec![
        named("segments ended by LF", bench.message().lines_end_by(b"\n")),
        named("segments ended by CRLF", bench.message().lines_end_by(b"\r\n")),
        named("a Z-segment at the end", bench.message().and("ZTR|1|Torture^of^a~segment")),
        named(
            "a Z-segment behind the MSH",
            bench.message().of("ADT^A08", &["ZTR|1|Torture", "PID|1||TRT1^^^TORTURE^MR||Torture"]),
        ),
        named("an empty line amid segments", bench.message().and("").and("ZTR|1")),
        named("a type that does not exist", bench.message().msh(9, "ZTR^Z99^ZTR_Z99")),
    ];
    each_is_answered(bench, all).await
}

async fn events(bench: &mut Bench) -> End {
    let patient = "PID|1||TRT1^^^TORTURE^MR||Torture^Testcase";
    let visit = "PV1|1|I|TRT^1^1||||||||||||||||TRTV1";
    let merged = "MRG|TRT2^^^TORTURE^MR";
    let order = "OBR|1|TRT1|TRT2|TRT^Torture";
    let mut all = Vec::new();
    for trigger in ["A40", "A34", "A18"] {
        all.push((trigger, bench.message().of(&format!("ADT^{trigger}"), &[patient, merged])));
    }
    for trigger in ["A01", "A11", "A02", "A12", "A03", "A13", "A03", "A08"] {
        all.push((trigger, bench.message().of(&format!("ADT^{trigger}"), &[patient, visit])));
    }
    for (what, status) in [("a final result", "F"), ("a corrected result", "C"), ("a deleted result", "D")] {
        let result = format!("OBX|1|NM|TRT^Torture||1|||||{status}");
        all.push((what, bench.message().of("ORU^R01", &[patient, order, &result])));
    }
    let all = all.into_iter().map(|(what, message)| named(what, message)).collect();
    each_is_answered(bench, all).await
}

async fn times(bench: &mut Bench) -> End {
    let all = [
        "2026",
        "202603",
        "20260301",
        "2026030114",
        "202603011415",
        "20260301141516",
        "20260301141516.1",
        "20260301141516.1234",
        "20260301141516.1234+0545",
        "20260301141516-0330",
        // Left out, and had twice, where summer time begins and ends.
        "20260329023000",
        "20261025023000",
        "20261231235960",
        "20260230",
        "99999999999999",
        "yesterday",
        "",
    ];
    let all: Vec<_> = all
        .into_iter()
        .map(|time| {
            let event = format!("EVN|A08|{time}");
            (format!("the time {time:?}"), bench.message().msh(7, time).without("EVN").and(event))
        })
        .collect();
    each_is_answered(bench, all).await
}
