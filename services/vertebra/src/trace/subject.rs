//! What a person asks after: understood in every way that it can be meant, and made a token where it names a patient's visit
//! or account.

use super::found::Found;
use super::topics::{self, Range};
use super::way::Way;
use super::{Places, Question, TraceError};
use backbone::contract::SchemaSource;
use backbone::kafka::{Visible, tail};
use backbone::record::Record;
use backbone::registry::Registry;
use canon::{
    AccountToken, Catalog, Encounter, EncounterToken, Event, Invoice, RawHl7v2, SenderConfig, Timestamp,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use uuid::Uuid;

/// What a person typed. It prints nothing of it: it may be a patient's number.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    text: String,
    wanted: Option<As>,
}

/// How it is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum As {
    /// A patient's account, by its number or its token.
    Account,
    /// A message, by its MSH-10.
    ControlId,
    /// An event, by its id or its fact's name.
    Event,
    /// An invoice, by Odoo's number or id, or by the request's id.
    Invoice,
    /// A visit, by its number or its token.
    Visit,
}

/// One way in which it was understood.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Taken {
    /// As what.
    pub r#as: As,
    /// What was looked for: a token, a control id, an event's id, a request's.
    pub is: String,
    /// Whose number it is, of what was made a token.
    pub authority: Option<String>,
}

/// Under whose authority visits' and accounts' numbers are made tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Authorities {
    visits: BTreeSet<String>,
    accounts: BTreeSet<String>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subject([redacted], {:?})", self.wanted)
    }
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.r#as {
            As::Account => "account",
            As::ControlId => "control id",
            As::Event => "event",
            As::Invoice => "invoice",
            As::Visit => "visit",
        };
        write!(f, "{what} {}", self.is)?;
        self.authority.as_ref().map_or(Ok(()), |authority| write!(f, " ({authority})"))
    }
}

impl Subject {
    /// What was typed, and as what it is meant; without, as everything that it can be.
    pub fn new(text: &str, wanted: Option<As>) -> Self {
        Self { text: text.trim().to_owned(), wanted }
    }

    fn may_be(&self, kind: As) -> bool {
        self.wanted.is_none_or(|wanted| wanted == kind)
    }

