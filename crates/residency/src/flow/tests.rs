//! Tests of this folder.

use std::collections::BTreeSet;

use domicile_core::{locality::CellName, region::Region};
use proptest::prelude::*;
use ruma::{canonical_json::CanonicalJsonObject, server_name};
use serde_json::json;

use super::*;
use crate::deployment::{
    Deployment,
    tests::{read, region, two_cells},
};

fn object(value: serde_json::Value) -> CanonicalJsonObject {
    serde_json::from_value(value).unwrap()
}

fn with_flows(flows: &[(&str, &str, Rule)]) -> Deployment {
    let mut deployment = read(&two_cells());
    deployment.flows = flows
        .iter()
        .map(|(from, to, rule)| ((region(from), region(to)), Flow { rule: *rule, basis: String::new() }))
        .collect();
    deployment
}

#[test]
fn the_stricter_way_holds_and_a_missing_pair_is_forbidden() {
    let deployment = read(&two_cells());
    let (eu, ru, other) = (region("eu"), region("ru"), region("other"));
    assert_eq!(one_way(&deployment, &eu, &ru).rule, Rule::Allow);
    assert_eq!(one_way(&deployment, &ru, &eu).rule, Rule::EncryptedOnly);
    assert_eq!(between(&deployment, &eu, &ru).rule, Rule::EncryptedOnly);
    assert_eq!(between(&deployment, &eu, &eu).rule, Rule::Allow);
    let missing = between(&deployment, &eu, &other);
    assert_eq!(missing.rule, Rule::Forbid);
    assert!(missing.detail.contains("there is no [[flow]]"), "{}", missing.detail);
    let half = with_flows(&[("eu", "ru", Rule::Allow)]);
    assert_eq!(between(&half, &eu, &ru).rule, Rule::Forbid, "the way back is missing");
}

#[test]
fn a_cell_is_the_way_only_where_no_border_is_closed() {
    let text = two_cells();
    let deployment = read(&text);
    let cell = |name: &str| CellName::parse(name).unwrap();
    let names: Vec<CellName> = deployment.cells.keys().cloned().collect();
    let [one, other] = [&names[0], &names[1]];
    assert!(may_relay(&deployment, &cell("none"), [one, other]).unwrap_err().detail.contains("no cell none at work"));
    let circles = [(one, [one, other]), (one, [other, one]), (one, [other, other])];
    for (relay, ends) in circles {
        assert!(may_relay(&deployment, relay, ends).unwrap_err().detail.contains("from or to itself"));
    }
    // A third cell, in the region of the first.
    let mut deployment = deployment;
    deployment.cells.insert(cell("third"), deployment.cells[one].clone());
    assert_eq!(may_relay(&deployment, &cell("third"), [one, other]), Ok(()));
    let (_, flow) = deployment.flows.iter_mut().next().unwrap();
    flow.rule = Rule::Forbid;
    for ends in [[one, other], [other, one]] {
        let refused = may_relay(&deployment, &cell("third"), ends).unwrap_err();
        assert!(refused.detail.contains("forbid"), "{}", refused.detail);
    }
    deployment.cells.insert(cell("fourth"), deployment.cells[one].clone());
    assert_eq!(
        may_relay(&deployment, &cell("third"), [one, &cell("fourth")]),
        Ok(()),
        "within a region nothing is closed"
    );
}

#[test]
fn joining_asks_all_members_and_the_fence() {
    let deployment = read(&two_cells());
    let (eu, ru) = (region("eu"), region("ru"));
    let members: BTreeSet<Region> = [eu.clone()].into();
    let joining = Joining { region: &ru, members: &members, fence: None, is_encrypted: true };
    assert_eq!(may_join(&deployment, joining).unwrap().rule, Rule::EncryptedOnly);
    let told = may_join(&deployment, Joining { is_encrypted: false, ..joining }).unwrap_err();
    assert!(told.reason.contains("not encrypted"), "{}", told.reason);
    assert!(may_join(&deployment, Joining { region: &eu, is_encrypted: false, ..joining }).is_ok());
    let fence = Fence::read(&object(json!({ "regions": ["eu", 7, "NO"] })));
    let fenced = Joining { fence: Some(&fence), ..joining };
    assert!(may_join(&deployment, fenced).unwrap_err().reason.contains("own rules"));
    assert!(may_join(&deployment, Joining { region: &eu, ..fenced }).is_ok());
    let broken = Fence::read(&object(json!({ "regions": "eu" })));
    assert!(may_join(&deployment, Joining { region: &eu, fence: Some(&broken), ..joining }).is_err());
    let forbidden = with_flows(&[]);
    assert!(may_join(&forbidden, joining).unwrap_err().reason.contains("do not let you"));
    assert!(may_join(&forbidden, Joining { members: &BTreeSet::new(), ..joining }).is_ok(), "nobody else is there");
}

#[test]
fn a_sentence_for_a_person_names_no_region() {
    let deployment = read(&two_cells().replace("\"ru\"", "\"zzrux\""));
    let (eu, ru) = (region("eu"), region("zzrux"));
    let members: BTreeSet<Region> = [ru.clone()].into();
    for is_encrypted in [false, true] {
        for deployment in [&deployment, &with_flows(&[])] {
            let joining = Joining { region: &eu, members: &members, fence: None, is_encrypted };
            let (Ok(told) | Err(told)) = may_join(deployment, joining);
            assert!(!told.reason.contains("zzrux"), "{}", told.reason);
        }
    }
}

