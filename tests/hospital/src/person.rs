//! Invented people. Everything that would be a patient's holds [`MARK`].

use crate::chance::Chance;
use crate::config::Sender;
use crate::dialect::Dialect;
use crate::truth::{MessageId, Patient};

/// What everything of an invented patient holds, so that it can be looked for where none may be.
pub const MARK: &str = "ZZCANARY";

const FAMILIES: [&str; 8] =
    ["Birk", "Dølen", "Fenwald", "Grünau", "Hällström", "Jeßnitz", "Müllhagen", "Oakmere"];
const GIVEN: [&str; 8] = ["Arel", "Bréna", "Corvin", "Dalia", "Einar", "Fjóla", "Göran", "Hesper"];

/// A patient as one of the two that register people has them.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) home: Sender,
    pub(crate) id: String,
    /// A number that another authority gave; never the one that counts.
    other_id: String,
    family: String,
    given: String,
    birth_date: String,
    sex: &'static str,
    street: String,
    town: String,
    phone: String,
    /// PID-13 says that there is none any more.
    deletes_phone: bool,
    pub(crate) deceased: bool,
}

impl Person {
    pub(crate) fn invent(home: Sender, seed: u64, number: usize, chance: &mut Chance) -> Self {
        let letter = if home == Sender::Clinic { 'C' } else { 'P' };
        Self {
            home,
            id: format!("{MARK}-{letter}{seed}-{number:05}"),
            other_id: format!("{MARK}-R{number:09}"),
            family: format!("{MARK}-{}{number}", chance.one(&FAMILIES)),
            given: format!("{MARK}-{}", chance.one(&GIVEN)),
            birth_date: format!(
                "{}{:02}{:02}",
                chance.within(1930..=2009),
                chance.within(1..=12),
                chance.within(1..=28)
            ),
            sex: *chance.one(&["F", "M"]),
            street: format!("{} {MARK} & Sons Street", chance.within(1..=200)),
            town: format!("{MARK}-Town"),
            phone: format!("+1 555 {MARK}-{number:04}"),
            deletes_phone: false,
            deceased: false,
        }
    }

    /// Another number for the same patient, given by mistake.
    pub(crate) fn duplicate(&self) -> Self {
        Self { id: format!("{}-D", self.id), phone: String::new(), street: String::new(), ..self.clone() }
    }

    pub(crate) fn moves_house(&mut self, chance: &mut Chance) {
        self.street = format!("{} {MARK} Quay", chance.within(1..=200));
        self.phone = format!("+1 555 {MARK}-{:04}", chance.within(0..=9_999));
        self.deletes_phone = false;
    }

    pub(crate) fn gives_up_phone(&mut self) {
        self.phone.clear();
        self.deletes_phone = true;
    }

    /// The authority that gave [`id`](Self::id).
    fn authority(&self) -> &'static str {
        if self.home == Sender::Clinic { "CLINIC" } else { "NORTH" }
    }

    /// CX of the number that counts.
    pub(crate) fn identifier(&self, dialect: &Dialect) -> String {
        let kind = match dialect.sender {
            Sender::North => "MR",
            Sender::Lab => "",
            Sender::Clinic => "PI",
        };
        dialect.components(&[&self.id, "", "", self.authority(), kind])
    }

    /// The PID; `account` is PID-18 where the sender has accounts.
    pub(crate) fn segment(&self, dialect: &Dialect, account: Option<&str>) -> String {
        let own = self.identifier(dialect);
        let ids = match dialect.sender {
            // The number that counts is not the first one.
            Sender::North => {
                let other = dialect.components(&[&self.other_id, "", "", "REGISTRY", "SS"]);
                dialect.repetitions(&[other, own])
            }
            Sender::Lab | Sender::Clinic => own,
        };
        let pid = dialect.segment("PID").put(1, "1").put(3, ids);
        let pid = pid.parts(5, &[&self.family, &self.given, &format!("{MARK}-Middle")]);
        let pid = pid.put(7, &self.birth_date).put(8, self.sex);
        if dialect.sender == Sender::Lab {
            return pid.end();
        }
        let pid = pid.parts(11, &[&self.street, "", &self.town]);
        let pid = if self.deletes_phone { pid.put(13, "\"\"") } else { pid.text(13, &self.phone) };
        let pid = match account {
            Some(account) => pid.parts(18, &[account, "", "", self.authority(), "AN"]),
            None => pid,
        };
        pid.put(30, if self.deceased { "Y" } else { "" }).end()
    }

    pub(crate) fn truth(&self, message: MessageId) -> Patient {
        Patient {
            sender: self.home,
            id: self.id.clone(),
            family: self.family.clone(),
            given: self.given.clone(),
            birth_date: self.birth_date.clone(),
            sex: self.sex.to_owned(),
            street: self.street.clone(),
            town: self.town.clone(),
            phone: self.phone.clone(),
            deceased: self.deceased,
            message,
        }
    }
}
