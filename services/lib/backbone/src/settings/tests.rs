//! The layers, the mistakes, the secrets and the help, without a process.

use super::*;
use crate::kafka::SecurityProtocol;
use std::time::Duration;

const SECRET: &str = "correct horse battery staple, twice over";

fn inputs(args: &[&str], variables: &[(&'static str, &'static str)], file: &str) -> Inputs {
    let mut all = vec!["ehr-adapter", "--config", "/etc/v.yaml"];
    all.extend(args);
    Inputs::new(all, variables.iter().copied())
        .with_file("/etc/v.yaml", file)
        .with_file("/run/secret", SECRET)
}

fn small(spec: &mut Spec) -> (Setting<Duration>, Setting<usize>, Setting<Option<Secret>>) {
    let mut scope = spec.all();
    let lease = scope
        .duration("lease", "how long")
        .range(Duration::from_secs(1)..=Duration::from_secs(60))
        .default("10s");
    let batch = scope.number("batch-max", "how many").range(1..=1000).default("500");
    let password = scope.secret("password", "a password").optional();
    (lease, batch, password)
}

#[track_caller]
fn check_lease(args: &[&str], variables: &[(&'static str, &'static str)], file: &str, expected_ms: u64) {
    let mut spec = Spec::new("ehr-adapter", "test");
    let (lease, ..) = small(&mut spec);
    let values = spec.parse(&inputs(args, variables, file)).expect("valid");
    assert_eq!(*values.get(&lease), Duration::from_millis(expected_ms));
}

#[test]
fn a_flag_wins_over_a_variable_over_the_file_over_the_default() {
    let variable = ("VERTEBRA_LEASE", "3s");
    check_lease(&["--lease", "2s"], &[variable], "lease: 4s", 2_000);
    check_lease(&["--lease=2s"], &[variable], "lease: 4s", 2_000);
    check_lease(&[], &[variable], "lease: 4s", 3_000);
    check_lease(&[], &[("VERTEBRA_LEASE", "")], "lease: 4s", 4_000);
    check_lease(&[], &[], "lease: 4s", 4_000);
    check_lease(&[], &[], "", 10_000);
}

#[track_caller]
fn check_duration(text: &str, expected_ms: Option<u64>) {
    assert_eq!(text::duration(text).ok(), expected_ms.map(Duration::from_millis), "{text}");
}

#[test]
fn durations_are_written_with_their_units() {
    check_duration("0", Some(0));
    check_duration("500ms", Some(500));
    check_duration("10s", Some(10_000));
    check_duration("1h30m", Some(5_400_000));
    check_duration("2d", Some(172_800_000));
    for wrong in ["", "10", "s", "1.5s", "-1s", "1x", "99999999999999999999s", "400000000000d"] {
        check_duration(wrong, None);
    }
}

#[test]
fn amounts_of_bytes_are_written_with_their_units() {
    assert_eq!(text::bytes("8MiB"), Ok(8_388_608));
    assert_eq!(text::bytes("65536"), Ok(65_536));
    assert!(text::bytes("8MB").is_err());
    assert!(text::bytes("").is_err());
}

#[track_caller]
fn check_mistakes(args: &[&str], variables: &[(&'static str, &'static str)], file: &str, expected: &[&str]) {
    let mut spec = Spec::new("ehr-adapter", "test");
    small(&mut spec);
    spec.all().text("registry", "where").required();
    let stop = spec.parse(&inputs(args, variables, file)).expect_err("mistakes");
    let Stop::Mistakes(mistakes) = stop else { panic!("not mistakes: {stop:?}") };
    let told: Vec<String> = mistakes.0.iter().map(Mistake::to_string).collect();
    assert_eq!(told, expected);
    assert!(!mistakes.to_string().contains(SECRET));
}

#[test]
fn all_mistakes_are_told_at_once_with_where_the_value_came_from_and_what_to_do() {
    check_mistakes(
        &["--lease", "10 parsecs", "--colour", "red"],
        &[("VERTEBRA_BATCH_MAX", "1001"), ("VERTEBRA_LAESE", "1s")],
        "leese: 4s\nsurname: x\npassword: hunter2\n",
        &[
            "unexpected argument '--colour' found",
            "leese: not a setting, in /etc/v.yaml; did you mean lease?",
            "password: a secret is not written into /etc/v.yaml; name its file there as password-file, or set \
             VERTEBRA_PASSWORD",
            "surname: not a setting of this service, in /etc/v.yaml; take it out",
            "VERTEBRA_LAESE: not a setting; did you mean VERTEBRA_LEASE?",
            "lease: `10 parsecs` from --lease is not a duration such as 500ms, 10s, 5m, 2h or 3d",
            "batch-max: `1001` from VERTEBRA_BATCH_MAX is not between 1 and 1000",
            "registry: missing; give --registry, VERTEBRA_REGISTRY or registry in the file",
        ],
    );
}

