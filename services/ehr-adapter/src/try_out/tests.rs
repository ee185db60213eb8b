//! Files of messages in their forms, and the page.

use super::*;
use std::fs;

const SENDER: &str = "name: north\ntime_zone: UTC\ncurrency: EUR\npatient_authority: LAKESIDE\n\
    visit_paths: [PV1-19, PID-18]\nvisit_authority: LAKESIDE\ndft: both\n";

const ADT: &str = "MSH|^~\\&|A|LAKESIDE|V|HQ|20260301||ADT^A01|1|P|2.5\r\
    PID|1||4711^^^LAKESIDE||Muster^Erika|||||||||||||V1\r";

const DFT: &str = "MSH|^~\\&|A|LAKESIDE|V|HQ|20260301||DFT^P03|2|P|2.5\r\
    PID|1||4711^^^LAKESIDE||Muster^Erika|||||||||||||V1\r\
    FT1|1|T1||20260301||CG|A10|||1|5|||||W1\r";

const OTHER: &str = "MSH|^~\\&|A|LAKESIDE|V|HQ|20260301||MDM^T02|3|P|2.5\r";

#[track_caller]
fn check_split(bytes: &[u8], expected: &[&str], notes: usize) {
    let (messages, told) = messages::split(bytes);
    let messages: Vec<String> =
        messages.into_iter().map(|message| String::from_utf8(message).expect("text")).collect();
    assert_eq!((messages, told.len()), (expected.iter().map(|text| (*text).to_owned()).collect(), notes));
}

#[test]
fn messages_are_found_framed_batched_or_one_after_the_other() {
    let (adt, dft) = (ADT.trim_end(), DFT.trim_end());
    let framed = [hl7::mllp::encode(ADT.as_bytes()), hl7::mllp::encode(DFT.as_bytes())].concat();
    check_split(&framed, &[ADT, DFT], 0);
    check_split(&framed[..framed.len() - 2], &[ADT], 1);
    check_split(format!("{ADT}{DFT}").as_bytes(), &[ADT, DFT], 0);
    check_split(format!("\r\n\r\n{adt}\r\n\r\n\r\n{dft}\r\n\r\n").as_bytes(), &[ADT, DFT], 0);
    let (unix, second) = (adt.replace('\r', "\n"), dft.replace('\r', "\n"));
    check_split(
        format!("{unix}\n\n{second}\n").as_bytes(),
        &[&format!("{unix}\r"), &format!("{second}\r")],
        0,
    );
    check_split(format!("\u{feff}{ADT}").as_bytes(), &[&format!("\u{feff}{ADT}")], 0);
    check_split(format!("BHS|^~\\&\r{ADT}{DFT}BTS|3\r").as_bytes(), &[ADT, DFT], 1);
    check_split(b"PID|1\r\n", &["PID|1\r"], 0);
    check_split(b"", &[], 0);
}

