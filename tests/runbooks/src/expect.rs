//! What a command printed, held against what its page says.
//!
//! `…` in a line stands for anything, a line of `…` alone for any lines or none. `<a word>` is a place to fill in: where it is
//! known, from the test or from an earlier output, it has to be that; where it is not, it is whatever stands there, without
//! blanks, and is known from then on. Blanks count as one: columns are as wide as what is in them.

use std::collections::BTreeMap;

/// What the places to fill in stand for.
pub type Known = BTreeMap<String, String>;

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Anything,
    Place(String),
}

/// Whether the lines are what the page says; then with the places that were filled in.
pub fn matches(expected: &[String], printed: &[String], known: &Known) -> Option<Known> {
    let trimmed: Vec<Vec<Part>> = expected.iter().map(|line| parts(line)).collect();
    let printed: Vec<String> =
        printed.iter().map(|line| plain(line)).filter(|line| !line.is_empty()).collect();
    let expected: Vec<&[Part]> = trimmed.iter().map(Vec::as_slice).filter(|line| !line.is_empty()).collect();
    lines(&expected, &printed, known)
}

/// Puts what is known into a command; nothing where a place is not known.
pub fn filled(typed: &str, known: &Known) -> Result<String, String> {
    let mut text = String::new();
    for part in split(typed) {
        match part {
            Part::Text(some) => text.push_str(&some),
            Part::Anything => text.push('…'),
            Part::Place(name) => text.push_str(known.get(&name).ok_or(name)?),
        }
    }
    Ok(text)
}

fn lines(expected: &[&[Part]], printed: &[String], known: &Known) -> Option<Known> {
    let Some((first, rest)) = expected.split_first() else {
        return printed.is_empty().then(|| known.clone());
    };
    if **first == [Part::Anything] {
        return (0..=printed.len()).find_map(|skipped| lines(rest, &printed[skipped..], known));
    }
    let (line, behind) = printed.split_first()?;
    lines(rest, behind, &line_matches(first, line, known)?)
}

fn line_matches(parts: &[Part], text: &str, known: &Known) -> Option<Known> {
    let Some((first, rest)) = parts.split_first() else {
        return text.is_empty().then(|| known.clone());
    };
    let ends = || text.char_indices().map(|(at, _)| at).chain([text.len()]);
    match first {
        Part::Text(expected) => line_matches(rest, text.strip_prefix(expected.as_str())?, known),
        Part::Anything => ends().find_map(|end| line_matches(rest, &text[end..], known)),
        Part::Place(name) => match known.get(name) {
            Some(value) => line_matches(rest, text.strip_prefix(value.as_str())?, known),
            None => ends().skip(1).take_while(|end| !text[..*end].contains(' ')).find_map(|end| {
                let mut known = known.clone();
                known.insert(name.clone(), text[..end].to_owned());
                line_matches(rest, &text[end..], &known)
            }),
        },
    }
}

fn parts(line: &str) -> Vec<Part> {
    split(&plain(line))
}

fn split(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['…', '<']) {
        let (before, found) = rest.split_at(at);
        let place = found.strip_prefix('<').and_then(|inside| inside.split_once('>'));
        let place = place.filter(|(name, _)| is_a_place(name));
        let (part, behind) = match (place, found.strip_prefix('…')) {
            (Some((name, behind)), _) => (Part::Place(name.to_owned()), behind),
            (None, Some(behind)) => (Part::Anything, behind),
            (None, None) => (Part::Text("<".to_owned()), &found[1..]),
        };
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(part);
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    parts
}

fn is_a_place(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, ' ' | '-' | '\''))
}

fn plain(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn check(expected: &str, printed: &str, places: Option<&[(&str, &str)]>) {
        let known = Known::from([("sender".to_owned(), "north".to_owned())]);
        let found = matches(&owned(expected), &owned(printed), &known);
        let places = places.map(|places| {
            let mut all = known.clone();
            all.extend(places.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            all
        });
        assert_eq!(found, places, "{expected:?} and {printed:?}");
    }

    #[test]
    fn every_line_has_to_be_there_and_none_besides() {
        check("a\nb", "a\nb", Some(&[]));
        check("a\nb", "a", None);
        check("a", "a\nb", None);
        check("a", "b", None);
        check("", "", Some(&[]));
        check("", "a", None);
    }

    #[test]
    fn dots_stand_for_anything() {
        check("a … c", "a b b c", Some(&[]));
        check("a … c", "a b d", None);
        check("a\n…\nd", "a\nb\nc\nd", Some(&[]));
        check("a\n…\nd", "a\nd", Some(&[]));
        check("a\n…", "a", Some(&[]));
        check("a\n…\nd", "a\nb", None);
    }

    #[test]
    fn columns_may_be_wider() {
        check("lane  state", "lane      state   ", Some(&[]));
    }

    #[test]
    fn places_are_what_they_were_before() {
        check("of <sender>", "of north", Some(&[]));
        check("of <sender>", "of south", None);
        check("id <id>, again <id>", "id 17, again 17", Some(&[("id", "17")]));
        check("id <id>\nagain <id>", "id 17\nagain 18", None);
        check("<id> is", "17 18 is", None);
        check("a < b and <B>", "a < b and <B>", Some(&[]));
    }

    #[test]
    fn commands_are_typed_with_what_is_known() {
        let known = Known::from([("id".to_owned(), "17".to_owned())]);
        assert_eq!(filled("show --id <id> < file", &known).as_deref(), Ok("show --id 17 < file"));
        assert_eq!(filled("show --id <other>", &known), Err("other".to_owned()));
    }
}
