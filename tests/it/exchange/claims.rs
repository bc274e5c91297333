//! Two installations and one mailbox: the mark in it tells them from each other.

use super::story::Office;

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
    first.person.types("sync").says("another installation");
    first.person.types("status").says("claimed-by-another");
}
