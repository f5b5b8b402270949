//! Tests of this folder.

use domicile_core::{config::Problems, locality::CellName, region::Region, rng::SeededRng};
use proptest::prelude::*;
use ruma::server_name;
use url::Url;

use super::{
    Deployment, KeyStanding, SecretKey,
    accept::{self, Apart, Refused},
    edit::{self, NewCell},
    parse, sign,
};

/// When a cell is revoked, in milliseconds since the epoch.
pub(crate) const NOW_MS: i64 = 1_790_000_000_000;

pub(crate) fn key(seed: u64) -> SecretKey {
    SecretKey::new(&SeededRng::new(seed))
}

pub(crate) fn cell(name: &str) -> CellName {
    CellName::parse(name).unwrap()
}

pub(crate) fn region(name: &str) -> Region {
    Region::try_from(name.to_owned()).unwrap()
}

/// Two cells in two regions; the key of `eu1` has the seed 1, that of `ru1` the seed 2.
pub(crate) fn two_cells() -> String {
    let first = text("eu1", "eu", 1, None);
    let second = text("ru1", "ru", 2, Some(&first));
    format!(
        "{second}\n[[flow]]\nfrom = \"eu\"\nto = \"ru\"\nrule = \"allow\"\n\n[[flow]]\nfrom = \"ru\"\nto = \"eu\"\nrule = \"encrypted_only\"\n"
    )
}

/// A third cell, `kz1` in a region `kz`, beside those; without flows.
pub(crate) fn three_regions() -> String {
    let two = text("ru1", "ru", 2, Some(&text("eu1", "eu", 1, None)));
    text("kz1", "kz", 3, Some(&two))
}

fn text(name: &str, in_region: &str, seed: u64, after: Option<&str>) -> String {
    let url = Url::parse(&format!("https://{name}.example.org")).unwrap();
    let key = key(seed).public();
    let (name, region) = (cell(name), region(in_region));
    let new = NewCell { name: &name, region: &region, client_url: &url, inner_url: &url, key: &key };
    match after {
        None => edit::begin(server_name!("example.org"), &new),
        Some(before) => edit::add_cell(before, &new).unwrap(),
    }
}

pub(crate) fn read(text: &str) -> Deployment {
    parse::read("deployment.toml", text).unwrap()
}

fn wrong(text: &str) -> String {
    let problems: Problems = parse::read("deployment.toml", text).unwrap_err();
    problems.to_string()
}

#[test]
fn a_deployment_begins_with_one_cell_and_grows() {
    let one = read(&text("eu1", "eu", 1, None));
    assert_eq!((one.serial, one.cells.len(), one.decider.cell.as_str()), (1, 1, "eu1"));
    let two = read(&two_cells());
    assert_eq!((two.serial, two.cells.len()), (2, 2));
    assert!(!two.regions[&region("ru")].trusted, "a new region is not trusted unless the operator says so");
    assert_eq!(accept::accept(&one, &two), Ok(()));
    assert_eq!(two.region_of(&cell("ru1")), Some(&region("ru")));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let right = two_cells();
    for (from, to, expected) in [
        ("serial = 2", "", "the document: `serial`: it is missing"),
        ("term = 1", "term = 0", "[directory]: `term`: expected a number from 1"),
        ("decider = \"eu1\"", "decider = \"xx\"", "[directory]: there is no [[cell]] xx"),
        ("directory = true", "directory = false", "has no `directory = true`"),
        ("region = \"ru\"", "region = \"zz\"", "[[cell]] ru1: there is no [[region]] with code = \"zz\""),
        ("name = \"ru1\"", "name = \"RU1\"", "`RU1` cannot be a cell's name"),
        ("name = \"ru1\"", "name = \"eu1\"", "[[cell]] eu1 is there twice"),
        (
            "code = \"ru\"",
            "code = \"ru\"\nprovider = \"a b\"",
            "expected a name such as north.example.org, found `a b`",
        ),
        ("code = \"ru\"", "code = \"ru\"\nprovider = \"a.org:80\"", "expected a name such as north.example.org"),
        ("from = \"ru\"", "from = \"eu\"", "[[flow]] eu: within"),
        ("rule = \"allow\"", "rule = \"alow\"", "expected one of allow, encrypted_only, forbid, found `alow`"),
        ("rule = \"allow\"", "rules = \"allow\"", "did you mean `rule`?"),
        ("[[flow]]", "[[flows]]", "did you mean `flow`?"),
        ("inner_url = \"https://ru1.example.org\"", "inner_url = \"http://ru1.example.org\"", "is no address such as"),
        (
            "inner_url = \"https://ru1.example.org\"",
            "inner_url = \"https://eu1.example.org\"",
            "is that of the cell eu1",
        ),
        ("outer = \"forbid\"", "outer = 7", "expected allow, encrypted_only, forbid, or a list of servers"),
        ("server_name = \"example.org\"", "server_name = \"a b\"", "`a b` cannot be a server name"),
    ] {
        assert!(right.contains(from), "{from}");
        let told = wrong(&right.replacen(from, to, 1));
        let expected = expected.replace("[[flow]] eu: within", "[[flow]] from eu to itself");
        assert!(told.contains(&expected), "{to}: {told}");
    }
    let told = wrong(&right.replace("key = \"ed25519:", "key = \"ed25519-secret:"));
    assert!(told.contains("this is a secret key"), "{told}");
    assert!(told.contains("deployment.toml:"), "{told}");
    assert!(told.lines().any(|line| line.starts_with("deployment.toml:2")), "each has its line: {told}");
}

