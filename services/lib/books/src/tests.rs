use super::*;

fn account(sender: &str, day: &str) -> Account {
    let (facility, currency) = ("NORTH".to_owned(), "EUR".to_owned());
    Account { sender: sender.to_owned(), facility, day: day.to_owned(), currency }
}

fn books(accounts: &[(&str, &str, i64, &str)]) -> Books {
    let sums = |count, amount: &str| {
        let amount: Money = amount.parse().unwrap();
        Sums { count, charges: amount, posted: amount, ..Sums::default() }
    };
    let accounts =
        accounts.iter().map(|(sender, day, count, amount)| (account(sender, day), sums(*count, amount)));
    Books { accounts: accounts.collect(), ..Books::default() }
}

const HEADER: &str = "sender,facility,day,currency,count,amount\n";

#[track_caller]
fn check(control: &str, expected: &[&str]) {
    let books = books(&[
        ("hilltop", "2026-01-01", 2, "10.5"),
        ("lakeside", "2026-01-01", 3, "7"),
        ("lakeside", "2026-01-02", 1, "1"),
    ]);
    let control = Control::parse(&format!("{HEADER}{control}")).unwrap();
    let told: Vec<String> = books.differences(&control).iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
    assert_eq!(books.unbalanced(), Vec::<&Account>::new());
}

#[test]
fn control_totals_speak_for_their_senders_day() {
    check("", &[]);
    check("lakeside,NORTH,2026-01-01,EUR,3,7.00\n", &[]);
    check(
        "lakeside, NORTH, 2026-01-01, EUR, 3, 7.01\n",
        &["differs: lakeside NORTH 2026-01-01 EUR: 7 in 3 here, 7.01 in 3 by the control total"],
    );
    check(
        "hilltop,NORTH,2026-01-01,EUR,3,10.50\n",
        &["differs: hilltop NORTH 2026-01-01 EUR: 10.5 in 2 here, 10.5 in 3 by the control total"],
    );
    check(
        "hilltop,SOUTH,2026-01-01,EUR,2,10.50\n",
        &[
            "differs: hilltop NORTH 2026-01-01 EUR: 10.5 in 2 here, 0 in 0 by the control total",
            "differs: hilltop SOUTH 2026-01-01 EUR: 0 in 0 here, 10.5 in 2 by the control total",
        ],
    );
}

#[test]
fn control_totals_that_cannot_be_used_are_told_with_their_line() {
    let wrong = |text: &str| Control::parse(text).unwrap_err().to_string();
    let row = "a,N,2026-01-01,EUR,1,1\n";
    assert_eq!(wrong(&format!("{HEADER}{row}{row}")), "line 3: the account was given before");
    assert_eq!(wrong(&format!("{HEADER}a,N,1.1.2026,EUR,1,1\n")), "line 2: the day is not YYYY-MM-DD");
    for text in ["sender,day\na,2026-01-01\n", &format!("{HEADER}a,N,2026-01-01,EUR,one,1\n")] {
        assert_eq!(wrong(text), "the control totals cannot be read");
    }
}

#[test]
fn books_are_in_order_where_nothing_differs_nor_diverged() {
    let in_order = |edit: fn(&mut Books), control: Option<&str>| {
        let mut books = books(&[("lakeside", "2026-01-01", 3, "7")]);
        edit(&mut books);
        let control = control.map(|text| Control::parse(&format!("{HEADER}{text}")).unwrap());
        books.are_in_order(control.as_ref())
    };
    let as_they_are = |_: &mut Books| {};
    assert!(in_order(as_they_are, None));
    assert!(in_order(as_they_are, Some("lakeside,NORTH,2026-01-01,EUR,3,7\n")));
    assert!(!in_order(as_they_are, Some("lakeside,NORTH,2026-01-01,EUR,3,8\n")));
    let unbalanced = |books: &mut Books| {
        books.accounts.values_mut().for_each(|sums| sums.missing = "1".parse().unwrap());
    };
    assert!(!in_order(unbalanced, None));
    // By nothing: in another currency, say.
    let diverged = |books: &mut Books| {
        books.diverged.push(Diverged {
            request: "v1-1".to_owned(),
            facility: String::new(),
            owner: String::new(),
            since: "2026-01-01T00:00:00Z".to_owned(),
            what: "currency".to_owned(),
            currency: "EUR".to_owned(),
            amount: Money::ZERO,
        });
    };
    assert!(!in_order(diverged, None));
}

#[test]
fn an_amount_that_is_nowhere_is_told() {
    let mut books = books(&[("lakeside", "2026-01-01", 3, "7")]);
    for sums in books.accounts.values_mut() {
        sums.missing = "1".parse().unwrap();
    }
    assert_eq!(books.unbalanced(), [&account("lakeside", "2026-01-01")]);
    assert!(books.to_string().contains("1 is nowhere, or in two places"), "{books}");
}
