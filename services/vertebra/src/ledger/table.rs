//! Tables for people: columns as wide as what is in them.

use std::fmt;

/// Writes a heading and rows, aligned; the last column is as long as it likes.
pub(crate) fn write<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    heading: [&str; N],
    rows: &[[String; N]],
) -> fmt::Result {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([heading[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let heading = heading.map(str::to_owned);
    for row in std::iter::once(&heading).chain(rows) {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        writeln!(f, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Shown<'a>(&'a [[String; 2]]);

    impl fmt::Display for Shown<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write(f, ["key", "what"], self.0)
        }
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [["ü".to_owned(), "a word".to_owned()], ["longer".to_owned(), "b".to_owned()]];
        assert_eq!(Shown(&rows).to_string(), "key     what\nü       a word\nlonger  b\n");
        assert_eq!(Shown(&[]).to_string(), "key  what\n");
    }
}
