//! Two installations and one mailbox: the mark in it tells them from each other.

use super::story::Office;

/// The office asked for the mark an hour earlier than it did.
fn an_hour_passes_for(office: &Office) {
    let db = rusqlite::Connection::open(office.person.at("mail/.mailplumb/state.db")).unwrap();
    let changed = db.execute("UPDATE claims_asked SET at = at - 3600000000", []).unwrap();
    assert_eq!(changed, 1);
}

fn asked_for_the_mark(office: &Office) -> usize {
    let calls = office.playground.exchange().calls();
    calls.iter().filter(|call| call.operation == "GetUserConfiguration").count()
}

#[test]
fn a_second_installation_is_refused_and_takes_over_only_as_declared() {
    let first = Office::opens();
    first.person.types("apply --auto-approve").ends(0).says("2 passed, 0 failed");
    let mut second = Office::opens();
    second.joins(&first.playground);
    let refused = second.person.types("apply --auto-approve");
    let refused = refused.says("another installation synchronises this mailbox").says("takeOverFrom");
    let holder = refused
        .stderr
        .split("installation ")
        .find_map(|rest| rest.split(' ').next().filter(|word| word.len() == 32).map(str::to_owned))
        .or_else(|| {
            let rest = refused.stdout.split("installation ");
            rest.into_iter()
                .find_map(|rest| rest.split(' ').next().filter(|word| word.len() == 32).map(str::to_owned))
        })
        .unwrap_or_else(|| panic!("{refused:#?}"));
    first.person.types("sync").ends(0);

    second.person.replace(
        "mail/mailplumb.yaml",
        "approved: anna@contoso.example",
        &format!("approved: anna@contoso.example\n  claim: {{ takeOverFrom: {} }}", &holder[..8]),
    );
    second.person.types("apply --auto-approve").says("taken over");
    second
        .person
        .types("apply --auto-approve --override-guard claim-take-over --reason moved")
        .says("1 passed, 0 failed");
    second.person.types("sync").ends(0);
    an_hour_passes_for(&first);
    first.person.types("sync").says("another installation");
    first.person.types("status").says("claimed-by-another");
}

#[test]
fn the_mark_is_looked_at_by_a_test_and_not_in_every_cycle() {
    let office = Office::opens();
    office.person.types("apply --auto-approve").ends(0).says("2 passed, 0 failed");
    let by_the_test = asked_for_the_mark(&office);
    assert!(by_the_test > 0);
    office.person.types("sync").ends(0);
    office.person.types("sync").ends(0);
    assert_eq!(asked_for_the_mark(&office), by_the_test);
    an_hour_passes_for(&office);
    office.person.types("sync").ends(0);
    office.person.types("sync").ends(0);
    assert_eq!(asked_for_the_mark(&office), by_the_test + 1);
}
