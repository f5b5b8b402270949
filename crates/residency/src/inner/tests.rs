//! Tests of this folder.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::deployment::tests::{cell, key};

const SAID: Said<'static> = Said { method: "PUT", path: "/_matrix/federation/v1/send/1", body: b"{}" };

fn id(process: u64, number: u64) -> RequestId {
    RequestId { began_ms: 1_000 + process, process, number }
}

#[test]
fn a_request_is_for_one_cell_and_says_one_thing() {
    let (ours, theirs) = (key(1), key(2));
    let header = Header::sign((&cell("eu1"), &ours), &cell("ru1"), 7, id(1, 2), SAID);
    let read = Header::read(&header.to_string()).unwrap();
    assert_eq!(read, header);
    assert!(read.is_signed(&ours.public(), SAID));
    assert!(!read.is_signed(&theirs.public(), SAID));
    for said in [
        Said { method: "GET", ..SAID },
        Said { path: "/_matrix/federation/v1/send/2", ..SAID },
        Said { body: b"{ }", ..SAID },
    ] {
        assert!(!read.is_signed(&ours.public(), said), "{said:?}");
    }
    for (from, to) in [
        ("destination=\"ru1\"", "destination=\"eu1\""),
        ("origin=\"eu1\"", "origin=\"ru1\""),
        ("serial=\"7\"", "serial=\"8\""),
        (".2\"", ".3\""),
    ] {
        let text = header.to_string();
        assert!(text.contains(from), "{text}");
        let other = Header::read(&text.replace(from, to)).unwrap();
        assert!(!other.is_signed(&ours.public(), SAID), "{to}");
    }
}

#[test]
fn headers_that_are_none_are_refused() {
    let header = Header::sign((&cell("eu1"), &key(1)), &cell("ru1"), 7, id(1, 2), SAID).to_string();
    for index in 0..header.len() {
        assert_eq!(Header::read(&header[..index]), Err(BadHeader), "{}", &header[..index]);
    }
    for wrong in [
        format!("{header},more=\"1\""),
        header.replace("eu1", "eu1.example.org"),
        header.replace("serial=\"7\"", "serial=\"-7\""),
        header.replace("X-Matrix", "Bearer"),
        "x".repeat(100_000),
    ] {
        assert_eq!(Header::read(&wrong), Err(BadHeader), "{wrong}");
    }
}

#[test]
fn a_process_that_is_forgotten_says_nothing_any_more() {
    let mut once = Once::default();
    for process in 0..20 {
        assert_eq!(once.note(id(process, 0)), Ok(()));
    }
    assert_eq!(once.note(id(0, 0)), Err(Repeated));
    assert_eq!(once.note(id(0, 1)), Err(Repeated));
    assert_eq!(once.note(id(19, 0)), Err(Repeated));
    assert_eq!(once.note(id(19, 1)), Ok(()));
}

proptest! {
    #[test]
    fn no_request_counts_twice(numbers in prop::collection::vec((0_u64..3, prop_oneof![0_u64..200, 0_u64..20_000, any::<u64>()]), 1..400)) {
        let mut once = Once::default();
        let mut taken = HashSet::new();
        for (process, number) in numbers {
            if once.note(id(process, number)).is_ok() {
                prop_assert!(taken.insert((process, number)));
            }
        }
    }

    #[test]
    fn requests_that_overtake_each_other_all_count(order in Just((0_u64..2_000).collect::<Vec<_>>()).prop_shuffle()) {
        let mut once = Once::default();
        for number in order {
            prop_assert_eq!(once.note(id(1, number)), Ok(()));
        }
    }
}
