//! What follows from what a home tells of somebody's keys and devices.

use domicile_room::event::ServerSigner;
use ruma::{CanonicalJsonObject, owned_server_name, signatures::sign_json, user_id};
use serde_json::{Value, json};

use super::*;

const BOB: &str = "@bob:example.org";

fn key(seed: u8) -> ServerSigner {
    let made = |version: &str| ServerSigner::from_seed(owned_server_name!("nowhere"), &[seed; 32], version);
    let public = made("x").unwrap().public_key();
    made(&public).unwrap()
}

fn signed(seed: u8, value: Value) -> String {
    let mut object: CanonicalJsonObject = serde_json::from_value(value).unwrap();
    sign_json(BOB, key(seed).key_pair(), &mut object).unwrap();
    serde_json::to_string(&object).unwrap()
}

fn cross_signing_key(seed: u8, usage: &str) -> Value {
    let public = key(seed).public_key();
    json!({ "user_id": BOB, "usage": [usage], "keys": { format!("ed25519:{public}"): public } })
}

fn device(id: &str, secret: &str) -> Value {
    json!({ "user_id": BOB, "device_id": id, "keys": { format!("ed25519:{id}"): secret } })
}

/// A list with the keys of a seed, if there is one, with devices that these have signed, and with others.
fn list(seed: Option<u8>, signed_ones: &[&str], others: &[&str]) -> List {
    let mut list = List::default();
    if let Some(seed) = seed {
        list.master = Some(cross_signing_key(seed, "master").to_string());
        list.self_signing = Some(signed(seed, cross_signing_key(seed + 1, "self_signing")));
        for id in signed_ones {
            list.devices.insert((*id).to_owned(), signed(seed + 1, device(id, "a")));
        }
    }
    for id in others {
        list.devices.insert((*id).to_owned(), device(id, "a").to_string());
    }
    list
}

fn of(seed: u8, known: &[&str], awaited: &[&str]) -> Pinned {
    let devices = known.iter().map(|id| (id, false)).chain(awaited.iter().map(|id| (id, true)));
    Pinned {
        master: Some(key(seed).public_key()),
        unsigned: devices.map(|(id, waits)| ((*id).to_owned(), waits)).collect(),
        changes: 0,
    }
}

fn judged(pinned: &Pinned, before: &List, after: &List) -> Verdict {
    judge(user_id!("@bob:example.org"), pinned, (before, after, false))
}

fn names(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn the_first_key_is_pinned_and_what_is_there_is_known() {
    let after = list(Some(1), &["A"], &["B"]);
    let verdict = judge(user_id!("@bob:example.org"), &Pinned::default(), (&List::default(), &after, true));
    let expected = Verdict { pin: Some(key(1).public_key()), known: names(&["B"]), ..Verdict::default() };
    assert_eq!(verdict, expected);
    // Somebody who has no keys has no signatures to wait for.
    assert_eq!(judged(&Pinned::default(), &List::default(), &list(None, &[], &["A"])), Verdict::default());
    // Keys that come later are pinned as well.
    let later = judged(&Pinned::default(), &list(None, &[], &["A", "B"]), &after);
    assert_eq!(
        (later.pin.is_some(), later.changed, later.known, later.awaited),
        (true, false, names(&["B"]), names(&[]))
    );
}

#[test]
fn a_new_device_is_awaited_until_it_is_signed() {
    let before = list(Some(1), &["A"], &[]);
    let after = list(Some(1), &["A"], &["B"]);
    let pinned = of(1, &[], &[]);
    assert_eq!(judged(&pinned, &before, &after), Verdict { awaited: names(&["B"]), ..Verdict::default() });
    // It is not awaited anew with every word.
    let waiting = of(1, &[], &["B"]);
    assert_eq!(judged(&waiting, &after, &after), Verdict::default());
    assert_eq!(
        judged(&waiting, &after, &list(Some(1), &["A", "B"], &[])),
        Verdict { settled: names(&["B"]), ..Verdict::default() }
    );
    assert_eq!(judged(&waiting, &after, &before), Verdict { settled: names(&["B"]), ..Verdict::default() });
    // Nor is one that is known, unless it is another device by the same name.
    let known = of(1, &["B"], &[]);
    assert_eq!(judged(&known, &after, &after), Verdict::default());
    let mut other = after.clone();
    other.devices.insert("B".to_owned(), device("B", "other").to_string());
    assert_eq!(judged(&known, &after, &other), Verdict { awaited: names(&["B"]), ..Verdict::default() });
    // A signature by another key is none.
    let mut forged = after;
    forged.devices.insert("B".to_owned(), signed(9, device("B", "a")));
    assert_eq!(judged(&pinned, &before, &forged), Verdict { awaited: names(&["B"]), ..Verdict::default() });
}

#[test]
fn other_keys_are_a_change_and_what_was_there_is_known() {
    let (before, after) = (list(Some(1), &["A"], &[]), list(Some(5), &["N"], &["A", "X"]));
    let verdict = judged(&of(1, &[], &[]), &before, &after);
    let expected = Verdict {
        pin: Some(key(5).public_key()),
        changed: true,
        known: names(&["A"]),
        awaited: names(&["X"]),
        settled: names(&[]),
    };
    assert_eq!(verdict, expected);
    // A copy that was begun anew, as after a move: the same key is none, another one is.
    let anew = |seed| {
        judge(
            user_id!("@bob:example.org"),
            &of(1, &[], &[]),
            (&List::default(), &list(Some(seed), &["A"], &["B"]), true),
        )
    };
    assert_eq!(anew(1), Verdict { known: names(&["B"]), ..Verdict::default() });
    assert!(anew(5).changed);
}

#[test]
fn who_takes_the_keys_away_hides_no_device() {
    let before = list(Some(1), &["A"], &[]);
    let mut after = list(None, &[], &["B"]);
    after.devices.insert("A".to_owned(), before.devices["A"].clone());
    let verdict = judged(&of(1, &[], &[]), &before, &after);
    assert_eq!(verdict, Verdict { known: names(&["A"]), awaited: names(&["B"]), ..Verdict::default() });
}

#[test]
fn too_many_changes_are_one_more() {
    assert_eq!(subject("key", 0), "key");
    assert_eq!(subject("key", 100), "");
}
