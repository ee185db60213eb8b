//! Who is listened for, and under which settings: one post a sender, kept as the senders' files say.
//!
//! Consumes what was seen of the files; binds, swaps and closes listeners. A file that cannot be taken changes nothing:
//! what its sender had before goes on, and it is said once, with the file and the line.

use super::files::{Seen, Setting};
use super::watch::Watch;
use super::{Desk, Land, ListenError, Shared, StartError, listener};
use crate::sender::{Mistake, Sender};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// All posts.
pub(crate) struct Roster<L: Land> {
    shared: Arc<Shared<L>>,
    posts: BTreeMap<String, Post<L>>,
    /// Files that were not taken, by their senders, as they were then.
    rejected: BTreeMap<String, [u8; 32]>,
}

/// A sender that is listened for.
struct Post<L: Land> {
    print: [u8; 32],
    desk: watch::Sender<Arc<Desk<L>>>,
    /// Ends the accepting, and leaves open connections alone.
    accepting: CancellationToken,
    /// Ends the sender's connections as well.
    stop: CancellationToken,
}

impl<L: Land> Post<L> {
    /// Where it is listened for, as its sender's file says; nowhere once that has ended.
    fn address(&self) -> Option<SocketAddr> {
        (!self.accepting.is_cancelled()).then(|| self.desk.borrow().sender.listening.address)
    }
}

/// Why a file is not taken.
enum Rejection {
    Listen(ListenError),
    Mistakes(Vec<Mistake>),
}

impl<L: Land> Roster<L> {
    pub(crate) fn new(shared: Arc<Shared<L>>) -> Self {
        Self { shared, posts: BTreeMap::new(), rejected: BTreeMap::new() }
    }

    /// Begins: every sender is listened for, or none.
    pub(crate) async fn open(&mut self, seen: Vec<Seen>) -> Result<(), StartError> {
        let (mut settings, mut mistakes) = (Vec::new(), Vec::new());
        for seen in seen {
            match seen.setting() {
                Ok(setting) => settings.push((setting, seen.print)),
                Err(wrong) => mistakes.extend(wrong),
            }
        }
        if !mistakes.is_empty() {
            return Err(StartError::Mistakes(mistakes));
        }
        let mut bound = Vec::with_capacity(settings.len());
        for (setting, print) in settings {
            bound.push((bind(&setting.sender).await?, setting, print));
        }
        for (listener, setting, print) in bound {
            self.post(setting, print, listener);
        }
        Ok(())
    }

    /// Follows the files as they are now.
    pub(crate) async fn apply(&mut self, seen: Vec<Seen>) {
        let names: BTreeSet<&str> = seen.iter().map(|seen| seen.name.as_str()).collect();
        let gone = |name: &&String| !names.contains(name.as_str());
        for name in self.posts.keys().filter(gone).cloned().collect::<Vec<_>>() {
            if let Some(post) = self.posts.remove(&name) {
                post.stop.cancel();
                tracing::info!(sender = name, "listening ends: the sender's file is gone");
            }
            self.shared.counts.forget(&name);
        }
        for name in self.rejected.keys().filter(gone).cloned().collect::<Vec<_>>() {
            self.rejected.remove(&name);
            self.shared.counts.forget(&name);
        }
        self.unlock(&seen);
        for seen in seen {
            let is_as_it_was = |post: &Post<L>| post.print == seen.print && post.address().is_some();
            if self.posts.get(&seen.name).is_some_and(is_as_it_was) {
                self.taken(&seen.name);
                continue;
            }
            match self.take(&seen).await {
                Ok(()) => {
                    tracing::info!(sender = seen.name, "the sender's file was taken");
                    self.taken(&seen.name);
                }
                Err(why) => self.reject(&seen, &why),
            }
        }
    }