#[test]
fn one_key_has_one_place() {
    let both = two_cells().replace(&key(2).public().to_string(), &key(1).public().to_string());
    assert!(wrong(&both).contains("each key has one place"));
}

#[test]
fn an_untrusted_region_holds_neither_directory_nor_gateway() {
    let text = two_cells().replace("directory = false", "directory = true");
    assert!(wrong(&text).contains("not `trusted`"));
    let text = two_cells().replace("directory = false", "gateway_for = [\"ru\"]");
    assert!(wrong(&text).contains("not `trusted`"));
}

#[test]
fn a_cell_is_revoked_for_good() {
    let before = read(&two_cells());
    let text = edit::revoke_cell(&two_cells(), &cell("ru1"), Some(&cell("eu1")), NOW_MS).unwrap();
    let after = read(&text);
    assert_eq!(after.serial, before.serial + 1);
    assert_eq!(accept::accept(&before, &after), Ok(()));
    let id = key(2).public().cell_key_id();
    assert_eq!(before.cell_key(&id).unwrap().standing, KeyStanding::Current);
    assert_eq!(after.cell_key(&id).unwrap().standing, KeyStanding::Revoked);
    assert_eq!(after.heir(&cell("ru1")), Some(&cell("eu1")));
    assert_eq!(after.successor(&cell("ru1")), None, "its people have no home until the root key gives them one");
    assert_eq!(after.successor(&cell("eu1")), Some(&cell("eu1")));
    assert_eq!(accept::request_key(&after, &cell("ru1"), &id), Err(Apart::Revoked("ru1".to_owned())));
    // Neither an older document nor a newer one brings it back.
    assert!(matches!(accept::accept(&after, &before), Err(Refused::Older { .. })));
    let back = two_cells().replace("serial = 2", "serial = 9");
    assert_eq!(accept::accept(&after, &read(&back)), Err(Refused::Unrevoked("ru1".to_owned())));
    let renamed = text.replace("name = \"ru1\"", "name = \"ru2\"").replace("serial = 3\nserver", "serial = 4\nserver");
    assert_eq!(accept::accept(&after, &read(&renamed)), Err(Refused::Unrevoked("ru1".to_owned())));
    assert!(edit::revoke_cell(&two_cells(), &cell("eu1"), None, NOW_MS).is_err(), "it decides about names");
    assert!(edit::revoke_cell(&text, &cell("ru1"), None, NOW_MS).is_err(), "it is gone");
}

#[test]
fn what_an_old_key_signed_counts_and_what_it_asks_does_not() {
    let text = edit::rotate_key(&two_cells(), &cell("ru1"), &key(3).public()).unwrap();
    let found = read(&text);
    let (old, new) = (key(2).public().cell_key_id(), key(3).public().cell_key_id());
    assert_eq!(found.cell_key(&old).unwrap().standing, KeyStanding::Old);
    assert_eq!(found.cell_key(&new).unwrap().standing, KeyStanding::Current);
    assert!(accept::request_key(&found, &cell("ru1"), &new).is_ok());
    assert_eq!(accept::request_key(&found, &cell("ru1"), &old), Err(Apart::OtherKey("ru1".to_owned())));
    assert_eq!(accept::request_key(&found, &cell("xx"), &new), Err(Apart::NoCell("xx".to_owned())));
    assert_eq!(accept::request_key(&found, &cell("eu1"), &new), Err(Apart::OtherKey("eu1".to_owned())));
}

