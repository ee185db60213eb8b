//! The answer to a batch: a batch of its messages' answers, in the batch's own shape and delimiters.

use super::Writer;
use crate::batch::Batch;
use crate::message::Segment;

/// What the headers of an answer to a batch say of themselves.
#[derive(Clone, Copy, Debug)]
pub struct BatchReply<'r> {
    /// FHS-11 and BHS-11 of the answer itself.
    pub control_id: &'r str,
    /// FHS-7 and BHS-7 of the answer itself.
    pub sent_at: &'r str,
}

/// The answer to a batch, not framed: FHS and BHS where the batch has them, the answers to its messages in their
/// order, a BTS behind each group, and FTS. BHS-12 and FHS-12 name what is answered; where a trailer counts otherwise
/// than we do, BTS-2 or FTS-2 says so. `answers` holds for each message, in order, the answers it asks for; what lacks has none.
#[must_use]
pub fn batch_ack(batch: &Batch<'_>, reply: &BatchReply<'_>, answers: &[Vec<Vec<u8>>]) -> Vec<u8> {
    let mut out = Writer { out: Vec::with_capacity(512), delimiters: batch.delimiters() };
    // In the order of the groups, the file's last, as they are asked for here.
    let mut disagreements = batch.disagreements().peekable();
    let mut comment = |number: Option<usize>| {
        disagreements.next_if(|one| one.batch == number).map(|disagreement| disagreement.to_string())
    };
    if let Some(header) = batch.file_header() {
        out.batch_header(b"FHS", header, reply);
    }
    let (mut left, mut written) = (answers.iter(), 0);
    for (index, group) in batch.groups().iter().enumerate() {
        let said: Vec<&Vec<u8>> = left.by_ref().take(group.messages().len()).flatten().collect();
        if let Some(header) = group.header() {
            // Each header announces its own delimiters.
            out.delimiters = header.delimiters();
            out.batch_header(b"BHS", header, reply);
        }
        for answer in &said {
            out.out.extend_from_slice(answer);
        }
        let comment = comment(Some(index + 1));
        // A trailer alone is no batch.
        if group.header().is_some() || !said.is_empty() {
            out.trailer(b"BTS", said.len(), comment);
            written += 1;
        }
    }
    let comment = comment(None);
    if batch.file_header().is_some() || comment.is_some() {
        out.trailer(b"FTS", written, comment);
    }
    out.out
}

impl Writer {
    /// `FHS` or `BHS`: the parties swapped, our time and control id, and the control id that is answered.
    fn batch_header(&mut self, name: &[u8], answered: Segment<'_>, reply: &BatchReply<'_>) {
        self.out.extend_from_slice(name);
        self.field();
        self.out.extend(self.delimiters.encoding_characters());
        for number in [5, 6, 3, 4] {
            self.field();
            self.echo(Some(*answered.field(number)));
        }
        self.field();
        self.text(reply.sent_at);
        for _ in 0..4 {
            self.field();
        }
        self.text(reply.control_id);
        self.field();
        self.echo(Some(*answered.field(11)));
        self.end();
    }

    /// `BTS|count|comment` or `FTS|count|comment`.
    fn trailer(&mut self, name: &[u8], count: usize, comment: Option<String>) {
        self.out.extend_from_slice(name);
        self.field();
        self.text(&count.to_string());
        if let Some(comment) = comment {
            self.field();
            self.text(&comment);
        }
        self.end();
    }
}
