//! Courses of the clinic's patients.

use crate::config::Sender;
use crate::person::Person;
use crate::scribe::{Clock, Place, Scribe, Stay};

/// How many courses there are; patients go through them in turn.
pub(crate) const COURSES: usize = 14;

const ROOMS: [Place; 2] = [("D1", "R4", ""), ("D2", "P1", "")];

impl Scribe {
    /// A patient's day in the clinic.
    pub(crate) fn office(&mut self, number: usize, course: usize) {
        let seed = self.seed;
        let mut person = Person::invent(Sender::Clinic, seed, number, &mut self.chance);
        let mut clock = self.clock();
        match course {
            0..=2 => self.has_an_appointment(&mut clock, &person, course),
            3 => self.does_not_come(&mut clock, &person, "S15", (10, 110)),
            4 => self.does_not_come(&mut clock, &person, "S26", (125, 180)),
            5 => self.pays_too_much(&mut clock, &person),
            6 => self.walks_in(&mut clock, &person, 100),
            7 => self.is_entered(&mut clock, &mut person),
            8 => self.is_there_twice(&mut clock, &person, "A34"),
            9 => self.is_there_twice(&mut clock, &person, "A18"),
            10 => self.has_two_accounts(&mut clock, &person, "A35"),
            11 => self.has_two_accounts(&mut clock, &person, "A41"),
            12 => self.has_two_accounts(&mut clock, &person, "A44"),
            _ => drop(self.is_seen(&mut clock, &person, 1)),
        }
    }

    /// Registered, and so many messages with charges.
    fn is_seen(&mut self, clock: &mut Clock, person: &Person, messages: i64) -> Stay {
        let at = clock.goes_on(&mut self.chance, (0, 20));
        let room = *self.chance.one(&ROOMS);
        let mut stay = self.stay(person, "O", room, at);
        self.says_visit("A04", at, &mut stay);
        self.is_billed(clock, &stay, messages);
        stay
    }

    fn is_billed(&mut self, clock: &mut Clock, stay: &Stay, messages: i64) {
        for _ in 0..messages {
            let at = clock.goes_on(&mut self.chance, (5, 40));
            let count = 1 + self.chance.below(3);
            self.charges(at, stay, count);
        }
    }

    fn walks_in(&mut self, clock: &mut Clock, person: &Person, late_of_hundred: u64) {
        let mut stay = self.is_seen(clock, person, 1);
        let at = clock.goes_on(&mut self.chance, (1, 10));
        stay.person.moves_house(&mut self.chance);
        self.says_visit("A08", at, &mut stay);
        self.leaves(clock, &mut stay, late_of_hundred);
    }

    /// S12; in turn as booked, at another time (S13), changed (S14) and expected (A05).
    fn has_an_appointment(&mut self, clock: &mut Clock, person: &Person, course: usize) {
        let at = clock.goes_on(&mut self.chance, (0, 20));
        let place = self.books(at, person, 3);
        let at = clock.goes_on(&mut self.chance, (5, 60));
        match course {
            0 => return self.walks_in(clock, person, 20),
            1 => self.reschedules(at, person, place),
            _ => self.says_appointment("S14", at, person, place),
        }
        let at = clock.goes_on(&mut self.chance, (1, 10));
        let mut stay = self.stay(person, "O", ROOMS[0], at);
        self.says_visit("A05", at, &mut stay);
        let at = clock.goes_on(&mut self.chance, (30, 90));
        stay.admitted_at = at;
        self.visit(&stay).admitted_at = at;
        self.says_visit("A04", at, &mut stay);
        self.is_billed(clock, &stay, 1);
        self.leaves(clock, &mut stay, 20);
    }

    /// Called off before the time (S15), or not there when it has come (S26).
    fn does_not_come(
        &mut self,
        clock: &mut Clock,
        person: &Person,
        trigger: &'static str,
        minutes: (i64, i64),
    ) {
        let at = clock.goes_on(&mut self.chance, (0, 20));
        let place = self.books(at, person, 2);
        let at = clock.goes_on(&mut self.chance, minutes);
        self.says_appointment(trigger, at, person, place);
    }

    /// CD before the end and behind it.
    fn pays_too_much(&mut self, clock: &mut Clock, person: &Person) {
        let first = self.truth.charges.len();
        let mut stay = self.is_seen(clock, person, 2);
        let at = clock.goes_on(&mut self.chance, (1, 10));
        self.credits(at, &stay, first);
        self.leaves(clock, &mut stay, 0);
        let at = clock.goes_on(&mut self.chance, (10, 60));
        self.credits(at, &stay, first + 1);
    }

    fn is_entered(&mut self, clock: &mut Clock, person: &mut Person) {
        let at = clock.goes_on(&mut self.chance, (0, 20));
        self.says_person("A28", at, person);
        let at = clock.goes_on(&mut self.chance, (5, 60));
        person.moves_house(&mut self.chance);
        self.says_person("A31", at, person);
        let at = clock.goes_on(&mut self.chance, (5, 60));
        self.books(at, person, 24);
    }

    /// A34 and A18, as old systems merge.
    fn is_there_twice(&mut self, clock: &mut Clock, person: &Person, trigger: &'static str) {
        let twice = person.duplicate();
        let at = clock.goes_on(&mut self.chance, (0, 20));
        self.says_person("A28", at, &twice);
        let mut stay = self.is_seen(clock, person, 1);
        let at = clock.goes_on(&mut self.chance, (5, 60));
        self.merges(trigger, at, person, &twice);
        self.leaves(clock, &mut stay, 0);
    }

    /// A35, A41 and A44: the second account, with a charge, goes into the first.
    fn has_two_accounts(&mut self, clock: &mut Clock, person: &Person, trigger: &'static str) {
        let mut stay = self.is_seen(clock, person, 1);
        let mistake = self.is_seen(clock, person, 1);
        let at = clock.goes_on(&mut self.chance, (5, 60));
        self.moves_visit(trigger, at, &mistake, &mut stay);
        self.leaves(clock, &mut stay, 0);
    }
}
