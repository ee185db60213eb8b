//! Clients of rdkafka that are let go of on a thread of their own: that takes as long as the broker is silent.

use std::ops::Deref;
use std::sync::{Arc, Weak};

/// A shared client; whoever drops the last handle does not wait for the client to end.
pub(crate) struct Unhurried<T: Send + Sync + 'static> {
    /// Present until it is dropped.
    client: Option<Arc<T>>,
}

impl<T: Send + Sync + 'static> Unhurried<T> {
    pub(crate) fn new(client: T) -> Self {
        Self { client: Some(Arc::new(client)) }
    }

    pub(crate) fn downgrade(&self) -> Weak<T> {
        self.client.as_ref().map(Arc::downgrade).unwrap_or_default()
    }
}

impl<T: Send + Sync + 'static> Clone for Unhurried<T> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone() }
    }
}

impl<T: Send + Sync + 'static> Deref for Unhurried<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.client.as_deref().expect("a client is there until its handle is dropped")
    }
}

impl<T: Send + Sync + 'static> Drop for Unhurried<T> {
    fn drop(&mut self) {
        if let Some(last) = self.client.take().and_then(Arc::into_inner) {
            // Without a thread it is let go of here, at once or not.
            let _ = std::thread::Builder::new().name("kafka-drop".to_owned()).spawn(move || drop(last));
        }
    }
}
