//! The messages that are sent: invented, marked as such wherever a person could look, and bytes all the way.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Begins a frame: VT.
pub(crate) const START: u8 = 0x0b;
/// Ends a frame, with a CR behind it: FS.
pub(crate) const END: u8 = 0x1c;

/// Who the messages say they are from, and whose patients they are about.
#[derive(Clone, Debug)]
pub struct Sender {
    /// MSH-3.
    pub application: String,
    /// MSH-4.
    pub facility: String,
    /// MSH-5.
    pub receiving_application: String,
    /// MSH-6.
    pub receiving_facility: String,
    /// PID-3.4 and PV1-19.4.
    pub patient_authority: String,
}

impl Default for Sender {
    fn default() -> Self {
        Self {
            application: "TORTURE".to_owned(),
            facility: "TESTBENCH".to_owned(),
            receiving_application: "RECEIVER".to_owned(),
            receiving_facility: "UNDERTEST".to_owned(),
            patient_authority: "TORTURE".to_owned(),
        }
    }
}

/// Control ids of one run: of at most 20 characters, and never given twice, also not by the next run.
#[derive(Debug)]
pub(crate) struct Numbers {
    run: u64,
    next: AtomicU32,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { run: u64::try_from(since.as_millis()).unwrap_or_default(), next: AtomicU32::new(1) }
    }

    pub(crate) fn next(&self) -> String {
        format!("TRT{:X}-{:04}", self.run, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// A message in the making: healthy, until a case makes it otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// MSH-10.
    pub(crate) control_id: String,
    /// By the number in the standard; 0 is the name and 1 the separator.
    header: Vec<Vec<u8>>,
    segments: Vec<Vec<u8>>,
    line_end: &'static [u8],
}

impl Message {
    /// A patient's update that every engine knows, A08.
    pub(crate) fn healthy(sender: &Sender, control_id: String) -> Self {
        let now = now();
        let authority = &sender.patient_authority;
        let header = [
            "MSH",
            "|",
            "^~\\&",
            &sender.application,
            &sender.facility,
            &sender.receiving_application,
            &sender.receiving_facility,
            &now,
            "",
            "ADT^A08^ADT_A01",
            &control_id,
            "P",
            "2.5.1",
        ];
        let segments = [
            format!("EVN|A08|{now}"),
            format!("PID|1||TRT1^^^{authority}^MR||Torture^Testcase||19000101|U"),
            format!("PV1|1|O|||||||||||||||||TRTV1^^^{authority}"),
        ];
        Self {
            header: header.iter().map(|field| field.as_bytes().to_vec()).collect(),
            segments: segments.into_iter().map(String::into_bytes).collect(),
            control_id,
            line_end: b"\r",
        }
    }

    /// The same with another field of its MSH.
    #[must_use]
    pub(crate) fn msh(mut self, number: usize, value: impl AsRef<[u8]>) -> Self {
        if self.header.len() <= number {
            self.header.resize(number + 1, Vec::new());
        }
        if let Some(field) = self.header.get_mut(number) {
            *field = value.as_ref().to_vec();
        }
        if number == 10 {
            self.control_id = String::from_utf8_lossy(value.as_ref()).into_owned();
        }
        self
    }

    /// The same with one more segment.
    #[must_use]
    pub(crate) fn and(mut self, segment: impl AsRef<[u8]>) -> Self {
        self.segments.push(segment.as_ref().to_vec());
        self
    }

    /// The same as another message: type, and everything behind the MSH.
    #[must_use]
    pub(crate) fn of(mut self, message_type: &str, segments: &[&str]) -> Self {
        self.segments = segments.iter().map(|segment| segment.as_bytes().to_vec()).collect();
        self.msh(9, message_type)
    }

    /// The same without the segments of this name.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.segments.retain(|segment| !segment.starts_with(name.as_bytes()));
        self
    }

    /// The same with other ends of segments than CR.
    #[must_use]
    pub(crate) fn lines_end_by(mut self, line_end: &'static [u8]) -> Self {
        self.line_end = line_end;
        self
    }

    /// The same in other delimiters. The five of the standard must not stand in values otherwise.
    #[must_use]
    pub(crate) fn delimited_by(self, field: u8, encoding: &[u8]) -> Self {
        let swap = |value: &Vec<u8>| -> Vec<u8> {
            let one = |byte: &u8| match byte {
                b'|' => field,
                b'^' => encoding.first().copied().unwrap_or(b'^'),
                other => *other,
            };
            value.iter().map(one).collect()
        };
        let mut swapped = Self {
            header: self.header.iter().map(swap).collect(),
            segments: self.segments.iter().map(swap).collect(),
            ..self
        };
        if let Some(encodes) = swapped.header.get_mut(2) {
            *encodes = encoding.to_vec();
        }
        swapped
    }

    /// A field of its MSH.
    pub(crate) fn field(&self, number: usize) -> &[u8] {
        self.header.get(number).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn payload(&self) -> Vec<u8> {
        let separator = self.header.get(1).cloned().unwrap_or_default();
        let fields = self.header.get(2..).unwrap_or_default().join(&separator[..]);
        let mut lines = vec![[b"MSH", &separator[..], &fields].concat()];
        lines.extend(self.segments.iter().cloned());
        [lines.join(self.line_end), self.line_end.to_vec()].concat()
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        framed(&self.payload())
    }
}

/// A payload in its frame.
pub(crate) fn framed(payload: &[u8]) -> Vec<u8> {
    [&[START], payload, &[END, b'\r']].concat()
}

/// The present as HL7 writes it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d%H%M%S.%3f+0000").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> Message {
        Message::healthy(&Sender::default(), "TRT1-0001".to_owned()).msh(7, "2026")
    }

    #[track_caller]
    fn check(message: &Message, begins: &str) {
        let payload = String::from_utf8(message.payload()).expect("text");
        assert!(payload.starts_with(begins), "{payload}");
    }

    #[test]
    fn a_message_is_byte_for_byte_what_was_asked_for() {
        check(
            &healthy(),
            "MSH|^~\\&|TORTURE|TESTBENCH|RECEIVER|UNDERTEST|2026||ADT^A08^ADT_A01|TRT1-0001|P|2.5.1\rEVN",
        );
        check(
            &healthy().msh(15, "AL"),
            "MSH|^~\\&|TORTURE|TESTBENCH|RECEIVER|UNDERTEST|2026||ADT^A08^ADT_A01|TRT1-0001|P|2.5.1|||AL\r",
        );
        check(
            &healthy().delimited_by(b'#', b"*~\\&"),
            "MSH#*~\\&#TORTURE#TESTBENCH#RECEIVER#UNDERTEST#2026##ADT*A08*ADT_A01#",
        );
        check(
            &healthy().lines_end_by(b"\n").of("ACK", &["MSA|AA"]),
            "MSH|^~\\&|TORTURE|TESTBENCH|RECEIVER|UNDERTEST|2026||ACK|TRT1-0001|P|2.5.1\nMSA|AA\n",
        );
    }

    #[test]
    fn control_ids_are_short_enough_for_every_version_and_differ() {
        let numbers = Numbers::new();
        let (one, two) = (numbers.next(), numbers.next());
        assert_ne!(one, two);
        assert!(one.len() <= 20, "{one}");
    }
}