#[test]
fn a_value_out_of_range_in_the_file_names_the_file_and_the_key() {
    check_mistakes(
        &["--registry", "x"],
        &[],
        "lease: 2m",
        &["lease: `2m` from lease in /etc/v.yaml is not between 1s and 1m"],
    );
}

#[test]
fn a_file_that_is_not_yaml_or_not_there_is_a_mistake_among_others() {
    check_mistakes(
        &["--registry", "x", "--lease", "1"],
        &[],
        "- one\n- two\n",
        &[
            "config: /etc/v.yaml is not a YAML mapping of settings: its top level is not a mapping",
            "lease: `1` from --lease is not a duration such as 500ms, 10s, 5m, 2h or 3d",
        ],
    );
    let spec = Spec::new("ehr-adapter", "test");
    let stop =
        spec.parse(&Inputs::new(["ehr-adapter"], [("VERTEBRA_CONFIG", "/nowhere")])).expect_err("missing");
    let Stop::Mistakes(mistakes) = stop else { panic!("not mistakes") };
    assert!(mistakes.to_string().contains("config: /nowhere named by VERTEBRA_CONFIG cannot be read"));
}

#[test]
fn a_secret_comes_from_a_file_or_a_variable_and_is_never_printed() {
    for (args, variables, file) in [
        (vec!["--password-file", "/run/secret"], vec![], ""),
        (vec![], vec![("VERTEBRA_PASSWORD_FILE", "/run/secret")], ""),
        (vec![], vec![("VERTEBRA_PASSWORD", SECRET)], ""),
        (vec![], vec![], "password-file: /run/secret"),
    ] {
        let mut spec = Spec::new("ehr-adapter", "test");
        let (_, _, password) = small(&mut spec);
        let values = spec.parse(&inputs(&args, &variables, file)).expect("valid");
        assert_eq!(values.get(&password).as_ref().map(Secret::reveal), Some(SECRET));
        for printed in [format!("{values:?}"), format!("{:?}", values.get(&password)), values.render()] {
            assert!(!printed.contains(SECRET), "{printed}");
        }
    }
    check_mistakes(
        &["--registry", "x", "--password-file", "/nowhere"],
        &[],
        "",
        &["password: /nowhere named by --password-file cannot be read: entity not found"],
    );
    check_mistakes(
        &["--registry", "x", "--password-file", "/run/secret"],
        &[("VERTEBRA_PASSWORD", SECRET)],
        "",
        &["password: given both by VERTEBRA_PASSWORD and by a file; leave one out"],
    );
    check_mistakes(
        &["--registry", "x", "--password", SECRET],
        &[],
        "",
        &["unexpected argument '--password' found"],
    );
}

#[test]
fn check_config_prints_what_is_in_effect_and_where_it_came_from() {
    let mut spec = Spec::new("ehr-adapter", "test");
    small(&mut spec);
    let given =
        inputs(&["--check-config", "--password-file", "/run/secret"], &[("VERTEBRA_LEASE", "3s")], "");
    let stop = spec.parse(&given).expect_err("an end");
    let Stop::Said(text) = stop else { panic!("not said: {stop:?}") };
    let expected = "lease     = 3s  (from VERTEBRA_LEASE)\n\
                    batch-max = 500  (from its default)\n\
                    password  = [secret]  (from --password-file)\n";
    assert_eq!(text, expected);
}

#[test]
fn help_groups_the_settings_and_teaches_their_variables_and_defaults() {
    let mut spec = Spec::new("ehr-adapter", "lands messages");
    let land = spec.command("land", "listens");
    Common::declare(spec.all());
    Ledger::declare(spec.within(&[land]));
    let stop = spec.parse(&Inputs::new(["ehr-adapter", "land", "--help"], [])).expect_err("an end");
    let Stop::Said(text) = stop else { panic!("not said: {stop:?}") };
    for wanted in [
        "Kafka and the registry:",
        "Ledger:",
        "[env: VERTEBRA_KAFKA_BOOTSTRAP]",
        "[default: 10s]",
        "2s to 2m",
        "--postgres-password-file <FILE>",
        "--config <FILE>",
    ] {
        assert!(text.contains(wanted), "{wanted} is not in\n{text}");
    }
}

