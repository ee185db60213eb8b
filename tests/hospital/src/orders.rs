//! ORM^O01, ORU^R01, RDE^O11, RDS^O13 and RAS^O17: what laboratory and pharmacy do for the hospital's patients.

use crate::adt;
use crate::config::Sender;
use crate::dialect::Dialect;
use crate::person::MARK;
use crate::scribe::{Clock, Scribe, Stay};
use crate::truth::{Consumption, MessageId, Order, Outcome};
use jiff::{SignedDuration, Timestamp};

/// Code, name, and what is measured: code, name, unit, range, least and most in hundredths.
type Test = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str, &'static str, &'static str, i64, i64)],
);

const TESTS: [Test; 3] = [
    (
        "BLC",
        "Blutbild, groß",
        &[
            ("HB", "Hämoglobin", "g/dl", "12.0-16.0", 900, 1_800),
            ("LEU", "Leukozyten", "/nl", "4.0-10.0", 200, 2_000),
        ],
    ),
    (
        "ELE",
        "Elektrolyte",
        &[
            ("NA", "Natrium", "mmol/l", "135-145", 12_500, 15_500),
            ("K", "Kalium", "mmol/l", "3.5-5.0", 280, 620),
        ],
    ),
    ("CRP", "C-reaktives Protein", &[("CRP", "CRP", "mg/l", "<5", 10, 20_000)]),
];

/// Code, name, unit.
const DRUGS: [(&str, &str, &str); 2] =
    [("MED-ANT", "Antibiotikum", "ST"), ("MED-INF", "Infusion 500 ml", "PK10")];

impl Scribe {
    /// A test is ordered and, unless it is called off, has a first result, a final one, and now and then a corrected one.
    pub(crate) fn tests(&mut self, mut clock: Clock, stay: &Stay) {
        let test = *self.chance.one(&TESTS);
        let at = clock.goes_on(&mut self.chance, (3, 40));
        let placer = self.number(Sender::Lab, "O");
        let message = self.post_order(at, stay, "NW", (&placer, test.0, test.1));
        self.truth.orders.push(order(stay, &placer, test.0, message));
        if self.chance.of_hundred(12) {
            let at = clock.goes_on(&mut self.chance, (2, 20));
            let message = self.post_order(at, stay, "CA", (&placer, test.0, test.1));
            self.says_order("CA", message);
            return;
        }
        let filler = self.number(Sender::Lab, "F");
        let observed_at = clock.goes_on(&mut self.chance, (5, 30));
        let mut values: Vec<i64> = Vec::new();
        for (_, _, _, _, least, most) in test.2 {
            values.push(self.chance.within(*least..=*most));
        }
        let result = Outcome {
            sender: Sender::Lab,
            placer,
            filler,
            patient: stay.person.id.clone(),
            visit: stay.visit.clone(),
            code: test.0.to_owned(),
            status: String::new(),
            values: Vec::new(),
            observed_at: to_the_minute(observed_at),
            messages: Vec::new(),
        };
        self.truth.results.push(result);
        let mut statuses = vec!["P", "F"];
        if self.chance.of_hundred(25) {
            statuses.push("C");
        }
        for status in statuses {
            if status == "C" {
                values[0] += self.chance.within(1..=99);
            }
            let at = clock.goes_on(&mut self.chance, (10, 60));
            self.says_result(at, stay, test, status, &values);
        }
    }

    /// A drug is ordered, handed out by the pharmacy and given on the ward.
    pub(crate) fn drugs(&mut self, mut clock: Clock, stay: &Stay) {
        let (code, name, unit) = *self.chance.one(&DRUGS);
        let placer = self.number(Sender::Lab, "R");
        let quantity = self.chance.within(1..=5);
        let at = clock.goes_on(&mut self.chance, (3, 40));
        let dialect = self.dialect(Sender::Lab);
        let orc = dialect.segment("ORC").put(1, "NW").text(2, &placer).time(9, Some(at)).end();
        let rxe = dialect.segment("RXE").parts(2, &[code, name, "L"]).put(3, quantity.to_string());
        let rxe = rxe.parts(5, &[unit]).put(10, quantity.to_string()).end();
        let message = self.post_for(Sender::Lab, at, ("RDE", "O11"), stay, vec![orc, rxe]);
        self.truth.orders.push(order(stay, &placer, code, message));

        let at = clock.goes_on(&mut self.chance, (5, 60));
        let lot = format!("LOT{}", self.chance.within(100..=999));
        let dialect = self.dialect(Sender::Lab);
        let orc = dialect.segment("ORC").put(1, "RE").text(2, &placer).end();
        let rxd = dialect.segment("RXD").put(1, "1").parts(2, &[code, name, "L"]).time(3, Some(at));
        let rxd =
            rxd.put(4, quantity.to_string()).parts(5, &[unit]).put(13, adt::place(dialect, stay.location));
        let rxd = rxd.text(18, &lot).put(19, "20291231").end();
        let message = self.post_for(Sender::Lab, at, ("RDS", "O13"), stay, vec![orc, rxd]);
        self.consumes("dispense", at, stay, (code, quantity, unit, &lot), message);

        let at = clock.goes_on(&mut self.chance, (5, 60));
        let dialect = self.dialect(Sender::North);
        let orc = dialect.segment("ORC").put(1, "RE").text(2, &placer).end();
        let rxa = dialect.segment("RXA").put(1, "0").put(2, "1").time(3, Some(at)).time(4, Some(at));
        let rxa = rxa.parts(5, &[code, name, "L"]).put(6, "1").parts(7, &["EA"]);
        let rxa = rxa.put(11, adt::place(dialect, stay.location)).text(15, &lot).put(16, "20291231").end();
        let message = self.post_for(Sender::North, at, ("RAS", "O17"), stay, vec![orc, rxa]);
        self.consumes("administration", at, stay, (code, 1, "EA", &lot), message);
    }

