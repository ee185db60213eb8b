//! Framing, case 8: TLS. Certificates are the caller's; without `--tls` nothing here runs.

use super::{Case, End};
use crate::bench::{Bench, failed, skipped};
use crate::tls::Manner;
use crate::wire::{Heard, Peer};
use std::time::{Duration, Instant};
use tokio::process::Command;

const NOT_ENCRYPTED: &str = "the endpoint is not said to be encrypted: --tls";
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

pub(super) const CASES: &[Case] = &[
    Case {
        number: "8",
        name: "tls-1.2",
        says: "A sender that only knows TLS 1.2 is served.",
        run: |bench| Box::pin(version(bench, Manner::Only12)),
    },
    Case {
        number: "8",
        name: "tls-1.3",
        says: "A sender that only knows TLS 1.3 is served.",
        run: |bench| Box::pin(version(bench, Manner::Only13)),
    },
    Case {
        number: "8",
        name: "no-tls-on-an-encrypted-port",
        says: "A message that is not encrypted is not accepted on an encrypted port.",
        run: |bench| Box::pin(unencrypted(bench)),
    },
    Case {
        number: "8",
        name: "a-client-without-a-certificate",
        says: "With mutual TLS a client that shows no certificate is refused.",
        run: |bench| Box::pin(without_certificate(bench)),
    },
    Case {
        number: "8",
        name: "an-expired-client-certificate",
        says: "A client's certificate that has expired, or is of another authority, is refused.",
        run: |bench| Box::pin(expired(bench)),
    },
    Case {
        number: "8",
        name: "a-rotated-certificate-without-a-restart",
        says: "New connections see the endpoint's new certificate; those that are open go on.",
        run: |bench| Box::pin(rotated(bench)),
    },
];

async fn version(bench: &mut Bench, manner: Manner) -> End {
    if bench.target.tls.is_none() {
        return skipped(NOT_ENCRYPTED);
    }
    match Peer::connect(&bench.target, manner).await {
        Ok(mut peer) => bench.goes_on(&mut peer).await,
        Err(error) => failed("a handshake", error),
    }
}

async fn unencrypted(bench: &mut Bench) -> End {
    if bench.target.tls.is_none() {
        return skipped(NOT_ENCRYPTED);
    }
    let message = bench.message();
    match Peer::plain(&bench.target).await {
        Ok(mut peer) => {
            bench.step(format!("{} without TLS", message.control_id));
            peer.says(&message.frame()).await;
            match peer.hears().await {
                Heard::Answer(answer) => failed("no answer of HL7", answer),
                // The alert of a handshake that failed.
                Heard::Noise { .. } | Heard::Closed => Ok(()),
                Heard::Silence => {
                    bench.tolerates("it leaves a connection open that shakes no hands");
                    Ok(())
                }
                other => failed("no answer of HL7", other),
            }
        }
        Err(error) => failed("a connection", error),
    }
}

async fn without_certificate(bench: &mut Bench) -> End {
    match &bench.target.tls {
        None => skipped(NOT_ENCRYPTED),
        Some(tls) if !tls.is_mutual() => skipped("TLS is not said to be mutual: --cert and --key"),
        Some(_) => is_refused(bench, Manner::Nobody).await,
    }
}

async fn expired(bench: &mut Bench) -> End {
    match &bench.target.tls {
        None => skipped(NOT_ENCRYPTED),
        Some(tls) if !tls.has_refused() => {
            skipped("there is no certificate to be refused: --refused-cert and --refused-key")
        }
        Some(_) => is_refused(bench, Manner::Refused).await,
    }
}

/// In TLS 1.3 a client learns only behind its handshake that it was refused, so a message has to be tried.
async fn is_refused(bench: &mut Bench, manner: Manner) -> End {
    let message = bench.message();
    match Peer::connect(&bench.target, manner).await {
        Err(error) => {
            bench.step(format!("no handshake: {error}"));
            Ok(())
        }
        Ok(mut peer) => {
            peer.says(&message.frame()).await;
            match peer.hears().await {
                Heard::Closed => Ok(()),
                other => failed("no connection", other),
            }
        }
    }
}

async fn rotated(bench: &mut Bench) -> End {
    let Some(tls) = &bench.target.tls else { return skipped(NOT_ENCRYPTED) };
    let Some(command) = tls.rotate.clone() else {
        return skipped("there is no way to give it another certificate: --rotate");
    };
    let mut open = bench.peer().await?;
    bench.goes_on(&mut open).await?;
    bench.step("another certificate is given to the endpoint");
    match Command::new("sh").args(["-c", &command]).status().await {
        Ok(status) if status.success() => {}
        Ok(status) => return skipped(&format!("the command for another certificate ended with {status}")),
        Err(error) => return skipped(&format!("the command for another certificate: {error}")),
    }
    let begun = Instant::now();
    loop {
        let peer = bench.peer().await?;
        if peer.certificate != open.certificate {
            break;
        }
        if begun.elapsed() > bench.target.timeout {
            return failed("another certificate on a new connection", "the one of before");
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    // Had it been restarted, this connection would be gone.
    bench.goes_on(&mut open).await
}
