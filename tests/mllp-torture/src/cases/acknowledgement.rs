//! Acknowledgements, cases 11 to 13, as far as a client sees them: that a message is stored before it is accepted, no
//! client can see.

use super::{Case, End};
use crate::answer::Verdict;
use crate::bench::{Bench, failed};
use crate::message::{Message, framed, now};
use crate::wire::Heard;

pub(super) const CASES: &[Case] = &[
    Case {
        number: "11",
        name: "what-an-ack-says-of-its-message",
        says: "MSA-2 is MSH-10 byte for byte; MSH-3 to 6 are swapped with their components; MSH-7 and 10 are its own.",
        run: |bench| Box::pin(shape(bench)),
    },
    Case {
        number: "11",
        name: "a-message-sent-again",
        says: "A message sent again, with a new MSH-7, gets the same code and MSA-2 in a fresh ACK.",
        run: |bench| Box::pin(again(bench)),
    },
    Case {
        number: "11",
        name: "a-message-whose-ack-was-lost",
        says: "A message whose sender was gone before the ACK is accepted when it is sent again.",
        run: |bench| Box::pin(lost_ack(bench)),
    },
    Case {
        number: "11",
        name: "enhanced-mode",
        says: "Where MSH-15 asks for it (AL, SU) the commit is CA; where it does not (NE, ER) nothing comes.",
        run: |bench| Box::pin(enhanced(bench)),
    },
    Case {
        number: "12",
        name: "no-msh",
        says: "What has no MSH is answered AR with a reason, never by silence.",
        run: |bench| Box::pin(no_msh(bench)),
    },
    Case {
        number: "12",
        name: "no-control-id",
        says: "A message without MSH-10 is answered AR with a reason.",
        run: |bench| Box::pin(no_control_id(bench)),
    },
    Case {
        number: "12",
        name: "an-empty-frame",
        says: "A frame without a payload is refused or ignored, and stops nothing.",
        run: |bench| Box::pin(empty_frame(bench)),
    },
    Case {
        number: "12",
        name: "no-pid",
        says: "A message without a PID can be stored: what it lacks is content. AA.",
        run: |bench| Box::pin(no_pid(bench)),
    },
    Case {
        number: "12b",
        name: "training-and-debugging-messages",
        says: "Whether MSH-11 is T or D is a matter for later: AA.",
        run: |bench| Box::pin(training(bench)),
    },
    Case {
        number: "13",
        name: "custom-delimiters",
        says: "A message in other delimiters gets an ACK in them, MSH-3 to 6 included.",
        run: |bench| Box::pin(delimiters(bench)),
    },
    Case {
        number: "13",
        name: "a-batch",
        says: "A batch in one frame, with and without FHS, gets one response.",
        run: |bench| Box::pin(batches(bench)),
    },
];

async fn shape(bench: &mut Bench) -> End {
    let said_at = "20200101000000";
    let plain = bench.message();
    // The same number of characters, others than letters and digits among them.
    let odd = plain.control_id.replace("TRT", "t.:").replace('-', "/");
    let sender = &bench.target.sender;
    let message = plain
        .msh(10, &odd)
        .msh(7, said_at)
        .msh(3, format!("{}^1.2.3.4^ISO", sender.application))
        .msh(6, format!("{}^5.6.7.8^ISO", sender.receiving_facility));
    let mut peer = bench.peer().await?;
    bench.step(format!("{odd} with components in MSH-3 and MSH-6"));
    peer.says(&message.frame()).await;
    let answer = bench.accepts(&mut peer, &odd).await?;
    for (of_answer, of_message) in [(3, 5), (4, 6), (5, 3), (6, 4)] {
        let (expected, came) = (message.field(of_message), answer.msh(of_answer));
        if expected != came {
            return failed(
                format!("MSH-{of_answer} {}, as MSH-{of_message} of the message", expected.escape_ascii()),
                came.escape_ascii(),
            );
        }
    }
    if answer.msh(7).is_empty() || answer.msh(7) == said_at.as_bytes() {
        return failed("an MSH-7 of the ACK's own", answer.msh(7).escape_ascii());
    }
    if !answer.msh(9).starts_with(b"ACK") {
        return failed("MSH-9 ACK", answer.msh(9).escape_ascii());
    }
    match answer.msh(10) {
        b"" => failed("an MSH-10 of the ACK's own", "none"),
        own if own == odd.as_bytes() => {
            bench.tolerates("its ACK has the message's MSH-10 and none of its own");
            Ok(())
        }
        _ => Ok(()),
    }
}