    fn consumes(
        &mut self,
        source: &str,
        at: Timestamp,
        stay: &Stay,
        (code, quantity, unit, lot): (&str, i64, &str, &str),
        message: MessageId,
    ) {
        self.truth.consumptions.push(Consumption {
            sender: message.sender,
            source: source.to_owned(),
            patient: stay.person.id.clone(),
            visit: stay.visit.clone(),
            code: code.to_owned(),
            quantity,
            unit: unit.to_owned(),
            lot: lot.to_owned(),
            location: stay.location.0.to_owned(),
            consumed_at: at,
            message,
        });
    }

    fn post_order(
        &mut self,
        at: Timestamp,
        stay: &Stay,
        control: &str,
        (placer, code, name): (&str, &str, &str),
    ) -> MessageId {
        let dialect = self.dialect(Sender::Lab);
        let orc = dialect.segment("ORC").put(1, control).text(2, placer).time(9, Some(at)).end();
        let obr = request(dialect, placer, "", (code, name)).end();
        self.post_for(Sender::Lab, at, ("ORM", "O01"), stay, vec![orc, obr])
    }

    /// The last order was said again.
    fn says_order(&mut self, control: &str, message: MessageId) {
        if let Some(order) = self.truth.orders.last_mut() {
            control.clone_into(&mut order.control);
            order.messages.push(message);
        }
    }

    /// The last result is said (again).
    fn says_result(&mut self, at: Timestamp, stay: &Stay, test: Test, status: &str, values: &[i64]) {
        let Some(result) = self.truth.results.last() else { return };
        let (placer, filler, observed_at) =
            (result.placer.clone(), result.filler.clone(), result.observed_at);
        let dialect = self.dialect(Sender::Lab);
        let obr = request(dialect, &placer, &filler, (test.0, test.1));
        let mut body = vec![obr.put(7, dialect.minute(observed_at)).put(25, status).end()];
        let mut said = Vec::new();
        for (number, ((code, name, unit, range, ..), hundredths)) in test.2.iter().zip(values).enumerate() {
            let value = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            let obx = dialect.segment("OBX").put(1, (number + 1).to_string()).put(2, "NM");
            let obx = obx.parts(3, &[code, name, "L"]).text(5, &value).parts(6, &[unit]).text(7, range);
            body.push(obx.put(11, status).put(14, dialect.minute(observed_at)).end());
            said.push(((*code).to_owned(), value));
        }
        body.push(
            dialect.segment("NTE").put(1, "1").text(3, &format!("{MARK}-Note: geprüft! für Station")).end(),
        );
        let message = self.post_for(Sender::Lab, at, ("ORU", "R01"), stay, body);
        if let Some(result) = self.truth.results.last_mut() {
            status.clone_into(&mut result.status);
            result.values = said;
            result.messages.push(message);
        }
    }

    /// A message with the PID and the PV1 of a stay in front.
    fn post_for(
        &mut self,
        sender: Sender,
        at: Timestamp,
        kind: (&'static str, &'static str),
        stay: &Stay,
        more: Vec<String>,
    ) -> MessageId {
        let dialect = self.dialect(sender);
        let mut body = vec![adt::person(dialect, stay), adt::visit(dialect, stay)];
        body.extend(more);
        self.post(sender, at, kind, body, (Some(&stay.person), Some(stay.visit.as_str())))
    }
}

fn order(stay: &Stay, placer: &str, code: &str, message: MessageId) -> Order {
    Order {
        sender: Sender::Lab,
        placer: placer.to_owned(),
        patient: stay.person.id.clone(),
        visit: stay.visit.clone(),
        control: "NW".to_owned(),
        code: code.to_owned(),
        messages: vec![message],
    }
}

fn request<'d>(
    dialect: &'d Dialect,
    placer: &str,
    filler: &str,
    (code, name): (&str, &str),
) -> crate::dialect::Segment<'d> {
    let obr = dialect.segment("OBR").put(1, "1").text(2, placer).text(3, filler);
    obr.parts(4, &[code, name, "L"])
}

/// What is left of a time whose seconds are not said.
fn to_the_minute(at: Timestamp) -> Timestamp {
    at - SignedDuration::from_secs(at.as_second().rem_euclid(60))
}
