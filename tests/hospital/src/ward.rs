//! Courses of the hospital's patients: what one goes through in a day.

use crate::config::Sender;
use crate::person::Person;
use crate::scribe::{Clock, Place, Scribe, Stay};

/// How many courses there are; patients go through them in turn.
pub(crate) const COURSES: usize = 16;

const WARDS: [Place; 4] =
    [("WARD-3", "301", "1"), ("WARD-3", "304", "2"), ("WARD-5", "511", "1"), ("ICU", "1", "4")];
const EMERGENCY: Place = ("ED", "2", "");

impl Scribe {
    /// A patient's day in the hospital; `unaided` is without laboratory and pharmacy.
    pub(crate) fn ward(&mut self, number: usize, course: usize) {
        let seed = self.seed;
        let mut person = Person::invent(Sender::North, seed, number, &mut self.chance);
        let mut clock = self.clock();
        match course {
            0 | 13 | 15 => self.stays(&mut clock, &person, course),
            1 => self.comes_for_the_day(&mut clock, &person),
            2 => self.was_expected(&mut clock, &person),
            3 => self.is_not_moved(&mut clock, &person),
            4 => self.does_not_stay(&mut clock, &person),
            5 => self.comes_back(&mut clock, &person, true),
            6 => self.changes_class(&mut clock, &person, "A06"),
            7 => self.changes_class(&mut clock, &person, "A07"),
            8 => self.is_known_before(&mut clock, &mut person),
            9 => self.was_registered_twice(&mut clock, &person),
            10 => self.was_opened_twice(&mut clock, &person),
            11 => drop(self.is_there(&mut clock, &person, 3)),
            12 => self.is_charged_wrongly(&mut clock, &person),
            _ => self.comes_back(&mut clock, &person, false),
        }
    }

    /// Admitted, and so many messages with charges.
    fn is_there(&mut self, clock: &mut Clock, person: &Person, messages: i64) -> Stay {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        let ward = *self.chance.one(&WARDS);
        let mut stay = self.stay(person, "I", ward, at);
        self.says_visit("A01", at, &mut stay);
        self.is_treated(clock, &mut stay, messages);
        stay
    }

    /// Charges, updates, tests, drugs and supplies.
    fn is_treated(&mut self, clock: &mut Clock, stay: &mut Stay, messages: i64) {
        for _ in 0..messages {
            let at = clock.goes_on(&mut self.chance, (5, 90));
            let count = 1 + self.chance.below(4);
            self.charges(at, stay, count);
            if self.chance.of_hundred(20) {
                let at = clock.goes_on(&mut self.chance, (1, 20));
                stay.person.moves_house(&mut self.chance);
                self.says_visit("A08", at, stay);
            }
        }
        if self.chance.of_hundred(50) {
            self.tests(*clock, stay);
        }
        if self.chance.of_hundred(35) {
            self.drugs(*clock, stay);
        }
        if self.chance.of_hundred(25) {
            let at = clock.goes_on(&mut self.chance, (1, 9));
            self.takes_supplies(at, stay);
        }
        if self.chance.of_hundred(12) {
            self.is_wrong(clock, stay);
        }
    }

    /// The last charge is taken back, corrected or adjusted.
    fn is_wrong(&mut self, clock: &mut Clock, stay: &Stay) {
        let last = self.truth.charges.len() - 1;
        let at = clock.goes_on(&mut self.chance, (2, 30));
        match self.chance.below(3) {
            0 => self.credits(at, stay, last),
            1 => self.adjusts(at, stay, last),
            _ => self.corrects(at, stay, last),
        }
    }

    /// Discharged; now and then a charge comes late.
    pub(crate) fn leaves(&mut self, clock: &mut Clock, stay: &mut Stay, late_of_hundred: u64) {
        let at = clock.goes_on(&mut self.chance, (10, 120));
        self.says_visit("A03", at, stay);
        if self.chance.of_hundred(late_of_hundred) {
            let at = clock.goes_on(&mut self.chance, (10, 120));
            self.charges(at, stay, 1);
        }
    }

    fn stays(&mut self, clock: &mut Clock, person: &Person, course: usize) {
        let messages = if course == 15 { 6 } else { 3 };
        let mut stay = self.is_there(clock, person, messages);
        stay.person.deceased = course == 13;
        self.leaves(clock, &mut stay, 25);
    }