async fn again(bench: &mut Bench) -> End {
    let message = bench.message().msh(7, "20200101000000");
    let mut peer = bench.peer().await?;
    bench.step(format!("{}, and again with another MSH-7", message.control_id));
    let first = bench.sends(&mut peer, &message).await?;
    let second = bench.sends(&mut peer, &message.msh(7, now())).await?;
    if first.code != second.code {
        return failed(first, second);
    }
    if first.msh(10) == second.msh(10) {
        bench.tolerates("both ACKs have one MSH-10");
    }
    Ok(())
}

async fn lost_ack(bench: &mut Bench) -> End {
    let message = bench.message();
    let mut peer = bench.peer().await?;
    bench.step(format!("{}, and away", message.control_id));
    peer.says(&message.frame()).await;
    drop(peer);
    let mut peer = bench.peer().await?;
    bench.step("again on a new connection");
    bench.sends(&mut peer, &message).await.map(|_| ())
}

async fn enhanced(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    for condition in ["AL", "SU", "NE", "ER"] {
        let message = bench.message().msh(15, condition).msh(16, "NE");
        let next = bench.message();
        bench.step(format!("{} with MSH-15 {condition}, then {}", message.control_id, next.control_id));
        peer.says(&message.frame()).await;
        peer.says(&next.frame()).await;
        let expects_commit = matches!(condition, "AL" | "SU");
        let mut answer = bench.answer(&mut peer, "an answer").await?;
        if answer.is_to(&message.control_id) {
            match (answer.code.as_str(), expects_commit) {
                ("CA", true) => {}
                ("AA", _) => bench.tolerates("it answers AA, in original mode, whatever MSH-15 says"),
                ("CA", false) => bench.tolerates(format!("it commits where MSH-15 says {condition}")),
                (_, true) => return failed(format!("CA to {}", message.control_id), answer),
                (_, false) => return failed(format!("nothing to {}", message.control_id), answer),
            }
            answer = bench.answer(&mut peer, &format!("AA to {}", next.control_id)).await?;
        } else if expects_commit {
            return failed(format!("CA to {}", message.control_id), answer);
        }
        bench.is_accept(&answer, &next.control_id)?;
    }
    Ok(())
}

/// Sends what has to be answered AR with a reason, on a connection that goes on.
async fn is_refused(bench: &mut Bench, what: &str, payload: &[u8]) -> End {
    let mut peer = bench.peer().await?;
    bench.step(what);
    peer.says(&framed(payload)).await;
    let answer = bench.answer(&mut peer, "AR with a reason").await?;
    match answer.verdict() {
        Some(Verdict::Rejected) => {}
        Some(Verdict::Error) => {
            bench.tolerates(format!("it answers {}, so that it will be sent again", answer.code));
        }
        Some(Verdict::Accepted) | None => return failed("AR with a reason", answer),
    }
    if !answer.gives_reason {
        bench.tolerates("it gives no reason, neither in MSA-3 nor in an ERR");
    }
    goes_on_or_ends(bench, &mut peer).await
}

/// A healthy message on the same connection, which may have been closed behind a NAK.
async fn goes_on_or_ends(bench: &mut Bench, peer: &mut crate::wire::Peer) -> End {
    let next = bench.message();
    bench.step("a healthy message on the same connection");
    peer.says(&next.frame()).await;
    match peer.hears().await {
        Heard::Answer(answer) => {
            bench.step(&answer);
            bench.is_accept(&answer, &next.control_id)
        }
        Heard::Closed => {
            bench.tolerates("it closes the connection behind its NAK");
            Ok(())
        }
        other => failed(format!("AA to {}", next.control_id), other),
    }
}

async fn no_msh(bench: &mut Bench) -> End {
    is_refused(bench, "a PID and nothing else", b"PID|1||TRT1^^^TORTURE^MR||Torture^Testcase\r").await?;
    is_refused(bench, "a line of text", b"this is the torture of an endpoint, and no message").await?;
    is_refused(bench, "an MSH that ends behind its name", b"MSH\r").await
}

async fn no_control_id(bench: &mut Bench) -> End {
    let message = bench.message().msh(10, "");
    is_refused(bench, "a message without MSH-10", &message.payload()).await
}