#[test]
fn a_key_for_other_servers_ends_when_the_next_one_begins() {
    let named = edit::add_outer_key(&two_cells(), ("ed25519:a1", &key(3).public()), None).unwrap();
    let other = edit::add_outer_key(&named, ("ed25519:b1", &key(4).public()), None).unwrap();
    let end = 1_790_000_000_000;
    let rotate =
        |text: &str, old: &str, id: &str, seed| edit::rotate_outer_key(text, old, (id, &key(seed).public()), end);
    let found = read(&rotate(&other, "ed25519:a1", "ed25519:a2", 5).unwrap());
    assert_eq!(found.serial, read(&other).serial + 1);
    let ends: Vec<_> = found.outer_keys.iter().map(|(id, outer)| (id.as_str(), outer.expired_ts)).collect();
    assert_eq!(ends, [("ed25519:a1", Some(end)), ("ed25519:a2", None), ("ed25519:b1", None)]);
    assert_eq!(found.outer_keys["ed25519:a2"].key, key(5).public());
    let text = rotate(&other, "ed25519:a1", "ed25519:a2", 5).unwrap();
    for (text, old, id, seed, said) in [
        (&other, "ed25519:c1", "ed25519:a2", 5, "no [[outer_key]] ed25519:c1"),
        (&other, "ed25519:a1", "ed25519:b1", 5, "ed25519:b1 already"),
        (&other, "ed25519:a1", "ed25519:a2", 4, "its key is that of"),
        (&other, "ed25519:a1", "cell_x", 5, "is no id of a server's key"),
        (&text, "ed25519:a1", "ed25519:a3", 6, "has ended already"),
    ] {
        let told = rotate(text, old, id, seed).unwrap_err().to_string();
        assert!(told.contains(said), "{old} {id}: {told}");
    }
}

#[test]
fn cells_one_document_apart_talk_unless_a_cell_was_revoked() {
    let now = read(&two_cells().replace("serial = 2", "serial = 7"));
    for theirs in [6, 7, 8] {
        assert_eq!(accept::talks(&now, theirs), Ok(()));
    }
    for theirs in [1, 5, 9, u32::MAX] {
        assert!(matches!(accept::talks(&now, theirs), Err(Apart::Serials { .. })), "{theirs}");
    }
    let revoked = read(&edit::revoke_cell(&two_cells(), &cell("ru1"), None, NOW_MS).unwrap());
    assert_eq!(accept::talks(&revoked, 3), Ok(()));
    assert_eq!(accept::talks(&revoked, 4), Ok(()));
    assert_eq!(accept::talks(&revoked, 2), Err(Apart::Revocation { revoked_by: 3, theirs: 2 }));
}

#[test]
fn a_document_has_one_content_for_each_serial() {
    let known = read(&two_cells());
    assert_eq!(accept::accept(&known, &known), Ok(()));
    let other = read(&two_cells().replace("rule = \"allow\"", "rule = \"forbid\""));
    assert_eq!(accept::accept(&known, &other), Err(Refused::SameSerial(2)));
    let elsewhere = read(&two_cells().replace("server_name = \"example.org\"", "server_name = \"example.com\""));
    assert!(matches!(accept::accept(&known, &elsewhere), Err(Refused::OtherName { .. })));
}

#[test]
fn heirs_of_heirs_are_found_and_a_ring_of_them_is_wrong() {
    let gone = |name: &str, seed: u64, heir: &str| {
        format!("\n[[retired]]\nname = \"{name}\"\nkeys = [\"{}\"]\nheir = \"{heir}\"\n", key(seed).public())
    };
    let chain = read(&format!("{}{}{}", two_cells(), gone("a", 11, "b"), gone("b", 12, "ru1")));
    assert_eq!(chain.heir(&cell("a")), Some(&cell("ru1")));
    let ring = format!("{}{}{}", two_cells(), gone("a", 11, "b"), gone("b", 12, "a"));
    assert!(wrong(&ring).contains("leads to no [[cell]] at work"));
}

