//! What a word about somebody's devices makes of the copy.

use ruma::{owned_device_id, user_id};
use serde_json::{json, value::to_raw_value};

use super::*;

const BOB: &str = "@bob:far.example";

fn copy(stream_id: Option<i64>, is_stale: bool) -> DeviceListCopy {
    DeviceListCopy { user_num: 7.into(), stream_id, fetched_ts: Some(1), is_stale, revision: 3, attempts: 0 }
}

fn word(stream_id: i64, prev_ids: &[i64]) -> Word {
    let keys = json!({ "user_id": BOB, "device_id": "AAA", "algorithms": [], "keys": {}, "signatures": {} });
    Word::Device(DeviceWord {
        device_id: owned_device_id!("AAA"),
        stream_id,
        prev_ids: prev_ids.to_vec(),
        deleted: false,
        keys: Some(Raw::from_json(to_raw_value(&keys).unwrap())),
        name: None,
    })
}

fn outcome(copy: Option<&DeviceListCopy>, words: &[Word]) -> Outcome {
    apply(copy, &List::default(), user_id!("@bob:far.example"), words)
}

#[test]
fn a_word_that_follows_is_applied() {
    let Outcome::Applied { list, stream_id, revision } = outcome(Some(&copy(Some(5), false)), &[word(6, &[5])]) else {
        panic!("it follows");
    };
    assert_eq!((list.devices.len(), stream_id, revision), (1, Some(6), 3));
    let two = outcome(Some(&copy(Some(5), false)), &[word(6, &[5]), word(9, &[6])]);
    assert!(matches!(two, Outcome::Applied { stream_id: Some(9), .. }));
}

#[test]
fn what_is_known_changes_nothing() {
    assert_eq!(outcome(Some(&copy(Some(5), false)), &[word(5, &[4])]), Outcome::Nothing);
    assert_eq!(outcome(Some(&copy(Some(5), false)), &[word(5, &[])]), Outcome::Nothing);
}

#[test]
fn where_a_word_is_missing_the_copy_is_stale() {
    let fresh = copy(Some(5), false);
    for words in [vec![word(7, &[6])], vec![word(6, &[])], vec![word(6, &[5, 4])], vec![word(6, &[5]), word(8, &[7])]] {
        assert_eq!(outcome(Some(&fresh), &words), Outcome::Stale, "{words:?}");
    }
    assert_eq!(outcome(None, &[word(6, &[5])]), Outcome::Stale);
    assert_eq!(outcome(Some(&copy(None, false)), &[word(6, &[5])]), Outcome::Stale);
    assert_eq!(outcome(Some(&copy(Some(5), true)), &[word(6, &[5])]), Outcome::Stale);
    assert_eq!(outcome(Some(&DeviceListCopy { fetched_ts: None, ..fresh }), &[word(6, &[5])]), Outcome::Stale);
}

#[test]
fn what_cannot_be_right_makes_it_stale() {
    let fresh = copy(Some(5), false);
    let spoilt = |change: &dyn Fn(&mut DeviceWord)| {
        let Word::Device(mut word) = word(6, &[5]) else { panic!("a word of a device") };
        change(&mut word);
        outcome(Some(&fresh), &[Word::Device(word)])
    };
    assert_eq!(spoilt(&|word| word.device_id = owned_device_id!("BBB")), Outcome::Stale);
    assert_eq!(spoilt(&|word| word.keys = Some(Raw::from_json(to_raw_value(&json!(5)).unwrap()))), Outcome::Stale);
    assert_eq!(
        spoilt(&|word| (word.device_id, word.deleted) = ("a\u{0}".into(), true)),
        Outcome::Stale,
        "no id of a device has control characters"
    );
    let gone = spoilt(&|word| word.deleted = true);
    assert!(matches!(gone, Outcome::Applied { list, .. } if list == List::default()));
}
