//! A table of people, documents and what is found, as it is told to people.

use std::fmt::Write as _;

use super::{Person, Planner};
use crate::{
    deployment::{Deployment, tests},
    standing::Catalogue,
};

/// `eu` serves the union, `ru` Russia, `kz` nobody who is named.
fn document() -> Deployment {
    let text = tests::three_regions();
    let text = text.replacen("jurisdictions = []", "jurisdictions = [\"EU\"]", 1);
    tests::read(&text.replacen("jurisdictions = []", "jurisdictions = [\"RU\"]", 1))
}

fn told(document: &Deployment, people: &[(&str, Option<&str>, &[&str])]) -> String {
    let laws = Catalogue::embedded();
    let planner = Planner::new(document, &laws);
    let mut table = String::new();
    for (home, jurisdiction, never) in people {
        let home = tests::region(home);
        let never_in: Vec<String> = never.iter().map(|code| (*code).to_owned()).collect();
        let person = Person { home: &home, jurisdiction: *jurisdiction, never_in: &never_in };
        let finding = planner.find(person);
        writeln!(
            table,
            "{} {} not {}: {}",
            home.as_str(),
            jurisdiction.unwrap_or("-"),
            never.join(","),
            planner.explain(person, &finding)
        )
        .unwrap();
    }
    table
}

#[test]
fn who_should_be_where() {
    let people: &[(&str, Option<&str>, &[&str])] = &[
        ("eu", Some("DE"), &[]),
        ("eu", None, &[]),
        ("eu", Some("BR"), &[]),
        ("eu", Some("RU"), &[]),
        ("kz", Some("FR"), &[]),
        ("ru", Some("RU"), &["RU"]),
        ("ru", None, &["RU"]),
        ("ru", Some("BR"), &["RU", "EU"]),
        ("eu", Some("BR"), &["DE"]),
        ("eu", Some("DE"), &["CN"]),
        ("us", Some("DE"), &[]),
        ("us", None, &[]),
    ];
    let golden = "\
eu DE not : The region eu serves DE, so the home is where it should be.
eu - not : No jurisdiction is noted, and none is guessed, so the home can stay in eu.
eu BR not : No region of the deployment serves BR, so the home can stay in eu.
eu RU not : They live under the law of RU, which the region eu does not serve and another one does. It should be in ru.
kz FR not : They live under the law of FR, which the region kz does not serve and another one does. It should be in eu.
ru RU not RU: The region ru is under the law of RU, and they want nothing of theirs to be there. Where RU is served they want nothing of theirs to be: ask them what goes before.
ru - not RU: The region ru is under the law of RU, and they want nothing of theirs to be there. It should be in eu or kz.
ru BR not RU,EU: The region ru is under the law of RU, and they want nothing of theirs to be there. It should be in kz.
eu BR not DE: The region eu is under the law of EU, and they want nothing of theirs to be there. It should be in kz or ru.
eu DE not CN: The region eu serves DE, so the home is where it should be.
us DE not : This document has no region us. It should be in eu.
us - not : This document has no region us. It should be in eu or kz or ru.
";
    assert_eq!(told(&document(), people), golden);
}

#[test]
fn a_region_without_a_cell_at_work_keeps_nobody() {
    let mut document = document();
    document.cells.retain(|_, cell| cell.region.as_str() == "ru");
    let golden = "\
eu RU not : The region eu has no cell at work in this document. It should be in ru.
eu DE not RU: The region eu has no cell at work in this document. There is no other region at work in which they could be: add a cell.
";
    assert_eq!(told(&document, &[("eu", Some("RU"), &[]), ("eu", Some("DE"), &["RU"])]), golden);
}