#[test]
fn a_retired_cell_leaves_its_keys_and_an_heir() {
    let before = two_cells();
    let key = read(&before).cells[&cell("ru1")].key;
    let text = edit::retire_cell(&before, &cell("ru1"), &cell("eu1")).unwrap();
    let retired = read(&text);
    assert_eq!((retired.serial, retired.heir(&cell("ru1"))), (3, Some(&cell("eu1"))));
    assert_eq!(retired.successor(&cell("ru1")), Some(&cell("eu1")));
    assert_eq!(retired.retired[&cell("ru1")].keys, [key]);
    assert_eq!(accept::accept(&read(&before), &retired), Ok(()));
    for (name, heir) in [("eu1", "ru1"), ("ru1", "ru1"), ("ru1", "us1"), ("us1", "eu1")] {
        assert!(edit::retire_cell(&before, &cell(name), &cell(heir)).is_err(), "{name} {heir}");
    }
    assert!(edit::retire_cell(&text, &cell("ru1"), &cell("eu1")).is_err(), "it is gone");
}

#[test]
fn a_document_forgets_nothing_that_was_signed() {
    let known_text = edit::add_outer_key(&two_cells(), ("ed25519:a1", &key(3).public()), None).unwrap();
    let known_text = edit::rotate_key(&known_text, &cell("ru1"), &key(4).public()).unwrap();
    let known = read(&known_text);
    let next = |from: &str, to: &str| {
        assert!(known_text.contains(from), "{from}");
        let text = known_text.replace(from, to).replacen("serial = 4", "serial = 5", 1);
        accept::accept(&known, &read(&text))
    };
    let directory = "directory = false";
    let second = "decider = \"ru1\"\nterm";
    let trusted = known_text.replace("trusted = false", "trusted = true").replace(directory, "directory = true");
    let handed = |term: &str| {
        let text = trusted.replacen("decider = \"eu1\"\nterm = 1", &format!("{second} = {term}"), 1);
        accept::accept(&known, &read(&text.replacen("serial = 4", "serial = 5", 1)))
    };
    assert_eq!(handed("1"), Err(Refused::SameTerm(1)));
    let no_term = |term, cell: &str| Err(Refused::NoTerm { term, cell: cell.to_owned() });
    assert_eq!(handed("2"), no_term(1, "eu1"));
    assert_eq!(handed("2\nbefore = [{ term = 1, cell = \"ru1\" }]"), no_term(1, "eu1"));
    assert_eq!(handed("2\nbefore = [{ term = 1, cell = \"eu1\" }]"), Ok(()));
    assert_eq!(next("term = 1\n", "term = 2\n"), no_term(1, "eu1"), "also of the same cell");
    assert_eq!(next("name = \"ru1\"", "name = \"ru9\""), Err(Refused::NoWord("ru1".to_owned())));
    assert_eq!(next(&key(2).public().to_string(), &key(8).public().to_string()), Err(Refused::NoKey("ru1".to_owned())));
    assert_eq!(next("ed25519:a1", "ed25519:b1"), Err(Refused::NoOuterKey("ed25519:a1".to_owned())));
    assert_eq!(
        next(&key(3).public().to_string(), &key(8).public().to_string()),
        Err(Refused::NoOuterKey("ed25519:a1".to_owned()))
    );
    // What goes from one list to another is still there.
    for text in [
        edit::revoke_cell(&known_text, &cell("ru1"), None, NOW_MS),
        edit::retire_cell(&known_text, &cell("ru1"), &cell("eu1")),
        edit::rotate_key(&known_text, &cell("eu1"), &key(5).public()),
        edit::rotate_outer_key(&known_text, "ed25519:a1", ("ed25519:a2", &key(6).public()), 1_790_000_000_000),
    ] {
        assert_eq!(accept::accept(&known, &read(&text.unwrap())), Ok(()));
    }
    let retired = read(&edit::retire_cell(&known_text, &cell("ru1"), &cell("eu1")).unwrap());
    let back = known_text.replacen("serial = 4", "serial = 9", 1);
    assert_eq!(accept::accept(&retired, &read(&back)), Err(Refused::Unretired("ru1".to_owned())));
    let ended = edit::rotate_outer_key(&known_text, "ed25519:a1", ("ed25519:a2", &key(6).public()), 1_790_000_000_000);
    let ended = ended.unwrap();
    let again = ended.replacen("expired_ts = 1790000000000\n", "", 1).replacen("serial = 5", "serial = 6", 1);
    assert_eq!(accept::accept(&read(&ended), &read(&again)), Err(Refused::Unended("ed25519:a1".to_owned())));
}

