//! The API key in its file: keys made in Odoo's pages live three months at most, so the file may get another one while
//! the service runs.

use odoo::{Client, Secret, SettingsError};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// The file that holds the API key, and the key it held last.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    last: Mutex<Secret>,
}

/// Why the key file gives no key. The file is named, its content is not.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It holds none.
    #[error("the API key's file holds no usable key: {path}")]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: SettingsError,
    },
    /// It cannot be read.
    #[error("the API key's file cannot be read: {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl KeyFile {
    /// Reads the key for the first time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: PathBuf) -> Result<Self, KeyError> {
        match std::fs::read_to_string(&path) {
            Ok(key) => Ok(Self { last: Mutex::new(Secret::new(&key)), path }),
            Err(source) => Err(KeyError::Read { path, source }),
        }
    }

    /// The key it held last.
    pub fn key(&self) -> Secret {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again and gives the client what it holds; the key.
    pub(crate) async fn renew(&self, client: &Client) -> Result<Secret, KeyError> {
        let text = tokio::fs::read_to_string(&self.path).await;
        let key = Secret::new(&text.map_err(|source| KeyError::Read { path: self.path.clone(), source })?);
        client.set_key(&key).map_err(|source| KeyError::Content { path: self.path.clone(), source })?;
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = key.clone();
        Ok(key)
    }
}
