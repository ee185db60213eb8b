//! A way to Odoo, or to anything, that can be closed: for an Odoo that is down without stopping everybody's.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Connections to one address are handed on to another, until it is closed.
pub struct Proxy {
    address: SocketAddr,
    behind: SocketAddr,
    /// Whoever accepts, with the connections; none while it is closed.
    running: Mutex<Option<tokio::task::AbortHandle>>,
}

impl Proxy {
    /// Opens one before this address.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn before(behind: SocketAddr) -> std::io::Result<Arc<Self>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Self { address: listener.local_addr()?, behind, running: Mutex::default() };
        proxy.serve(listener);
        Ok(Arc::new(proxy))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection and takes no more.
    pub fn close(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        running.inspect(tokio::task::AbortHandle::abort);
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// When somebody else has taken the port.
    pub async fn open(&self) -> std::io::Result<()> {
        self.serve(TcpListener::bind(self.address).await?);
        Ok(())
    }

    fn serve(&self, listener: TcpListener) {
        let behind = self.behind;
        let task = tokio::spawn(async move {
            // Dropped with the task, and each connection with it.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        let Ok((mut near, _)) = accepted else { continue };
                        connections.spawn(async move {
                            if let Ok(mut far) = TcpStream::connect(behind).await {
                                let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                            }
                        });
                    }
                    Some(_ended) = connections.join_next() => {}
                }
            }
        });
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }
}