/// A folder that is gone when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn of(files: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("vertebra-try-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&path).expect("a folder");
        for (name, text) in files {
            fs::write(path.join(name), text).expect("written");
        }
        Self(path)
    }

    #[track_caller]
    fn tried(&self, reveal: bool) -> Result<Page, String> {
        run(&Asked {
            sender: self.0.join("north.yaml"),
            messages: self.0.join("messages.hl7"),
            codes: Some(self.0.clone()),
            reveal,
            json: false,
            summary: false,
        })
        .map_err(|error| error.to_string().replace(&format!("{}/", self.0.display()), ""))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CHARGES: &str =
    "sender,code,target,valid_from,valid_to\n*,A10,GAUZE,,2026-01-01\n*,A10,SWAB,2026-01-01,\n";
const PLACES: &str = "table,code,target\nlocation,W1,WH/Ward 1\n";

fn all() -> String {
    format!("{ADT}{DFT}{OTHER}{ADT}")
}

#[test]
fn every_message_is_told_with_its_facts_and_no_patients_data() {
    let files =
        [("north.yaml", SENDER), ("charge.csv", CHARGES), ("places.csv", PLACES), ("messages.hl7", &all())];
    let folder = Folder::of(&files);
    let page = folder.tried(false).expect("tried");
    assert!(!page.parks());
    let text = page.text(false);
    for line in [
        "1  ADT^A01  control id 1: translated\n",
        "    clinical.encounter.v1  encounter/north/1/#1  at #1\n",
        "    clinical.patient.v1  patient/#3  at #3\n",
        "    billing.charge.v1  charge/north/#1/T1  at #1\n",
        "    supply.consumption.v1  consumption/north/#1/T1/SWAB@WH%2FWard 1  at SWAB@WH/Ward 1\n",
        "3  MDM^T02  control id 3: not translated\n    MDM^T02 comes to nothing: not_mapped\n",
        "4  ADT^A01  control id 1: sent again\n",
        "4 messages; 0 would wait behind others\n",
        "        1  ADT^A01  sent again\n",
        "        1  billing.charge.v1\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    assert!(
        text.contains("family=\"[redacted]\" given=\"[redacted]\" occurred_at=\"2026-03-01T00:00:00Z\""),
        "{text}"
    );
    for known in [&text, &page.json()] {
        assert!(!known.contains("Muster") && !known.contains("4711") && !known.contains("V1\""), "{known}");
    }
    assert!(folder.tried(true).expect("tried").text(false).contains("family=\"Muster\" "));
    assert!(!page.text(true).contains("encounter/north"), "a summary");
    assert_eq!(text, folder.tried(false).expect("tried").text(false), "the same in every run");
}

#[test]
fn what_parks_is_told_with_why_and_what_it_waits_for_and_who_would_wait_behind_it() {
    let late = ADT.replace("|1|P|", "|4|P|");
    let messages = format!("{DFT}{late}");
    let folder = Folder::of(&[("north.yaml", SENDER), ("places.csv", PLACES), ("messages.hl7", &messages)]);
    let page = folder.tried(false).expect("tried");
    assert!(page.parks());
    let page = page.json();
    let page: serde_json::Value = serde_json::from_str(&page).expect("JSON");
    let parked = &page["messages"][0]["parked"];
    assert_eq!(parked["reason"], "missing");
    assert_eq!(parked["waits_for"], "reference.code.v1 charge/north/A10");
    assert_eq!(page["messages"][1]["behind"], true);
    assert_eq!(page["summary"]["parked"][0]["count"], 1);
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    let told = |files: &[(&str, &str)]| match Folder::of(files).tried(false) {
        Ok(_) => panic!("tried"),
        Err(told) => told,
    };
    let mistaken = SENDER.replace("time_zone: UTC", "time_zone: Mars");
    assert_eq!(
        told(&[("north.yaml", &mistaken)]),
        "north.yaml:2: time_zone: is not a name such as Europe/Berlin"
    );
    assert_eq!(
        told(&[("north.yaml", SENDER), ("places.csv", PLACES)]),
        "messages.hl7 cannot be read: No such file or directory (os error 2)"
    );
    let codes = |text| told(&[("north.yaml", SENDER), ("messages.hl7", ADT), ("charge.csv", text)]);
    assert_eq!(
        codes("code,target,price\nA,B,cheap\n"),
        "charge.csv:2: `price` is not a number with a point and at most four decimals"
    );
    assert!(codes("code,target,colour\nA,B,red\n").contains("unknown field `colour`"));
    let none = told(&[("north.yaml", SENDER), ("messages.hl7", ADT)]);
    assert!(none.ends_with(": there is no code table (*.csv) in this folder"), "{none}");
}

#[test]
fn only_its_own_command_line_is_taken() {
    let of = |words: &[&str]| asked(words.iter().map(OsString::from));
    assert!(of(&["ehr-adapter", "land"]).is_none());
    assert!(of(&["ehr-adapter"]).is_none());
    assert!(of(&["ehr-adapter", "try"]).is_some(), "it says what is missing");
}