    fn comes_for_the_day(&mut self, clock: &mut Clock, person: &Person) {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        let mut stay = self.stay(person, "O", EMERGENCY, at);
        self.says_visit("A04", at, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        self.leaves(clock, &mut stay, 100);
    }

    /// A05, A01, and two beds.
    fn was_expected(&mut self, clock: &mut Clock, person: &Person) {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        let mut stay = self.stay(person, "P", WARDS[0], at);
        self.says_visit("A05", at, &mut stay);
        let at = clock.goes_on(&mut self.chance, (30, 90));
        stay.class = "I";
        stay.admitted_at = at;
        self.visit(&stay).admitted_at = at;
        self.says_visit("A01", at, &mut stay);
        for ward in [WARDS[3], WARDS[2]] {
            self.is_treated(clock, &mut stay, 1);
            let at = clock.goes_on(&mut self.chance, (10, 60));
            stay.prior = Some(stay.location);
            stay.location = ward;
            self.says_visit("A02", at, &mut stay);
        }
        self.leaves(clock, &mut stay, 25);
    }

    /// A02, and A12 that takes it back.
    fn is_not_moved(&mut self, clock: &mut Clock, person: &Person) {
        let mut stay = self.is_there(clock, person, 1);
        let was = stay.location;
        let at = clock.goes_on(&mut self.chance, (10, 60));
        stay.prior = Some(was);
        stay.location = if was == WARDS[3] { WARDS[0] } else { WARDS[3] };
        self.says_visit("A02", at, &mut stay);
        let at = clock.goes_on(&mut self.chance, (1, 10));
        stay.prior = None;
        stay.location = was;
        self.says_visit("A12", at, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        self.leaves(clock, &mut stay, 25);
    }

    /// A11: what was charged is taken back.
    fn does_not_stay(&mut self, clock: &mut Clock, person: &Person) {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        let mut stay = self.stay(person, "I", WARDS[1], at);
        self.says_visit("A01", at, &mut stay);
        let at = clock.goes_on(&mut self.chance, (1, 9));
        self.charges(at, &stay, 1);
        let at = clock.goes_on(&mut self.chance, (1, 9));
        self.credits(at, &stay, self.truth.charges.len() - 1);
        let at = clock.goes_on(&mut self.chance, (1, 30));
        self.says_visit("A11", at, &mut stay);
    }

    /// A13: the discharge is cancelled; the patient leaves for good later, or is still there.
    fn comes_back(&mut self, clock: &mut Clock, person: &Person, leaves: bool) {
        let mut stay = self.is_there(clock, person, 2);
        self.leaves(clock, &mut stay, 50);
        let at = clock.goes_on(&mut self.chance, (10, 60));
        self.says_visit("A13", at, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        if leaves {
            self.leaves(clock, &mut stay, 50);
        }
    }

    /// A06: a day's patient stays; A07: one who stayed comes by day from now on.
    fn changes_class(&mut self, clock: &mut Clock, person: &Person, trigger: &'static str) {
        let becomes_inpatient = trigger == "A06";
        let at = clock.goes_on(&mut self.chance, (0, 10));
        let (class, place) = if becomes_inpatient { ("E", EMERGENCY) } else { ("I", WARDS[0]) };
        let mut stay = self.stay(person, class, place, at);
        self.says_visit(if becomes_inpatient { "A04" } else { "A01" }, at, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        let at = clock.goes_on(&mut self.chance, (10, 60));
        stay.prior = Some(stay.location);
        (stay.class, stay.location) = if becomes_inpatient { ("I", WARDS[2]) } else { ("O", EMERGENCY) };
        self.says_visit(trigger, at, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        self.leaves(clock, &mut stay, 25);
    }

    /// A28 and A31 before, A08 behind the discharge.
    fn is_known_before(&mut self, clock: &mut Clock, person: &mut Person) {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        self.says_person("A28", at, person);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        person.moves_house(&mut self.chance);
        self.says_person("A31", at, person);
        let mut stay = self.is_there(clock, person, 2);
        self.leaves(clock, &mut stay, 25);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        stay.person.gives_up_phone();
        self.says_visit("A08", at, &mut stay);
    }

    /// A40: two numbers, each with a visit; the retired one's goes on under the other.
    fn was_registered_twice(&mut self, clock: &mut Clock, person: &Person) {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        self.says_person("A28", at, person);
        let twice = person.duplicate();
        let at = clock.goes_on(&mut self.chance, (5, 30));
        let mut stay = self.stay(&twice, "E", EMERGENCY, at);
        self.says_visit("A04", at, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        // Laboratory and pharmacy still know the old number: their clock is behind the merge's.
        let at = clock.goes_on(&mut self.chance, (60, 90));
        self.merges("A40", at, person, &twice);
        stay.person = person.clone();
        self.is_treated(clock, &mut stay, 1);
        self.leaves(clock, &mut stay, 25);
    }

    /// A45: a second visit was opened by mistake, with a charge, and goes into the first.
    fn was_opened_twice(&mut self, clock: &mut Clock, person: &Person) {
        let mut stay = self.is_there(clock, person, 1);
        let at = clock.goes_on(&mut self.chance, (1, 9));
        let mut mistake = self.stay(person, "I", stay.location, at);
        self.says_visit("A01", at, &mut mistake);
        let at = clock.goes_on(&mut self.chance, (1, 9));
        self.charges(at, &mistake, 1);
        let at = clock.goes_on(&mut self.chance, (10, 60));
        self.moves_visit("A45", at, &mistake, &mut stay);
        self.is_treated(clock, &mut stay, 1);
        self.leaves(clock, &mut stay, 0);
    }

    /// CD, AJ and a correction, before the discharge and behind it.
    fn is_charged_wrongly(&mut self, clock: &mut Clock, person: &Person) {
        let at = clock.goes_on(&mut self.chance, (0, 10));
        let mut stay = self.stay(person, "I", WARDS[0], at);
        self.says_visit("A01", at, &mut stay);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        let first = self.truth.charges.len();
        self.charges(at, &stay, 5);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.corrects(at, &stay, first);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.credits(at, &stay, first + 1);
        self.leaves(clock, &mut stay, 0);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.credits(at, &stay, first + 2);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.adjusts(at, &stay, first + 3);
        let at = clock.goes_on(&mut self.chance, (5, 30));
        self.corrects(at, &stay, first + 4);
    }
}