#[test]
fn gateways_carry_the_same_regions() {
    let carries = |text: &str, name: &str, codes: &str| {
        let (before, after) = text.split_at(text.find(&format!("name = \"{name}\"")).unwrap());
        format!("{before}{}", after.replacen("region =", &format!("gateway_for = [{codes}]\nregion ="), 1))
    };
    let open =
        two_cells().replace("outer = \"forbid\"", "outer = \"allow\"").replace("trusted = false", "trusted = true");
    let one = carries(&open, "eu1", "\"eu\", \"ru\"");
    assert_eq!(read(&one).cells[&cell("eu1")].gateway_for.len(), 2);
    read(&carries(&one, "ru1", "\"ru\", \"eu\""));
    let told = wrong(&carries(&one, "ru1", "\"ru\""));
    assert!(told.contains("[[cell]] ru1: its `gateway_for` names other regions than that of the cell eu1"), "{told}");
    // From a region that shares nothing nothing is carried.
    let closed = one.replacen("outer = \"allow\"", "outer = \"forbid\"", 1);
    read(&carries(&closed, "ru1", "\"ru\""));
}

#[test]
fn the_keys_for_other_servers_of_a_gateway_that_is_revoked_end() {
    let carries = "gateway_for = [\"eu\", \"ru\"]\nregion =";
    let open =
        two_cells().replace("outer = \"forbid\"", "outer = \"allow\"").replace("trusted = false", "trusted = true");
    let (head, ru1) = open.split_at(open.find("name = \"ru1\"").unwrap());
    let only = format!("{head}{}", ru1.replacen("region =", carries, 1));
    let two = only.replacen("name = \"eu1\"\nregion =", &format!("name = \"eu1\"\n{carries}"), 1);
    let with_key = |text: &str, id: &str, seed, gateway: Option<&str>| {
        let gateway = gateway.map(cell);
        edit::add_outer_key(text, (id, &key(seed).public()), gateway.as_ref()).unwrap()
    };
    let ends = |text: &str| -> Vec<(String, Option<i64>)> {
        let found = read(&edit::revoke_cell(text, &cell("ru1"), None, NOW_MS).unwrap());
        found.outer_keys.iter().map(|(id, outer)| (id["ed25519:".len()..].to_owned(), outer.expired_ts)).collect()
    };
    let (a1, b1) = ("a1".to_owned(), "b1".to_owned());
    // Of the only gateway it need not be said whose key it is.
    assert_eq!(ends(&with_key(&only, "ed25519:a1", 5, None)), [(a1.clone(), Some(NOW_MS))]);
    assert_eq!(ends(&with_key(&two, "ed25519:a1", 5, None)), [(a1.clone(), None)]);
    let both = with_key(&with_key(&two, "ed25519:a1", 5, Some("ru1")), "ed25519:b1", 6, Some("eu1"));
    assert_eq!(ends(&both), [(a1, Some(NOW_MS)), (b1, None)]);
    let revoked = edit::revoke_cell(&both, &cell("ru1"), None, NOW_MS).unwrap();
    assert!(read(&revoked).is_revoked_outer(&read(&revoked).outer_keys["ed25519:a1"]));
    let told = wrong(&revoked.replacen("expired_ts = 1790000000000\n", "", 1));
    assert!(told.contains("[[outer_key]] ed25519:a1: the cell ru1 is revoked"), "{told}");
    let told = wrong(&both.replacen("cell = \"ru1\"\n", "cell = \"zz\"\n", 1));
    assert!(told.contains("nothing is said of a cell zz"), "{told}");
    // A key that takes another one's place is the same cell's.
    let next = edit::rotate_outer_key(&both, "ed25519:a1", ("ed25519:a2", &key(7).public()), NOW_MS).unwrap();
    assert_eq!(read(&next).outer_keys["ed25519:a2"].cell, Some(cell("ru1")));
}

proptest! {
    #[test]
    fn no_change_of_a_signed_document_is_believed(at in any::<prop::sample::Index>(), byte in 0_u8..128) {
        let root = key(9);
        let signed = sign::sign(&two_cells(), &root);
        let mut bytes = signed.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        let altered = String::from_utf8(bytes).unwrap();
        // The one change that changes nothing: the end of the last line.
        if at + 1 < signed.len() {
            prop_assert!(sign::verified(&altered, &root.public()).is_err());
        }
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic(text in "[a-z\\[\\]= \"\n0-9{}]{0,200}") {
        prop_assert!(parse::read("x", &text).is_err());
    }
}