#[test]
fn settings_of_another_sub_command_are_known_and_not_wanted() {
    let mut spec = Spec::new("ehr-adapter", "test");
    let land = spec.command("land", "listens");
    let translate = spec.command("translate", "translates");
    let listen = spec.within(&[land]).address("mllp-listen", "where").default("127.0.0.1:2575");
    spec.within(&[translate]).text("postgres", "where").required();
    let values = spec.parse(&inputs(&["land"], &[], "postgres: x")).expect("valid");
    assert_eq!((values.command(), values.get(&listen).port()), (Some("land"), 2575));

    let stop = spec.parse(&inputs(&["translate"], &[], "")).expect_err("missing");
    assert!(matches!(stop, Stop::Mistakes(mistakes) if mistakes.0[0].name == "postgres"));
    let stop = spec.parse(&inputs(&[], &[], "")).expect_err("no command");
    let Stop::Mistakes(mistakes) = stop else { panic!("not mistakes") };
    assert!(mistakes.to_string().contains("requires a subcommand"), "{mistakes}");
}

#[test]
fn two_settings_of_one_name_are_a_mistake_of_the_program() {
    let mut spec = Spec::new("ehr-adapter", "test");
    spec.all().text("name", "once").optional();
    spec.all().text("name", "twice").optional();
    let stop = spec.parse(&Inputs::new(["ehr-adapter"], [])).expect_err("twice");
    assert!(matches!(stop, Stop::Mistakes(mistakes) if mistakes.0[0].problem == Problem::DeclaredTwice));
}

fn whole() -> (Spec, Common, Ledger) {
    let mut spec = Spec::new("billing-projector", "folds");
    let common = Common::declare(spec.all());
    let ledger = Ledger::declare(spec.all());
    (spec, common, ledger)
}

const URLS: [(&str, &str); 2] = [
    ("VERTEBRA_REGISTRY_URL", "http://127.0.0.1:8081"),
    ("VERTEBRA_POSTGRES_URL", "postgres://me:hunter2@db/v"),
];

#[test]
fn nested_keys_and_lists_of_the_file_are_the_flat_names() {
    let (spec, common, ledger) = whole();
    let file = "kafka:\n  bootstrap: [a:1, b:2]\n  security-protocol: sasl_ssl\n  sasl: {username: me}\nlog-format: text\n";
    let mut variables = URLS.to_vec();
    variables.push(("VERTEBRA_KAFKA_SASL_PASSWORD", SECRET));
    variables.push(("VERTEBRA_SOMEBODY_ELSES", "x"));
    variables.push(("VERTEBRA_TEST_KAFKA", "x"));
    let values = spec.parse(&inputs(&[], &variables, file)).expect("valid");
    let read = common.values("billing-projector", &values);
    assert_eq!(read.kafka.bootstrap, "a:1,b:2");
    assert_eq!(read.kafka.protocol, SecurityProtocol::SaslSsl);
    assert_eq!(read.log_format, LogFormat::Text);
    assert_eq!(values.notices(), ["VERTEBRA_SOMEBODY_ELSES"]);
    let printed = format!("{read:?} {:?} {}", ledger.values(&values), values.render());
    assert!(!printed.contains(SECRET) && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn what_does_not_go_together_is_told_when_each_is_valid_by_itself() {
    let (spec, ..) = whole();
    let mut variables = URLS.to_vec();
    variables.extend([
        ("VERTEBRA_KAFKA_BOOTSTRAP", "k:9092"),
        ("VERTEBRA_KAFKA_SECURITY_PROTOCOL", "sasl_ssl"),
        ("VERTEBRA_POSTGRES_PASSWORD", "again"),
    ]);
    let stop = spec.parse(&inputs(&[], &variables, "")).expect_err("mistakes");
    let Stop::Mistakes(mistakes) = stop else { panic!("not mistakes") };
    let names: Vec<&str> = mistakes.0.iter().map(|mistake| mistake.name.as_str()).collect();
    assert_eq!(names, ["kafka-sasl-username", "kafka-sasl-password", "postgres-url"]);
}

#[test]
fn a_password_within_a_url_comes_from_the_environment_only() {
    let (spec, ..) = whole();
    let args = ["--postgres-url", "postgres://me:hunter2@db/v", "--kafka-bootstrap", "k:1"];
    let stop = spec.parse(&inputs(&args, &URLS, "")).expect_err("refused");
    let Stop::Mistakes(mistakes) = stop else { panic!("not mistakes") };
    let text = mistakes.to_string();
    assert!(text.contains("postgres-url: the URL from --postgres-url holds a password"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}
