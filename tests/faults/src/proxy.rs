//! A TCP proxy on loopback that misbehaves when it is told to: connections are cut, go silent, lose what is answered, or are
//! answered by somebody else.
//!
//! Consumes and hands on bytes; knows nothing of what they mean.

use socket2::SockRef;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How it behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Whoever connects gets this text and is hung up on, once something was said.
    Answer(&'static str),
    /// Everything is handed on this much later.
    Delay(Duration),
    /// What is sent goes through and what is answered is lost: nobody learns what became of it.
    Mute,
    /// Everything is handed on.
    Open,
    /// Whoever connects is reset; those connected were.
    Refuse,
    /// Half-open: connections stay, and nothing goes through in either direction until they are open again.
    Silent,
}

/// A proxy in front of one address.
#[derive(Debug)]
pub struct Proxy {
    name: String,
    listen: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    target: SocketAddr,
    manner: watch::Sender<Manner>,
    /// How often something waited in silence, was lost or was answered by somebody else.
    touched: AtomicUsize,
    /// Ends the connections there are; another one is there for those to come.
    cut: Mutex<CancellationToken>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Toward {
    Client,
    Server,
}

impl Proxy {
    /// Forwards a port of 127.0.0.1 (0: a free one) to another.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub async fn start(name: &str, listen: u16, target: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, listen)).await?;
        let listen = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: SocketAddr::from((Ipv4Addr::LOCALHOST, target)),
            manner: watch::Sender::new(Manner::Open),
            touched: AtomicUsize::new(0),
            cut: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            loop {
                // A connection that was gone before it was taken is nobody's.
                let Ok((client, _)) = listener.accept().await else { continue };
                tokio::spawn(connection(client, Arc::clone(&serving)));
            }
        });
        Ok(Self { name: name.to_owned(), listen, shared, accepting })
    }

    /// What it is called in schedules.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Behaves like this from now on, towards those who are connected too.
    pub fn behave(&self, manner: Manner) {
        let refused = manner == Manner::Refuse;
        self.shared.manner.send_replace(manner);
        if refused {
            self.reset();
        }
    }

    /// How often anything was held up, lost or answered by somebody else so far.
    pub fn touched(&self) -> usize {
        self.shared.touched.load(Ordering::SeqCst)
    }

    /// Hands everything on again.
    pub fn open(&self) {
        self.behave(Manner::Open);
    }

    /// Resets every connection there is.
    pub fn reset(&self) {
        let mut cut = self.shared.cut.lock().unwrap_or_else(PoisonError::into_inner);
        cut.cancel();
        *cut = CancellationToken::new();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.reset();
    }
}

impl Shared {
    fn touch(&self) {
        self.touched.fetch_add(1, Ordering::SeqCst);
    }

