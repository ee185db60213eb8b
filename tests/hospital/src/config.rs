//! What a day is made of.

use jiff::civil::Date;
use std::fmt;
use std::str::FromStr;

/// The day's size and habits. The same configuration makes the same bytes.
#[derive(Clone, Debug)]
pub struct Config {
    /// Makes the day; control ids, numbers of visits and transactions hold it, so that days do not meet.
    pub seed: u64,
    /// How many patients come, to the hospital and the clinic together.
    pub patients: usize,
    /// The day that is played, by UTC; everything happens between its 05:00 and its 22:00.
    pub day: Date,
    /// How many messages are bad, each with its reason in the truth.
    pub bad: Share,
    /// How many messages are sent twice though they were acknowledged.
    pub twice: Share,
    /// How many of the hospital's charges name no amount, so that the table of codes has to say what they cost.
    pub unpriced: Share,
    /// A sender that says nothing for some hours and then everything it held back.
    pub silence: Option<Silence>,
    /// After how many messages the clinic's control ids start again.
    pub restart_after: usize,
}

impl Config {
    /// A day in 2025 with 1 % bad messages, 3 % twice, the laboratory silent over noon.
    pub fn new(seed: u64, patients: usize) -> Self {
        Self {
            seed,
            patients,
            day: Date::constant(2025, 3, 10),
            bad: Share::of_hundred(1),
            twice: Share::of_hundred(3),
            unpriced: Share::NONE,
            silence: Some(Silence { sender: Sender::Lab, from_hour: 11, to_hour: 13 }),
            restart_after: 150,
        }
    }
}

/// One of the three that send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// The hospital.
    North,
    /// Laboratory and pharmacy of that hospital.
    Lab,
    /// An outpatient clinic.
    Clinic,
}

impl Sender {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::North, Self::Lab, Self::Clinic];

    /// The name in our configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::North => "north",
            Self::Lab => "lab",
            Self::Clinic => "clinic",
        }
    }

    /// Its file for `deploy/senders`, listening on this port of this host.
    pub fn yaml(self, port: u16) -> String {
        let (text, own) = match self {
            Self::North => (include_str!("../senders/north.yaml"), "2575"),
            Self::Lab => (include_str!("../senders/lab.yaml"), "2576"),
            Self::Clinic => (include_str!("../senders/clinic.yaml"), "2577"),
        };
        text.replacen(&format!("listen: 127.0.0.1:{own}"), &format!("listen: 127.0.0.1:{port}"), 1)
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text names none of the three senders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of north, lab and clinic")]
pub struct UnknownSender;

impl FromStr for Sender {
    type Err = UnknownSender;

    fn from_str(text: &str) -> Result<Self, UnknownSender> {
        Self::ALL.into_iter().find(|sender| sender.name() == text).ok_or(UnknownSender)
    }
}

/// Hours of the day, by UTC, in which a sender says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    /// Who.
    pub sender: Sender,
    /// From this hour on.
    pub from_hour: i8,
    /// Until this one, when it sends what it held back.
    pub to_hour: i8,
}

/// A text is no silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sender and hours such as lab=11-13")]
pub struct NoSilence;

impl FromStr for Silence {
    type Err = NoSilence;

    fn from_str(text: &str) -> Result<Self, NoSilence> {
        let (sender, hours) = text.split_once('=').ok_or(NoSilence)?;
        let (from, to) = hours.split_once('-').ok_or(NoSilence)?;
        let hour = |text: &str| text.parse().ok().filter(|hour| (0..24).contains(hour)).ok_or(NoSilence);
        let (from_hour, to_hour) = (hour(from)?, hour(to)?);
        let sender = sender.parse().map_err(|UnknownSender| NoSilence)?;
        if from_hour < to_hour { Ok(Self { sender, from_hour, to_hour }) } else { Err(NoSilence) }
    }
}

/// A part of the whole, exact to a ten-thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u32);

impl Share {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// So many of a hundred; more than all is all.
    pub const fn of_hundred(parts: u32) -> Self {
        Self(if parts > 100 { 10_000 } else { parts * 100 })
    }

    /// So many of ten thousand.
    pub fn of_ten_thousand(self) -> u32 {
        self.0
    }

    /// So many of these, rounded up: one that is not nothing is at least one.
    pub(crate) fn of(self, whole: usize) -> usize {
        (whole * self.0 as usize).div_ceil(10_000)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}%", self.0 / 100, self.0 % 100)
    }
}

/// A text is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a share such as 1% or 0.25%")]
pub struct NoShare;

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let number = text.strip_suffix('%').unwrap_or(text);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
            return Err(NoShare);
        }
        let parts: u32 = format!("{whole}{part:0<2}").parse().map_err(|_| NoShare)?;
        if parts <= 10_000 { Ok(Self(parts)) } else { Err(NoShare) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_exactly_and_what_is_none_is_refused() {
        let read = |text: &str| text.parse::<Share>().ok().map(Share::of_ten_thousand);
        assert_eq!(read("1%"), Some(100));
        assert_eq!(read("0.25%"), Some(25));
        assert_eq!(read("0.5"), Some(50));
        assert_eq!(read("100%"), Some(10_000));
        for text in ["", "%", "101%", "-1%", "0.001%", "1e1%", "one"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_silence_names_a_sender_and_rising_hours() {
        let read = |text: &str| text.parse::<Silence>().ok();
        let noon = Silence { sender: Sender::Lab, from_hour: 11, to_hour: 13 };
        assert_eq!(read("lab=11-13"), Some(noon));
        for text in ["lab", "lab=11", "lab=13-11", "ward=1-2", "lab=1-24"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_senders_file_listens_where_it_is_told_to() {
        for sender in Sender::ALL {
            let text = sender.yaml(4711);
            assert!(text.contains(&format!("name: {sender}\nlisten: 127.0.0.1:4711\n")), "{text}");
        }
    }
}
