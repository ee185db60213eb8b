//! Bad messages, each with patients of its own, so that what has to become of everybody else's is not in doubt.

use crate::config::Sender;
use crate::person::{MARK, Person};
use crate::scribe::{Clock, Scribe, Stay};
use crate::tables;
use crate::truth::{Bad, Fate};

impl Scribe {
    /// So many bad messages of every kind in turn, from the three senders in turn.
    pub(crate) fn bad_ones(&mut self, count: usize) {
        for number in 0..count {
            let why = Bad::ALL[number % Bad::ALL.len()];
            // Another sender each round; the laboratory has no visits of its own that could be bad.
            let home = [Sender::North, Sender::Clinic][number / Bad::ALL.len() % 2];
            let mut person = Person::invent(home, self.seed, 90_000 + number, &mut self.chance);
            person.id.push('B');
            let mut clock = self.clock();
            match why {
                Bad::UnknownCode => self.has_a_new_code(&mut clock, &person),
                Bad::NoNumber => self.has_no_number(&mut clock, &person),
                Bad::NoControlId | Bad::UnknownEvent | Bad::Test => self.is_odd(&mut clock, &person, why),
                Bad::NoPatient => self.is_nobodys(&mut clock, home),
                Bad::Garbage => self.is_garbage(&mut clock, Sender::ALL[number / Bad::ALL.len() % 3]),
            }
        }
    }

    fn begins(&mut self, clock: &mut Clock, person: &Person) -> Stay {
        let place = if person.home == Sender::Clinic { ("D1", "R4", "") } else { ("WARD-5", "512", "2") };
        let at = clock.goes_on(&mut self.chance, (0, 20));
        let mut stay = self.stay(person, "O", place, at);
        self.says_visit("A04", at, &mut stay);
        stay
    }

    /// A charge under a code that is mapped later.
    fn has_a_new_code(&mut self, clock: &mut Clock, person: &Person) {
        let mut stay = self.begins(clock, person);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.charges(at, &stay, 1);
        let rows: Vec<_> =
            tables::LATER.rows().into_iter().filter(|row| row.sender == person.home.name()).collect();
        let row = self.chance.one(&rows).clone();
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.charges_unmapped(at, &stay, &row);
        self.leaves(clock, &mut stay, 0);
    }

    /// An amount that is none; what comes behind of the same patient waits.
    fn has_no_number(&mut self, clock: &mut Clock, person: &Person) {
        let stay = self.begins(clock, person);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        let amount = *self.chance.one(&["12,50", "free", "1.2.3", "n/a"]);
        let message = self.charges_untold(at, &stay, Some(amount));
        self.bad(message, Bad::NoNumber);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        let behind = self.charges_untold(at, &stay, None);
        self.fate(behind, Fate::Behind { message: message.number });
    }

    /// A visit that goes well, and one message more whose header is odd.
    fn is_odd(&mut self, clock: &mut Clock, person: &Person, why: Bad) {
        let mut stay = self.begins(clock, person);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        let trigger = if why == Bad::UnknownEvent { "Z99" } else { "A08" };
        let message = self.post_visit(trigger, at, &stay, Vec::new());
        self.bad(message, why);
        self.leaves(clock, &mut stay, 0);
    }

    /// An ADT that says nothing of anybody.
    fn is_nobodys(&mut self, clock: &mut Clock, home: Sender) {
        let at = clock.now();
        let event = crate::adt::event(self.dialect(home), "A08", at);
        let message = self.post(home, at, ("ADT", "A08"), vec![event], (None, None));
        self.bad(message, Bad::NoPatient);
    }

    /// No HL7; what a printer or a scanner says on the wrong port. Never the bytes of a frame.
    fn is_garbage(&mut self, clock: &mut Clock, home: Sender) {
        let bytes: String =
            (0..40).map(|_| char::from(u8::try_from(self.chance.within(33..=126)).unwrap_or(b'x'))).collect();
        let message =
            self.post(home, clock.now(), ("garbage", ""), vec![format!("?{MARK}{bytes}")], (None, None));
        self.bad(message, Bad::Garbage);
    }
}
