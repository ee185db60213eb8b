//! Accepting a sender's connections: who may, and how many at once.

use super::watch::Refused;
use super::{Desk, Land, connection};
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;

/// How often the accepting loop shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
const BEAT_DEADLINE: Duration = Duration::from_secs(30);
/// After this silence the system asks whether a peer is still there, so that half-open connections end.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// A pause after a connection could not be accepted: no file descriptors come free by asking at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until told to stop, each connection under the settings that hold when it comes. Each is a task of its own.
pub(crate) async fn accept<L: Land>(
    desks: Receiver<Arc<Desk<L>>>,
    listener: TcpListener,
    stop: CancellationToken,
) {
    let first = desks.borrow().clone();
    let name = &first.sender.name;
    let address = listener.local_addr().map_or_else(|_| String::new(), |address| address.to_string());
    tracing::info!(sender = name, address, "listening");
    let heart = first.shared.around.health.heartbeat(format!("listener {name} {address}"), BEAT_DEADLINE);
    let mut beats = tokio::time::interval(BEAT);
    // Every connection has a share of it, also of those that came under former settings.
    let room = Arc::new(());
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            _ = beats.tick() => {
                heart.beat();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        let desk = desks.borrow().clone();
        match accepted {
            Ok((stream, peer)) => admit(&desk, stream, peer, &room),
            Err(error) => {
                if desk.watch.may_warn() {
                    tracing::warn!(sender = name, %error, "a connection cannot be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves a connection, or closes it at once.
fn admit<L: Land>(desk: &Arc<Desk<L>>, stream: TcpStream, peer: SocketAddr, room: &Arc<()>) {
    let listening = &desk.sender.listening;
    if !listening.allow.iter().any(|network| network.contains(peer.ip())) {
        desk.watch.refused(Refused::Peer);
        if desk.watch.may_warn() {
            tracing::warn!(sender = desk.sender.name, peer = %peer.ip(), "a peer that may not connect was turned away");
        }
        return;
    }
    let share = room.clone();
    // The room itself and the share just taken are none of the others'.
    if Arc::strong_count(room) - 2 >= listening.connections_max {
        desk.watch.refused(Refused::Cap);
        if desk.watch.may_warn() {
            let most = listening.connections_max;
            tracing::warn!(sender = desk.sender.name, most, "a connection over the cap was turned away");
        }
        return;
    }
    // Neither is needed for correctness, and a peer that is gone already refuses both.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    let desk = desk.clone();
    desk.shared.tasks.clone().spawn(async move {
        serve(&desk, stream).await;
        drop(share);
    });
}

async fn serve<L: Land>(desk: &Desk<L>, stream: TcpStream) {
    let Some(tls) = &desk.tls else {
        return connection::attend(desk, stream).await;
    };
    let shaken = tokio::select! {
        biased;
        () = desk.stop.cancelled() => return,
        shaken = tls.shake(stream) => shaken,
    };
    match shaken {
        Ok(stream) => connection::attend(desk, stream).await,
        // A probe.
        Err(None) => {}
        Err(Some(why)) => {
            desk.watch.refused(why);
            // What a probe or a scanner does as well is counted only.
            let is_a_senders =
                matches!(why, Refused::TlsByPeer | Refused::TlsCertificate | Refused::TlsExpired);
            if is_a_senders && desk.watch.may_warn() {
                tracing::warn!(
                    sender = desk.sender.name,
                    reason = why.as_str(),
                    "a connection came to no TLS"
                );
            }
        }
    }
}
