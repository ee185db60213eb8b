//! What both projections of landed messages are set up with: the tokens' secret, and how senders' files are read.
//!
//! A sender's configuration is looked up where the fold stands, so that a rebuild reads a message as it was read.

use crate::sender::{Mistake, Reading, Sender};
use crate::translate::tables::AsSaid;
use crate::translate::{Unmapped, UnmappedCount};
use backbone::{Absent, Cx, Reason, Reject};
use canon::event::Event;
use canon::{SenderConfig, SenderName, Tokenizer};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// What the installation configures of the translation.
pub(crate) struct Setup {
    tokens: Tokenizer,
    unmapped: UnmappedCount,
    fingerprint: String,
    /// The latest configuration of each sender, read: most messages find theirs.
    read: Mutex<BTreeMap<SenderName, (Arc<SenderConfig>, Read)>>,
}

/// What reading a configuration gave.
type Read = Result<Arc<Reading>, Reject>;

impl Setup {
    pub(crate) fn new(tokens: Tokenizer, unmapped: UnmappedCount) -> Self {
        let mut hash = Sha256::new();
        // Tells one secret from another without telling anything of it.
        hash.update(tokens.account("vertebra", "fingerprint of the token secret").as_str());
        let fingerprint = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { tokens, unmapped, fingerprint, read: Mutex::default() }
    }

    /// How a sender's messages are read; a message of one that is not known waits until it is.
    pub(crate) fn reading(&self, cx: &Cx<'_, Self>, sender: &str) -> Result<Arc<Reading>, Reject> {
        let unnamed = || Reject::alone(Reason::Invalid, "the sender's name is none");
        let name: SenderName = sender.parse().map_err(|_| unnamed())?;
        let config = cx.lookup::<SenderConfig>(&name)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((held, reading)) = read.get(&name)
            && (Arc::ptr_eq(held, &config) || held.text == config.text)
        {
            return reading.clone();
        }
        let reading = match Sender::parse(&config.text) {
            Ok(sender) => Ok(Arc::new(sender.reading)),
            Err(mistakes) => Err(unusable(&name, &mistakes)),
        };
        read.insert(name, (config, reading.clone()));
        reading
    }

    pub(crate) fn tokens(&self) -> &Tokenizer {
        &self.tokens
    }

    /// Counts what came to nothing.
    pub(crate) fn count(&self, sender: &str, unmapped: &Unmapped) {
        self.unmapped.add(sender, unmapped);
    }

    /// Counts a code that passed as it is said.
    pub(crate) fn count_code(&self, sender: &str, as_said: &AsSaid) {
        self.unmapped.add_code(sender, as_said);
    }
}

impl fmt::Debug for Setup {
    /// What the journal keeps with every batch: short, and another one when the secret is another.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tokens {}", self.fingerprint)
    }
}

/// The same, until the sender is configured otherwise.
pub(crate) fn until_configured(sender: &str, reject: Reject) -> Reject {
    reject.or(Absent::Missing { topic: SenderConfig::TOPIC, key: sender.to_owned() })
}

/// A published configuration that this build cannot read: its messages wait for the next one.
fn unusable(name: &SenderName, mistakes: &[Mistake]) -> Reject {
    let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
    let detail = format!("the sender's configuration: {}", told.join("; "));
    until_configured(name.as_str(), Reject::new(Reason::Invalid, detail))
}
