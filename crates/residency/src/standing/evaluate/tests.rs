//! A small organisation comes out as it truly stands, and each answer has its occasion.

use std::fmt::Write as _;

use super::*;
use crate::standing::{
    facts::{Decision, DemandFacts, DossierFacts},
    words::Confidence,
};

/// A club of 5,000 with people in five countries: established and hosted in Germany, contacts published, nothing filed anywhere.
fn club() -> Facts {
    let users = [("DE", 4_000), ("FR", 300), ("RU", 250), ("TR", 100), ("KZ", 50)];
    Facts {
        users: users.into_iter().map(|(code, count)| (code.to_owned(), count)).collect(),
        users_unknown: 300,
        established_in: ["DE".to_owned()].into(),
        stored_in: ["DE".to_owned()].into(),
        public_contacts: 1,
        ..Facts::nothing(1_780_000_000_000)
    }
}

fn table(facts: &Facts) -> String {
    let catalogue = Catalogue::embedded();
    let mut out = String::new();
    for row in evaluate(&catalogue, facts) {
        let name = name(row.jurisdiction, row.duty);
        let more = match &row.answer {
            Answer::NotTriggered(because) => match because {
                Untriggered::BelowThreshold { threshold, ours, unknown, short_by, .. } => {
                    format!("{ours} of {threshold}, {unknown} unknown, short by {short_by}")
                }
                other => serde_json::to_value(other).unwrap()["because"].as_str().unwrap().to_owned(),
            },
            Answer::MetBy { check, .. } => check.word().to_owned(),
            Answer::NeedsOperator { what } => what.clone(),
            Answer::ConflictsWith { with, .. } => with.clone(),
            _ => String::new(),
        };
        let line = format!("{name} {} {more}", row.answer.word());
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

#[test]
fn a_club_of_five_thousand() {
    let golden = "\
CN/localisation-critical not_triggered no_users
CN/localisation-volume not_triggered 0 of 1000000, 300 unknown, short by 999700
CN/transfer-conditions not_triggered 0 of 100000, 300 unknown, short by 99700
CN/transfer-assessment not_triggered 0 of 1000000, 300 unknown, short by 999700
EU/transfers needs_operator Domicile cannot tell whether this is met: read EU/transfers, do it or decide not to (`domicile standing decide EU/transfers`)
EU/representative not_triggered established
EU/records met_by processing_recorded
EU/breach-notice needs_operator the dossier of EU names nobody as data_protection
EU/points-of-contact met_by contacts_published
EU/legal-representative not_triggered established
ID/registration not_triggered no_users
ID/access declined_by_design
IN/officers not_triggered 0 of 5000000, 300 unknown, short by 4999700
IN/published-contacts not_triggered 0 of 5000000, 300 unknown, short by 4999700
IN/reports not_triggered 0 of 5000000, 300 unknown, short by 4999700
IN/originator declined_by_design
IN/localisation-significant not_triggered no_users
KZ/localisation needs_operator the disks stand in DE, not in Kazakhstan
KZ/representative not_triggered 50 of 100001, 300 unknown, short by 99651
KZ/replies not_triggered 50 of 100001, 300 unknown, short by 99651
RU/localisation needs_operator the disks stand in DE, not in Russia
RU/ori-registration needs_operator there is no dossier: `domicile dossier set RU --status draft` begins one
RU/traffic-facts declined_by_design
RU/message-content declined_by_design
RU/keys declined_by_design
RU/phone-identification declined_by_design
RU/silencing declined_by_design
RU/user-information not_triggered nobody_asked
RU/listed-content not_triggered other_service
RU/violators-register not_triggered nobody_asked
TR/representative not_triggered 100 of 1000001, 300 unknown, short by 999601
TR/replies not_triggered 100 of 1000001, 300 unknown, short by 999601
TR/reports not_triggered 100 of 1000001, 300 unknown, short by 999601
TR/localisation not_triggered 100 of 1000001, 300 unknown, short by 999601
VN/localisation-request not_triggered no_users
VN/retention declined_by_design
VN/transfer-dossier not_triggered no_users
";
    assert_eq!(table(&club()), golden);
}

fn answer_of(name: &str, facts: &Facts) -> Answer {
    let catalogue = Catalogue::embedded();
    let rows = evaluate(&catalogue, facts);
    let row = rows.into_iter().find(|row| super::name(row.jurisdiction, row.duty) == name);
    row.unwrap_or_else(|| panic!("{name}")).answer
}

#[test]
fn a_family_owes_almost_nothing() {
    let family = Facts { audience: Audience::Family, ..club() };
    for name in ["RU/ori-registration", "RU/localisation", "EU/records", "KZ/localisation"] {
        let expected = Answer::NotTriggered(Untriggered::Exempt { audience: Audience::Family });
        assert_eq!(answer_of(name, &family), expected, "{name}");
    }
}

#[test]
fn a_registration_is_met_until_it_expires() {
    let mut facts = club();
    let mut dossier = DossierFacts {
        status: Status::Registered,
        expires_ts: Some(facts.now_ms + 1),
        roles: [Role::DataProtection].into(),
        number: Some("123-RR".to_owned()),
    };
    facts.dossiers.insert("RU".to_owned(), dossier.clone());
    facts.dossiers.insert("EU".to_owned(), dossier.clone());
    let met = Answer::MetBy { check: Check::Registered, evidence: "registered as 123-RR".to_owned() };
    assert_eq!(answer_of("RU/ori-registration", &facts), met);
    assert_eq!(answer_of("EU/breach-notice", &facts).word(), "met_by");
    dossier.expires_ts = Some(facts.now_ms);
    facts.dossiers.insert("RU".to_owned(), dossier);
    let Answer::NeedsOperator { what } = answer_of("RU/ori-registration", &facts) else { panic!("expired") };
    assert!(what.contains("expired"), "{what}");
}

#[test]
fn a_decision_is_told_with_who_and_why() {
    let mut facts = club();
    let decision = Decision { who: "ada".to_owned(), when_ts: 5, why: "what it entails".to_owned() };
    facts.decisions.insert("RU/ori-registration".to_owned(), decision);
    assert_eq!(answer_of("RU/ori-registration", &facts).word(), "chosen_not_to");
    // A decision about what does not apply is no answer to it.
    facts.users.remove("RU");
    assert_eq!(answer_of("RU/ori-registration", &facts).word(), "not_triggered");
}

#[test]
fn demands_trigger_what_is_owed_on_request() {
    let mut facts = club();
    facts.requested.insert("RU/user-information".to_owned(), 1);
    let Answer::ConflictsWith { with, .. } = answer_of("RU/user-information", &facts) else { panic!("a conflict") };
    assert_eq!(with, "EU/transfers");
    facts.users.retain(|code, _| code == "RU");
    assert_eq!(answer_of("RU/user-information", &facts).word(), "needs_operator");
    facts.users.insert("TR".to_owned(), 2_000_000);
    facts.demands.insert("TR".to_owned(), DemandFacts { open: 2, late: 1 });
    let Answer::NeedsOperator { what } = answer_of("TR/replies", &facts) else { panic!("late") };
    assert!(what.contains("1 demands are past their time"), "{what}");
}

#[test]
fn unknown_users_never_hide_a_threshold() {
    let mut facts = club();
    facts.users_unknown = 5_000_000;
    let Answer::NeedsOperator { what } = answer_of("CN/localisation-volume", &facts) else { panic!("unclear") };
    assert!(what.contains("5000000 as nobody's"), "{what}");
    facts.users.insert("TR".to_owned(), 3_000_000);
    facts.users_unknown = 0;
    let Answer::NeedsOperator { what } = answer_of("TR/localisation", &facts) else { panic!("unclear") };
    assert!(what.contains("stand in DE"), "{what}");
    facts.established_in.clear();
    let Answer::NeedsOperator { what } = answer_of("TR/representative", &facts) else { panic!("unclear") };
    assert!(what.contains("names nobody as representative"), "{what}");
}

#[test]
fn what_is_declined_is_declined_whatever_the_facts() {
    let mut nobody = Facts::nothing(0);
    nobody.services.clear();
    for facts in [club(), nobody] {
        for name in ["RU/keys", "RU/message-content", "RU/traffic-facts", "RU/phone-identification", "RU/silencing"] {
            assert_eq!(answer_of(name, &facts).word(), "declined_by_design", "{name}");
        }
    }
}

#[test]
fn no_entry_recommends_a_place_where_storage_is_not_triggered() {
    for at in Catalogue::embedded().all() {
        for duty in &at.duties {
            let text = format!("{} {}", duty.asks, duty.entails).to_lowercase();
            assert!(!text.contains("recommend"), "{}/{}", at.code, duty.id);
        }
    }
    assert!(Confidence::Sourced < Confidence::Unverified, "the least known decides");
}