async fn empty_frame(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    let next = bench.message();
    bench.step(format!("a frame with nothing in it, then {}", next.control_id));
    peer.says(&framed(b"")).await;
    peer.says(&next.frame()).await;
    let mut answer = match peer.hears().await {
        Heard::Answer(answer) => answer,
        Heard::Closed => {
            bench.tolerates("it closes the connection at an empty frame");
            return Ok(());
        }
        other => return failed("AR, or nothing", other),
    };
    bench.step(&answer);
    if !answer.is_to(&next.control_id) {
        if answer.accepts() {
            return failed("AR, or nothing", answer);
        }
        answer = bench.answer(&mut peer, &format!("AA to {}", next.control_id)).await?;
    }
    bench.is_accept(&answer, &next.control_id)
}

async fn no_pid(bench: &mut Bench) -> End {
    let message = bench.message().without("PID");
    let mut peer = bench.peer().await?;
    bench.step(format!("{} without a PID", message.control_id));
    bench.sends(&mut peer, &message).await?;
    let header = bench.message().without("PID").without("PV1").without("EVN");
    bench.step(format!("{} with nothing but an MSH", header.control_id));
    bench.sends(&mut peer, &header).await.map(|_| ())
}

async fn training(bench: &mut Bench) -> End {
    let mut peer = bench.peer().await?;
    for id in ["T", "D"] {
        let message = bench.message().msh(11, id);
        bench.step(format!("{} with MSH-11 {id}", message.control_id));
        bench.sends(&mut peer, &message).await?;
    }
    Ok(())
}

async fn delimiters(bench: &mut Bench) -> End {
    let application = format!("{}^1.2.3.4^ISO", bench.target.sender.application);
    for (separator, encoding) in [(b'#', b"*~\\&"), (b'!', b"@%?$")] {
        let message = bench.message().msh(3, &application).delimited_by(separator, encoding);
        let mut peer = bench.peer().await?;
        let written = encoding.escape_ascii();
        bench.step(format!("{} in {}{written}", message.control_id, char::from(separator)));
        let answer = bench.sends(&mut peer, &message).await?;
        // Not swapped: MSH-5 of the ACK is MSH-3 of the message, in whatever delimiters the ACK has.
        let component = answer.msh(2).first().copied().unwrap_or(b'^');
        let mut expected = application.clone().into_bytes();
        expected.iter_mut().filter(|byte| **byte == b'^').for_each(|byte| *byte = component);
        if answer.msh(5) != expected {
            return failed(
                format!("MSH-5 {}", expected.escape_ascii()),
                format!("MSH-5 {}", answer.msh(5).escape_ascii()),
            );
        }
        if answer.separator != separator || answer.msh(2) != encoding {
            bench.tolerates("its ACK has delimiters of its own");
        }
    }
    Ok(())
}

async fn batches(bench: &mut Bench) -> End {
    for (name, begins, ends) in [
        ("FHS and BHS", "FHS|^~\\&|TORTURE\rBHS|^~\\&|TORTURE\r", "BTS|2\rFTS|1\r"),
        ("BHS", "BHS|^~\\&|TORTURE\r", "BTS|2\r"),
    ] {
        let messages = [bench.message(), bench.message()];
        let inner = messages.each_ref().map(Message::payload).concat();
        let next = bench.message();
        let mut peer = bench.peer().await?;
        bench.step(format!("two messages under {name} in one frame, then {}", next.control_id));
        peer.says(&framed(&[begins.as_bytes(), &inner, ends.as_bytes()].concat())).await;
        let response = bench.answer(&mut peer, "one response").await?;
        match response.verdict() {
            Some(Verdict::Accepted) => {}
            Some(_) if response.gives_reason => {
                bench.tolerates(format!("it refuses batches with {} and says why", response.code));
            }
            _ => return failed("AA, or a NAK with a reason", response),
        }
        bench.step(format!("{} messages are answered in it", response.acknowledgements));
        peer.says(&next.frame()).await;
        let answer = bench.answer(&mut peer, &format!("AA to {}", next.control_id)).await?;
        if messages.iter().any(|message| answer.is_to(&message.control_id)) {
            return failed("one response to the batch", format!("a second one, {answer}"));
        }
        bench.is_accept(&answer, &next.control_id)?;
    }
    Ok(())
}
