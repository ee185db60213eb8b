//! A reader of acknowledgements, small and strict, of its own so that it can judge the one under test.

use std::fmt;

/// What an answer's code means to a sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// AA or CA.
    Accepted,
    /// AE or CE: to be sent again.
    Error,
    /// AR or CR: sending it again is no use.
    Rejected,
}

/// An acknowledgement that was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// MSA-1 as it stands.
    pub code: String,
    /// MSA-2 as it stands.
    pub control_id: Vec<u8>,
    /// Its MSH, split at its own field separator; the number in the standard is the index.
    pub header: Vec<Vec<u8>>,
    /// Whether MSA-3 or an ERR says why.
    pub gives_reason: bool,
    /// Its MSH-1.
    pub separator: u8,
    /// How many MSA it has: more than one in the answer to a batch.
    pub acknowledgements: usize,
}

impl Answer {
    /// Reads the payload of a frame.
    ///
    /// # Errors
    /// Why it is no acknowledgement.
    pub fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let lines = || payload.split(|byte| *byte == b'\r').filter(|line| !line.is_empty());
        // In the answer to a batch FHS and BHS may stand before it.
        let header =
            lines().find(|line| line.starts_with(b"MSH")).ok_or("it has no MSH at a segment's start")?;
        let separator = *header.get(3).ok_or("its MSH ends before MSH-1")?;
        let fields = |line: &[u8]| -> Vec<Vec<u8>> {
            line.split(|byte| *byte == separator).map(<[u8]>::to_vec).collect()
        };
        let of = |name: &'static [u8]| {
            lines().filter(move |line| line.starts_with(name) && line.get(name.len()) == Some(&separator))
        };
        let msa = fields(of(b"MSA").next().ok_or("it has no MSA in the separator of its MSH")?);
        let mut msh = fields(header);
        msh.insert(1, vec![separator]);
        if msh.len() < 11 {
            return Err("its MSH ends before MSH-10");
        }
        let said = |index: usize| msa.get(index).is_some_and(|value| !value.is_empty());
        let code = msa.get(1).map(|code| String::from_utf8_lossy(code).into_owned()).unwrap_or_default();
        Ok(Self {
            gives_reason: said(3) || of(b"ERR").next().is_some(),
            control_id: msa.get(2).cloned().unwrap_or_default(),
            code,
            separator,
            acknowledgements: of(b"MSA").count(),
            header: msh,
        })
    }

    /// What its code means; nothing for a code that is none.
    pub fn verdict(&self) -> Option<Verdict> {
        match self.code.as_str() {
            "AA" | "CA" => Some(Verdict::Accepted),
            "AE" | "CE" => Some(Verdict::Error),
            "AR" | "CR" => Some(Verdict::Rejected),
            _ => None,
        }
    }

    /// Whether it is AA or CA.
    pub fn accepts(&self) -> bool {
        self.verdict() == Some(Verdict::Accepted)
    }

    /// Whether it has this MSA-2, byte for byte.
    pub fn is_to(&self, control_id: &str) -> bool {
        self.control_id == control_id.as_bytes()
    }

    /// A field of its MSH by its number in the standard; empty if it is not there.
    pub fn msh(&self, number: usize) -> &[u8] {
        self.header.get(number).map(Vec::as_slice).unwrap_or_default()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.control_id[..] {
            [] => write!(f, "{} without MSA-2", self.code),
            id => write!(f, "{} to {}", self.code, id[..id.len().min(60)].escape_ascii()),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(payload: &str, expected: Result<&str, &str>) {
        let read = Answer::read(payload.as_bytes()).map(|answer| answer.to_string());
        assert_eq!(read.as_deref().map_err(|why| *why), expected, "{payload}");
    }

    #[test]
    fn an_answer_is_read_in_the_delimiters_of_its_own_header() {
        check("MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\rMSA|AA|1\r", Ok("AA to 1"));
        check("MSH#*~\\&#A#B#C#D#2026##ACK#9#P#2.5\rMSA#AR#1#why\r", Ok("AR to 1"));
        check(
            "MSH#*~\\&#A#B#C#D#2026##ACK#9#P#2.5\rMSA|AR|1\r",
            Err("it has no MSA in the separator of its MSH"),
        );
        check("BHS|^~\\&\rMSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\rMSA|AE\r", Ok("AE without MSA-2"));
        check("MSH|^~\\&|A\rMSA|AA|1\r", Err("its MSH ends before MSH-10"));
        check(
            "MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\n MSA|AA|1\n",
            Err("it has no MSA in the separator of its MSH"),
        );
        check("AA", Err("it has no MSH at a segment's start"));
        check("MSH", Err("its MSH ends before MSH-1"));
    }

    #[test]
    fn a_reason_stands_in_msa_3_or_in_an_err() {
        let read = |rest: &str| {
            let text = format!("MSH|^~\\&|A|B|C|D|2026||ACK|9|P|2.5\r{rest}");
            Answer::read(text.as_bytes()).expect("an answer").gives_reason
        };
        assert!(read("MSA|AR|1|why\r"));
        assert!(read("MSA|AR|1\rERR|||100|E\r"));
        assert!(!read("MSA|AR|1\r"));
    }
}
