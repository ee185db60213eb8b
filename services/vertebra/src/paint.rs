//! Colours, for people at a terminal: words in capitals say where to look, so these are what is coloured.

use clap::ValueEnum;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;

/// When there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// Where the output is a terminal
    #[default]
    Auto,
    Always,
    Never,
}

/// What is wrong, in red; what somebody should look at, in yellow.
const WORDS: [(&str, &str); 9] = [
    ("DIFFERS", "31"),
    ("FAILED", "31"),
    ("MISSING", "31"),
    ("REFUSED", "31"),
    ("SILENT", "31"),
    ("STOPPED", "31"),
    ("UNOWNED", "31"),
    ("WAITS", "33"),
    ("WARNING", "33"),
];

static ON: OnceLock<bool> = OnceLock::new();

/// Decides it once, before anything is printed.
pub(crate) fn decide(colour: Colour) {
    let on = match colour {
        Colour::Auto => io::stdout().is_terminal(),
        Colour::Always => true,
        Colour::Never => false,
    };
    // Only the first call counts, and there is one.
    let _ = ON.set(on);
}

/// A page, in colours where there are any.
pub(crate) fn page(text: String) -> String {
    if ON.get().copied().unwrap_or(false) { painted(&text) } else { text }
}

/// Words alone are coloured, not parts of them: names of topics and codes stay as they are.
fn painted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while !rest.is_empty() {
        let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
        let word = rest.find(|c| !is_of_word(c)).map_or(rest, |end| &rest[..end]);
        if word.is_empty() {
            let next = rest.find(is_of_word).unwrap_or(rest.len());
            out.push_str(&rest[..next]);
            rest = &rest[next..];
            continue;
        }
        match WORDS.iter().find(|(of, _)| *of == word) {
            Some((_, colour)) => out.push_str(&format!("\u{1b}[{colour}m{word}\u{1b}[0m")),
            None => out.push_str(word),
        }
        rest = &rest[word.len()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::painted;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(painted(text), expected);
    }

    #[test]
    fn words_that_say_where_to_look_are_coloured_and_nothing_else_is() {
        check("lane 1  STOPPED\n", "lane 1  \u{1b}[31mSTOPPED\u{1b}[0m\n");
        check("WAITS: parked", "\u{1b}[33mWAITS\u{1b}[0m: parked");
        check("UNSTOPPED STOPPED_2 works", "UNSTOPPED STOPPED_2 works");
        check("", "");
    }
}
