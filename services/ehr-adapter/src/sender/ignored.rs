//! What a sender sends and nobody wants translated: `MDM`, `ADT^A17`, `ADT^A08 without a visit`.

/// A kind of message that is landed and comes to nothing, even where it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ignored {
    code: String,
    /// None: every trigger.
    trigger: Option<String>,
    lacking: Option<Lacking>,
}

/// Only messages that do not name this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacking {
    Patient,
    Visit,
}

impl Ignored {
    /// Reads `CODE`, `CODE^TRIGGER`, each perhaps with ` without a visit` or ` without a patient` behind it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (kind, lacking) = match text.split_once(" without a ") {
            None => (text, None),
            Some((kind, "patient")) => (kind, Some(Lacking::Patient)),
            Some((kind, "visit")) => (kind, Some(Lacking::Visit)),
            Some(_) => return None,
        };
        let (code, trigger) = match kind.trim().split_once('^') {
            None => (kind.trim(), None),
            Some((code, trigger)) => (code, Some(trigger)),
        };
        let is_sound = |part: &str| {
            part.len() == 3 && part.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        };
        let sound = is_sound(code) && trigger.is_none_or(is_sound);
        sound.then(|| Self { code: code.to_owned(), trigger: trigger.map(str::to_owned), lacking })
    }

    /// Whether it is about such a message, whatever it names.
    pub(crate) fn is_of(&self, code: &str, trigger: &str) -> bool {
        self.code == code && self.trigger.as_deref().is_none_or(|wanted| wanted == trigger)
    }

    /// Whether it is about a message that names these.
    pub(crate) fn holds(&self, has_visit: bool, has_patient: bool) -> bool {
        match self.lacking {
            None => true,
            Some(Lacking::Patient) => !has_patient,
            Some(Lacking::Visit) => !has_visit,
        }
    }
}
