//! Accepting a sender's connections: who may, and how many at once.

use super::watch::Refused;
use super::{Desk, Land, connection};
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

/// How often the accepting loop shows that it is alive.
const BEAT: Duration = Duration::from_secs(5);
const BEAT_DEADLINE: Duration = Duration::from_secs(30);
/// After this silence the system asks whether a peer is still there, so that half-open connections end.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// A pause after a connection could not be accepted: no file descriptors come free by asking at once.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the service is told to stop. Each connection is a task of its own.
pub(crate) async fn accept<L: Land>(desk: Arc<Desk<L>>, listener: TcpListener, tasks: TaskTracker) {
    let name = &desk.sender.name;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(sender = name, %address, "listening");
    }
    let heart = desk.around.health.heartbeat(format!("listener {name}"), BEAT_DEADLINE);
    let mut beats = tokio::time::interval(BEAT);
    let room = Arc::new(Semaphore::new(desk.sender.listening.connections_max));
    loop {
        let accepted = tokio::select! {
            biased;
            () = desk.around.stop.cancelled() => break,
            _ = beats.tick() => {
                heart.beat();
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(&desk, stream, peer, &room, &tasks),
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
fn admit<L: Land>(
    desk: &Arc<Desk<L>>,
    stream: TcpStream,
    peer: SocketAddr,
    room: &Arc<Semaphore>,
    tasks: &TaskTracker,
) {
    let listening = &desk.sender.listening;
    if !listening.allow.iter().any(|network| network.contains(peer.ip())) {
        desk.watch.refused(Refused::Peer);
        if desk.watch.may_warn() {
            tracing::warn!(sender = desk.sender.name, peer = %peer.ip(), "a peer that may not connect was turned away");
        }
        return;
    }
    let Ok(place) = room.clone().try_acquire_owned() else {
        desk.watch.refused(Refused::Cap);
        if desk.watch.may_warn() {
            let most = listening.connections_max;
            tracing::warn!(sender = desk.sender.name, most, "a connection over the cap was turned away");
        }
        return;
    };
    // Neither is needed for correctness, and a peer that is gone already refuses both.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE));
    let desk = desk.clone();
    tasks.spawn(async move {
        connection::attend(&desk, stream).await;
        drop(place);
    });
}
