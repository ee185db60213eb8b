//! What holds for any bytes at all: asserted by the mutation loop here and by the fuzz target.

use canon::event::ContentHash;
use codes::read_table;
use std::path::Path;

/// A table is refused with what is wrong and where, or gives codes whose entries hold on no day twice, in order.
pub(crate) fn table(bytes: &[u8]) {
    for name in ["charge.csv", "tables.csv"] {
        match read_table(Path::new(name), bytes) {
            Err(mistakes) => {
                let lines = bytes.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
                assert!(!mistakes.is_empty());
                for mistake in mistakes {
                    assert!(usize::try_from(mistake.line).is_ok_and(|line| line <= lines), "a line there is");
                    assert!(mistake.to_string().starts_with(name));
                }
            }
            Ok(codes) => {
                for (key, code) in codes {
                    assert!(!code.entries.is_empty());
                    assert_eq!((key.table(), key.sender()), (code.table, code.sender.as_ref()));
                    assert_eq!(key.code(), code.code);
                    assert_eq!(key.to_string().parse(), Ok(key), "its key can be read");
                    let in_order = |pair: &[canon::events::reference_code::CodeEntry]| {
                        pair[0].valid_to.zip(pair[1].valid_from).is_some_and(|(end, begin)| end <= begin)
                    };
                    assert!(code.entries.windows(2).all(in_order), "no day is priced twice");
                    let _content = ContentHash::of(&code);
                }
            }
        }
    }
}
