//! Tokens: patients, visits and accounts named so that nobody without the installation's secret can tell who.

use crate::key::{AccountToken, EncounterToken, PatientToken};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;

/// Makes tokens by HMAC-SHA-256 under the secret of the installation, which is fixed per topic generation.
#[derive(Clone)]
pub struct Tokenizer {
    keyed: Hmac<Sha256>,
}

/// The secret is too short to keep tokens from being guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token secret has {length_bytes} bytes; it needs at least {}", Tokenizer::SECRET_BYTES_MIN)]
pub struct SecretTooShort {
    /// Its length.
    pub length_bytes: usize,
}

impl Tokenizer {
    /// The length a secret needs, in bytes.
    pub const SECRET_BYTES_MIN: usize = 32;

    /// Takes the secret.
    ///
    /// # Errors
    /// When it has fewer than [`Self::SECRET_BYTES_MIN`] bytes.
    pub fn new(secret: &[u8]) -> Result<Self, SecretTooShort> {
        let too_short = SecretTooShort { length_bytes: secret.len() };
        if secret.len() < Self::SECRET_BYTES_MIN {
            return Err(too_short);
        }
        let keyed = Hmac::new_from_slice(secret).map_err(|_| too_short)?;
        Ok(Self { keyed })
    }

    /// The token of an account number that an authority has assigned.
    pub fn account(&self, authority: &str, id: &str) -> AccountToken {
        AccountToken::from_bytes(self.token("account", authority, id))
    }

    /// The token of a visit number that an authority has assigned.
    pub fn encounter(&self, authority: &str, id: &str) -> EncounterToken {
        EncounterToken::from_bytes(self.token("encounter", authority, id))
    }

    /// The token of a patient number that an authority has assigned.
    pub fn patient(&self, authority: &str, id: &str) -> PatientToken {
        PatientToken::from_bytes(self.token("patient", authority, id))
    }

    /// Every part is preceded by its length, so that no two triples have the same bytes.
    fn token(&self, kind: &str, authority: &str, id: &str) -> [u8; 16] {
        let mut mac = self.keyed.clone();
        for part in [kind, authority, id] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        let tag = mac.finalize().into_bytes();
        let mut token = [0; 16];
        token.copy_from_slice(&tag[..16]);
        token
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokenizer([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"an invented secret of 32 bytes!!";

    fn tokenizer() -> Tokenizer {
        Tokenizer::new(SECRET).unwrap()
    }

    #[test]
    fn tokens_are_stable_for_life() {
        assert_eq!(tokenizer().patient("LAKESIDE", "4711").as_str(), "1bbb3b84e6151ed333f8d371aa974caa");
        assert_eq!(tokenizer().encounter("LAKESIDE", "4711").as_str(), "64a9db27448abf25a18c64da4f7ff031");
        assert_eq!(tokenizer().account("LAKESIDE", "4711").as_str(), "5cfb842367672763dd228a9912625599");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        assert_ne!(tokenizer().patient("AB", "C"), tokenizer().patient("A", "BC"));
    }

    #[test]
    fn another_secret_makes_other_tokens() {
        let other = Tokenizer::new(b"another invented secret, 32 long").unwrap();
        assert_ne!(tokenizer().patient("A", "1"), other.patient("A", "1"));
    }

    #[test]
    fn a_short_secret_is_refused_and_no_secret_is_printed() {
        let error = Tokenizer::new(b"short").unwrap_err();
        assert_eq!(error.to_string(), "the token secret has 5 bytes; it needs at least 32");
        assert_eq!(format!("{:?}", tokenizer()), "Tokenizer([redacted])");
    }
}