#[test]
fn only_what_is_on_the_list_crosses() {
    let nothing = CrossingSettings::default();
    let everything = CrossingSettings {
        reactions: true,
        topics: true,
        custom_state: true,
        calls: true,
        reasons: true,
        receipts: true,
        typing: true,
    };
    let megolm = json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s" });
    let smuggled = json!({ "algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "body": "hello" });
    // Type, whether it is state, content, with nothing set, with everything set.
    for (kind, is_state, content, strict, loose) in [
        ("m.room.encrypted", false, megolm.clone(), true, true),
        ("m.room.encrypted", false, smuggled, false, false),
        ("m.room.encrypted", false, json!({ "body": "hello" }), false, false),
        ("m.room.encrypted", true, megolm, false, true),
        ("m.room.message", false, json!({ "body": "hello" }), false, false),
        ("m.sticker", false, json!({}), false, false),
        ("m.reaction", false, json!({}), false, true),
        ("m.room.redaction", false, json!({ "redacts": "$x" }), true, true),
        ("org.matrix.dummy_event", false, json!({}), true, true),
        ("org.matrix.dummy_event", false, json!({ "body": "hello" }), false, false),
        ("m.room.redaction", false, json!({ "redacts": "$x", "reason": "hello" }), false, true),
        ("m.room.redaction", false, json!({}), true, true),
        ("m.room.redaction", false, json!({ "redacts": "$x", "org.example.note": "hello" }), false, false),
        ("m.room.member", true, json!({ "membership": "ban" }), true, true),
        ("m.room.member", true, json!({ "membership": "leave", "reason": "hello" }), false, true),
        ("m.room.member", true, json!({ "membership": "knock", "org.example.note": "hello" }), false, true),
        ("m.room.create", true, json!({}), true, true),
        ("m.room.server_acl", true, json!({}), true, true),
        ("m.room.topic", true, json!({ "topic": "hello" }), false, true),
        ("m.room.create", false, json!({}), false, false),
        ("io.example.thing", true, json!({}), false, true),
        ("org.matrix.msc3401.call.member", true, json!({}), false, true),
        ("m.call.invite", false, json!({}), false, true),
        ("m.room.member", true, json!({ "membership": "join" }), true, true),
        ("m.room.member", true, json!({ "membership": "join", "displayname": "Bob" }), false, false),
        ("m.room.member", true, json!({ "membership": "knock", "reason": "hello" }), false, true),
        ("m.room.member", true, json!({ "membership": "join", "io.example": "hello" }), false, true),
    ] {
        let content = object(content);
        let event = EventShape { kind, is_state, content: &content };
        assert_eq!(crosses(event, nothing, false) == Crosses::Whole, strict, "{kind} {content:?}, nothing set");
        assert_eq!(crosses(event, everything, false) == Crosses::Whole, loose, "{kind} {content:?}, everything set");
    }
    let named = object(json!({ "membership": "join", "displayname": "Bob" }));
    let event = EventShape { kind: "m.room.member", is_state: true, content: &named };
    assert_eq!(crosses(event, nothing, true), Crosses::Whole, "profiles are shown");
    // Where everything crosses, names do not if they are withheld.
    assert_eq!(crosses_openly(event, true), Crosses::Whole);
    assert!(matches!(crosses_openly(event, false), Crosses::Redacted(why) if why.contains("Names")));
    let reason = object(json!({ "membership": "leave", "reason": "hello" }));
    let event = EventShape { kind: "m.room.member", is_state: true, content: &reason };
    assert_eq!(crosses_openly(event, false), Crosses::Whole);
    let event = EventShape { kind: "io.example.thing", is_state: true, content: &named };
    assert_eq!(crosses_openly(event, false), Crosses::Whole);
}

#[test]
fn other_servers_are_all_alike_or_named() {
    let server = server_name!("partner.example:8448");
    assert_eq!(to_server(&Outer::All(Rule::EncryptedOnly), server).rule, Rule::EncryptedOnly);
    assert_eq!(to_server(&Outer::Only(vec!["Partner.example".to_owned()]), server).rule, Rule::Allow);
    assert_eq!(to_server(&Outer::Only(vec!["artner.example".to_owned()]), server).rule, Rule::Forbid);
}

fn any_rule() -> impl Strategy<Value = Rule> {
    prop_oneof![Just(Rule::Allow), Just(Rule::EncryptedOnly), Just(Rule::Forbid)]
}

proptest! {
    #[test]
    fn two_regions_share_what_both_ways_allow(there in any_rule(), back in any_rule()) {
        let deployment = with_flows(&[("eu", "ru", there), ("ru", "eu", back)]);
        let (eu, ru) = (region("eu"), region("ru"));
        prop_assert_eq!(between(&deployment, &eu, &ru).rule, there.max(back));
        prop_assert_eq!(between(&deployment, &ru, &eu).rule, there.max(back));
    }

    #[test]
    fn a_room_of_more_regions_is_never_looser(rules in prop::collection::vec(any_rule(), 6), encrypted: bool) {
        let names = ["a", "b", "c"];
        let pairs = [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")];
        let flows: Vec<_> = pairs.iter().zip(rules).map(|((from, to), rule)| (*from, *to, rule)).collect();
        let deployment = with_flows(&flows);
        let asker = region(names[0]);
        let few: BTreeSet<Region> = [region(names[1])].into();
        let many: BTreeSet<Region> = [region(names[1]), region(names[2])].into();
        let ask = |members| may_join(&deployment, Joining { region: &asker, members, fence: None, is_encrypted: encrypted });
        if ask(&many).is_ok() {
            prop_assert!(ask(&few).is_ok());
        }
    }
}
