//! What holds for any bytes given as a sender's file, or landed as messages: asserted by the mutation loop here and by the
//! fuzz targets. Compiled for those two only.

#[cfg(test)]
#[path = "../../../tests/fuzz/mutations.rs"]
mod mutations;

use crate::sender::Sender;
use crate::translate::tables::Listed;
use crate::try_out::told_of;
use std::collections::BTreeMap;

/// Senders whose messages are translated: everything that a file can ask for, between them.
const SENDERS: [&str; 3] = [
    include_str!("../../../deploy/senders/demo.yaml"),
    include_str!("../../../tests/hospital/senders/clinic.yaml"),
    include_str!("../../../tests/hospital/senders/north.yaml"),
];

/// A sender's file is read, or every mistake is told with a line that there is.
pub fn sender(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Sender::parse(text) {
        Ok(sender) => assert!(!sender.name.is_empty()),
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "what is refused has a mistake");
            let lines = text
                .chars()
                .filter(|c| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'))
                .count();
            for mistake in mistakes {
                assert!(usize::try_from(mistake.line).is_ok_and(|line| line <= lines + 1), "a line there is");
                let _told = mistake.to_string();
            }
        }
    }
}

/// Messages are translated, come to nothing or are parked; the same ones again are known.
pub fn translation(bytes: &[u8]) {
    let tables = Listed(BTreeMap::new());
    for text in SENDERS {
        let sender = Sender::parse(text).expect("a sender's file that is kept sound");
        let (first, second) = told_of(&sender, &tables, bytes);
        assert_eq!(first, second, "as many messages are known again as there were");
    }
}

#[cfg(test)]
mod tests {
    use super::mutations::check;

    #[test]
    fn a_senders_file_may_be_any_text() {
        check("sender", 1_000, super::sender);
    }

    #[test]
    fn landed_messages_may_be_any_bytes() {
        check("translate", 100, super::translation);
    }
}