    /// Ends the accepting of senders that wait for each other's addresses in a ring: none of them could be listened for at its
    /// new one while all are at their old ones. Where that leaves an address free, it is bound at this look or the next.
    fn unlock(&self, seen: &[Seen]) {
        let wanted = |seen: &Seen| {
            let is_as_it_was = |post: &&Post<L>| post.print == seen.print;
            let address = match self.posts.get(&seen.name).filter(is_as_it_was) {
                Some(post) => post.desk.borrow().sender.listening.address,
                None => seen.setting().ok()?.sender.listening.address,
            };
            Some((seen.name.clone(), address))
        };
        let wanted: BTreeMap<String, SocketAddr> = seen.iter().filter_map(wanted).collect();
        let holder = |address: SocketAddr| {
            let holds = |(_, post): &(&String, &Post<L>)| post.address() == Some(address);
            self.posts.iter().find(holds).map(|(name, _)| name)
        };
        for (name, post) in &self.posts {
            // From who holds what this one wants to who holds what that one wants, until nobody does.
            let next = |name: &String| holder(*wanted.get(name)?);
            let mut ring = std::iter::successors(next(name), |name| next(name)).take(self.posts.len());
            let moves = post.address() != wanted.get(name).copied();
            if moves && ring.any(|held_by| held_by == name) {
                post.accepting.cancel();
            }
        }
    }

    async fn take(&mut self, seen: &Seen) -> Result<(), Rejection> {
        let setting = seen.setting().map_err(Rejection::Mistakes)?;
        let address = setting.sender.listening.address;
        let is_bound = |post: &Post<L>| post.address() == Some(address);
        match self.posts.get_mut(&seen.name) {
            // Open connections go on under what held when they came.
            Some(post) if is_bound(post) => {
                let desk = desk(&self.shared, setting, post.stop.clone(), post.desk.borrow().watch.clone());
                post.desk.send_replace(Arc::new(desk));
                post.print = seen.print;
            }
            _ => {
                let listener = bind(&setting.sender).await.map_err(Rejection::Listen)?;
                self.post(setting, seen.print, listener);
            }
        }
        Ok(())
    }

    /// Listens for a sender; where it was listened for before, nobody new is accepted there.
    fn post(&mut self, setting: Setting, print: [u8; 32], listener: TcpListener) {
        let (name, shared) = (setting.sender.name.clone(), &self.shared);
        let (stop, watch) = match self.posts.remove(&name) {
            Some(former) => {
                former.accepting.cancel();
                let watch = former.desk.borrow().watch.clone();
                (former.stop, watch)
            }
            None => {
                shared.counts.rejected(&name, false);
                let watch = Watch::new(&name, shared.around.metrics.clone(), shared.counts.clone());
                // Silence is counted from here on: nobody knows of a message before.
                watch.heard();
                (shared.around.stop.child_token(), watch)
            }
        };
        let accepting = stop.child_token();
        let (desk, desks) = watch::channel(Arc::new(desk(shared, setting, stop.clone(), watch)));
        shared.tasks.spawn(listener::accept(desks, listener, accepting.clone()));
        self.posts.insert(name, Post { print, desk, accepting, stop });
    }

    fn taken(&mut self, name: &str) {
        self.rejected.remove(name);
        self.shared.counts.rejected(name, false);
    }

    /// Says once for each content of a file that it is not taken.
    fn reject(&mut self, seen: &Seen, why: &Rejection) {
        self.shared.counts.rejected(&seen.name, true);
        if self.rejected.insert(seen.name.clone(), seen.print) == Some(seen.print) {
            return;
        }
        let kept = self.posts.contains_key(&seen.name);
        match why {
            Rejection::Listen(error) => {
                let cause = error.source.to_string();
                tracing::warn!(sender = seen.name, kept, cause, "{error}; tried again each second");
            }
            Rejection::Mistakes(mistakes) => {
                for mistake in mistakes {
                    tracing::warn!(sender = seen.name, kept, "a sender's file is not taken: {mistake}");
                }
            }
        }
    }
}

fn desk<L: Land>(
    shared: &Arc<Shared<L>>,
    setting: Setting,
    stop: CancellationToken,
    watch: Watch,
) -> Desk<L> {
    Desk { sender: setting.sender, tls: setting.tls, watch, shared: shared.clone(), stop }
}

async fn bind(sender: &Sender) -> Result<TcpListener, ListenError> {
    let address = sender.listening.address;
    let failed = |source| ListenError { sender: sender.name.clone(), address, source };
    TcpListener::bind(address).await.map_err(failed)
}