    /// The visits and accounts that it may name.
    fn tokens(&self, question: &Question<'_>, known: &Authorities) -> Vec<Taken> {
        let mut taken = Vec::new();
        let mut take = |r#as, is: String, authority: Option<&String>| {
            taken.push(Taken { r#as, is, authority: authority.cloned() });
        };
        if self.may_be(As::Visit) && self.text.parse::<EncounterToken>().is_ok() {
            take(As::Visit, self.text.clone(), None);
        }
        if self.may_be(As::Account) && self.text.parse::<AccountToken>().is_ok() {
            take(As::Account, self.text.clone(), None);
        }
        let Some(tokens) = question.tokens else { return taken };
        let said = question.authority.map(|authority| BTreeSet::from([authority.to_owned()]));
        if self.may_be(As::Visit) {
            for authority in said.as_ref().unwrap_or(&known.visits) {
                let token = tokens.encounter(authority, &self.text);
                take(As::Visit, token.to_string(), Some(authority));
            }
        }
        if self.may_be(As::Account) {
            for authority in said.as_ref().unwrap_or(&known.accounts) {
                take(As::Account, tokens.account(authority, &self.text).to_string(), Some(authority));
            }
        }
        taken
    }

    /// The visit of a request, by the request's or the invoice's external id.
    fn request(&self) -> Option<(&str, EncounterToken)> {
        let request = self.text.strip_prefix("__vertebra__.invoice_").unwrap_or(&self.text);
        let (visit, number) = request.split_once('-')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        Some((request, visit.parse().ok().filter(|_| is_number)?))
    }
}

impl Authorities {
    /// Those that senders' files name, as they are published.
    pub(super) fn of(records: &[Record], registry: &Registry) -> Self {
        #[derive(Default, Deserialize)]
        struct File {
            visit_authority: Option<String>,
            account_authority: Option<String>,
        }
        let mut all = Self::default();
        let decoded = records.iter().filter_map(|record| record.value.as_deref());
        for config in decoded.filter_map(|value| registry.schemas().decode::<SenderConfig>(value).ok()) {
            let Ok(File { visit_authority, account_authority }) = serde_saphyr::from_str(&config.text) else {
                continue;
            };
            all.accounts.extend(account_authority.or_else(|| visit_authority.clone()));
            all.visits.extend(visit_authority);
        }
        all
    }
}

/// Understands the question: what is found of it goes onto the way, to be followed from there. What names nothing that was
/// found is told too, since somebody has to know where was looked.
pub(super) async fn take(
    places: &Places<'_>,
    question: &Question<'_>,
    way: &mut Way,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<Taken>, TraceError> {
    let subject = question.subject;
    let configs = tail(places.kafka, SenderConfig::TOPIC, Visible::Committed).await?;
    topics::ensure(places.registry, &configs).await?;
    let mut taken = subject.tokens(question, &Authorities::of(&configs, places.registry));
    let visits = taken.iter().filter(|taken| taken.r#as == As::Visit);
    way.visits.extend(visits.filter_map(|taken| taken.is.parse::<EncounterToken>().ok()));
    let accounts: BTreeSet<String> =
        taken.iter().filter(|taken| taken.r#as == As::Account).map(|taken| taken.is.clone()).collect();
    if !accounts.is_empty() {
        let range = Range::all(Encounter::TOPIC, question.since);
        let of_account =
            |found: &Found| found.text("account").is_some_and(|account| accounts.contains(account));
        for found in topics::find(places, range, way, of_account, told).await? {
            way.visits.extend(found.visit());
        }
    }
    if subject.may_be(As::Invoice) {
        taken.extend(invoice(places, question, way, told).await?);
    }
    if subject.may_be(As::ControlId) {
        let range = Range::all(RawHl7v2::TOPIC, question.since);
        let is_it = |found: &Found| found.headers.sourceref.as_deref() == Some(&subject.text);
        let found = topics::find(places, range, way, is_it, told).await?;
        let is_said = !found.is_empty() || subject.wanted == Some(As::ControlId);
        taken.extend(is_said.then(|| Taken {
            r#as: As::ControlId,
            is: subject.text.clone(),
            authority: None,
        }));
        found.into_iter().for_each(|found| way.begin(found));
    }
    if subject.may_be(As::Event) && (subject.text.parse::<Uuid>().is_ok() || subject.text.contains('/')) {
        let is_found = event(places, question, way, told).await?;
        // What was not found may be a patient's number after all: only what was said to be an event is repeated.
        let is_said = is_found || subject.wanted == Some(As::Event);
        taken.extend(is_said.then(|| Taken { r#as: As::Event, is: subject.text.clone(), authority: None }));
    }
    Ok(taken)
}

/// An invoice by Odoo's number or database id, or by what our requests are called.
async fn invoice(
    places: &Places<'_>,
    question: &Question<'_>,
    way: &mut Way,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<Vec<Taken>, TraceError> {
    let subject = question.subject;
    if let Some((request, visit)) = subject.request() {
        way.visits.insert(visit);
        return Ok(vec![Taken { r#as: As::Invoice, is: request.to_owned(), authority: None }]);
    }
    let range = Range::all(Invoice::TOPIC, question.since);
    let id: Option<i64> = subject.text.parse().ok();
    let is_it = |found: &Found| {
        found.text("number") == Some(&subject.text) || (id.is_some() && found.number("invoice") == id)
    };
    let mut taken = BTreeSet::new();
    for found in topics::find(places, range, way, is_it, told).await? {
        way.visits.extend(found.visit());
        let is = found.number("invoice").map(|id| id.to_string()).unwrap_or_default();
        taken.insert(Taken { r#as: As::Invoice, is, authority: None });
    }
    Ok(taken.into_iter().collect())
}

/// An event by its id or its fact's name, on whatever topic it is; whether it was found.
async fn event(
    places: &Places<'_>,
    question: &Question<'_>,
    way: &mut Way,
    told: &mut (dyn FnMut(&str) + Send),
) -> Result<bool, TraceError> {
    let mut is_found = false;
    let text = &question.subject.text;
    let id: Option<Uuid> = text.parse().ok();
    let is_it = |found: &Found| Some(found.headers.id) == id || found.headers.factname == *text;
    for topic in Catalog::builtin().topics() {
        let range = Range::all(&topic.name, question.since);
        let found = topics::find(places, range, way, is_it, told).await?;
        is_found |= !found.is_empty();
        found.into_iter().for_each(|found| way.begin(found));
    }
    Ok(is_found)
}

/// A time, or how long before now.
///
/// # Errors
/// When it is neither.
pub fn since(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = backbone::settings::duration(text);
    ago.map(|ago| now - ago).map_err(|_| "a time such as 2025-03-10T00:00:00Z, or how long ago: 12h, 30d")
}

#[cfg(test)]
mod tests {
    use super::*;
    use canon::Tokenizer;

    const TOKEN: &str = "64a9db27448abf25a18c64da4f7ff031";

    fn tokens() -> Tokenizer {
        Tokenizer::new(b"an invented secret of 32 bytes!!").expect("long enough")
    }

    fn known() -> Authorities {
        Authorities {
            visits: BTreeSet::from(["LAKESIDE".to_owned(), "NORTH".to_owned()]),
            accounts: BTreeSet::from(["LAKESIDE".to_owned()]),
        }
    }

    #[track_caller]
    fn check(text: &str, wanted: Option<As>, authority: Option<&str>, expected: &[&str]) {
        let tokens = tokens();
        let subject = Subject::new(text, wanted);
        let question = Question {
            subject: &subject,
            since: Timestamp::EPOCH,
            tokens: Some(&tokens),
            authority,
            reveal: None,
        };
        let taken = subject.tokens(&question, &known());
        let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
        assert_eq!(taken, expected, "{text}");
    }

    #[test]
    fn a_number_is_a_visits_and_an_accounts_of_every_authority_unless_one_is_said() {
        check(
            " 4711 ",
            None,
            None,
            &[
                "visit 64a9db27448abf25a18c64da4f7ff031 (LAKESIDE)",
                "visit cdfd13b06ce18dca3b8dc887e14ec51e (NORTH)",
                "account 5cfb842367672763dd228a9912625599 (LAKESIDE)",
            ],
        );
        check(
            "4711",
            Some(As::Visit),
            Some("LAKESIDE"),
            &["visit 64a9db27448abf25a18c64da4f7ff031 (LAKESIDE)"],
        );
        check("4711", Some(As::ControlId), None, &[]);
        let of_token = tokens().account("A", TOKEN);
        let expected = [format!("account {TOKEN}"), format!("account {of_token} (A)")];
        check(TOKEN, Some(As::Account), Some("A"), &expected.each_ref().map(String::as_str));
    }

    #[test]
    fn a_request_says_whose_visit_it_is_and_nothing_else_does() {
        let visit = |text: &str| {
            Subject::new(text, None).request().map(|(request, visit)| (request.to_owned(), visit.to_string()))
        };
        let found = Some((format!("{TOKEN}-2"), TOKEN.to_owned()));
        assert_eq!(visit(&format!("{TOKEN}-2")), found);
        assert_eq!(visit(&format!("__vertebra__.invoice_{TOKEN}-2")), found);
        for other in ["4711", "4711-2", "INV/2025/00012", TOKEN] {
            assert_eq!(visit(other), None, "{other}");
        }
        assert_eq!(visit(&format!("{TOKEN}-x")), None);
    }

    #[test]
    fn what_was_typed_is_never_printed() {
        assert!(!format!("{:?}", Subject::new("ZZ4711", Some(As::Visit))).contains("4711"));
    }

    #[test]
    fn since_is_a_time_or_how_long_ago() {
        let now = Timestamp(10_000_000_000_000);
        assert_eq!(since("2h", now), Ok(now - std::time::Duration::from_secs(7_200)));
        assert_eq!(since("1970-01-01T00:00:01Z", now), Ok(Timestamp(1_000_000)));
        assert!(since("yesterday", now).is_err());
    }
}