    fn cut(&self) -> CancellationToken {
        self.cut.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn connection(mut client: TcpStream, shared: Arc<Shared>) {
    let cut = shared.cut();
    let ended = tokio::select! {
        ended = handle(&mut client, &shared) => ended,
        () = cut.cancelled() => Err(io::ErrorKind::ConnectionReset.into()),
    };
    if ended.is_err() {
        // Closed with a linger of zero a socket says RST, as a machine does that knows nothing of the connection.
        let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
    }
}

async fn handle(client: &mut TcpStream, shared: &Shared) -> io::Result<()> {
    let mut manner = shared.manner.subscribe();
    if *manner.borrow() == Manner::Silent {
        shared.touch();
    }
    // A half-open path lets nobody through: the connection is made by the kernel and gets no further.
    let now = manner.wait_for(|manner| *manner != Manner::Silent).await.map_err(gone)?.clone();
    if now == Manner::Refuse {
        return Err(io::ErrorKind::ConnectionReset.into());
    }
    if let Manner::Answer(text) = now {
        shared.touch();
        let mut said = vec![0; 64 * 1024];
        let _ = client.read(&mut said).await?;
        client.write_all(text.as_bytes()).await?;
        return client.shutdown().await;
    }
    let mut server = TcpStream::connect(shared.target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let pumped = tokio::try_join!(
        pump(from_client, to_server, Toward::Server, shared),
        pump(from_server, to_client, Toward::Client, shared),
    );
    if pumped.is_err() {
        let _ = SockRef::from(&server).set_linger(Some(Duration::ZERO));
    }
    pumped.map(|_| ())
}

/// Hands bytes on in one direction, until there are no more. Fails where it has lost some and is to be of use again.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    toward: Toward,
    shared: &Shared,
) -> io::Result<()> {
    let mut manner = shared.manner.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    let mut lost = false;
    loop {
        let now = manner.borrow_and_update().clone();
        if lost && now != Manner::Mute {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let read = tokio::select! {
            changed = manner.changed() => {
                changed.map_err(gone)?;
                continue;
            }
            read = from.read(&mut buffer) => read?,
        };
        if read == 0 {
            return to.shutdown().await;
        }
        if *manner.borrow() == Manner::Silent {
            shared.touch();
        }
        let now = manner.wait_for(|manner| *manner != Manner::Silent).await.map_err(gone)?.clone();
        match now {
            Manner::Mute if toward == Toward::Client => {
                lost = true;
                shared.touch();
                continue;
            }
            Manner::Delay(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        to.write_all(&buffer[..read]).await?;
    }
}

fn gone(_: watch::error::RecvError) -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::{Deadline, until};

    /// A server that says everything back.
    async fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        port
    }

    async fn proxied() -> (Proxy, TcpStream) {
        let proxy = Proxy::start("echo", 0, echo().await).await.expect("a proxy");
        let stream = TcpStream::connect(proxy.address()).await.expect("connected");
        (proxy, stream)
    }

    async fn said_back(stream: &mut TcpStream, said: &[u8]) -> io::Result<()> {
        stream.write_all(said).await?;
        let mut back = vec![0; said.len()];
        stream.read_exact(&mut back).await?;
        assert_eq!(back, said);
        Ok(())
    }

    /// Whether nothing comes for as long as an answer takes a hundred times over.
    async fn is_silent(stream: &mut TcpStream) -> bool {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_millis(200), stream.read(&mut byte)).await.is_err()
    }

    #[tokio::test]
    async fn what_is_said_is_handed_on_both_ways() {
        let (_proxy, mut stream) = proxied().await;
        said_back(&mut stream, b"one").await.expect("said back");
    }

    #[tokio::test]
    async fn a_silent_path_loses_nothing_and_goes_on_where_it_was() {
        let (proxy, mut stream) = proxied().await;
        said_back(&mut stream, b"one").await.expect("said back");
        proxy.behave(Manner::Silent);
        stream.write_all(b"two").await.expect("the kernel takes it");
        assert!(is_silent(&mut stream).await);
        proxy.open();
        let mut back = [0; 3];
        stream.read_exact(&mut back).await.expect("said back");
        assert_eq!(&back, b"two");
    }

    #[tokio::test]
    async fn a_muted_path_loses_the_answer_and_is_reset_when_it_is_opened() {
        let (proxy, mut stream) = proxied().await;
        proxy.behave(Manner::Mute);
        stream.write_all(b"two").await.expect("sent");
        assert!(is_silent(&mut stream).await);
        proxy.open();
        let mut byte = [0];
        let ended = stream.read(&mut byte).await;
        assert_eq!(ended.expect_err("reset").kind(), io::ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_cut_resets_who_is_connected_and_a_refusal_who_comes() {
        let (proxy, mut stream) = proxied().await;
        said_back(&mut stream, b"one").await.expect("said back");
        proxy.reset();
        assert!(said_back(&mut stream, b"two").await.is_err());
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connected");
        said_back(&mut stream, b"three").await.expect("said back");
        proxy.behave(Manner::Refuse);
        assert!(said_back(&mut stream, b"four").await.is_err());
        let mut stream = TcpStream::connect(proxy.address()).await.expect("the kernel connects");
        assert!(said_back(&mut stream, b"five").await.is_err());
        proxy.open();
        until("the path is open again", Deadline::secs(5), async || {
            let mut stream = TcpStream::connect(proxy.address()).await?;
            said_back(&mut stream, b"six").await
        })
        .await;
    }

    #[tokio::test]
    async fn somebody_else_answers_whoever_speaks() {
        let (proxy, _) = proxied().await;
        proxy.behave(Manner::Answer("HTTP/1.1 503 Service Unavailable\r\n\r\n"));
        let mut stream = TcpStream::connect(proxy.address()).await.expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.expect("said");
        let mut back = String::new();
        stream.read_to_string(&mut back).await.expect("answered");
        assert!(back.starts_with("HTTP/1.1 503 "), "{back}");
    }
}
