//! What is read is what another reader of JSON reads, and what is written is canonical.

use proptest::prelude::*;
use ruma::CanonicalJsonValue;
use serde_json::Value;

use super::*;

fn again(text: &str) -> String {
    let mut out = Vec::new();
    read(text.as_bytes()).unwrap().value.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_appendix_has_these_examples() {
    for (given, canonical) in [
        ("{}", "{}"),
        (r#"{ "one": 1, "two": "Two" }"#, r#"{"one":1,"two":"Two"}"#),
        (r#"{"b":"2","a":"1"}"#, r#"{"a":"1","b":"2"}"#),
        (r#"{"本": 2, "日": 1}"#, r#"{"日":1,"本":2}"#),
        (r#"{"a": "\u65E5"}"#, r#"{"a":"日"}"#),
        (r#"{"a": null, "b": -0}"#, r#"{"a":null,"b":0}"#),
        ("[\"\\u0007\\u007f\\/\\ud83d\\ude00\\n\"]", "[\"\\u0007\u{7f}/😀\\n\"]"),
    ] {
        assert_eq!(again(given), canonical);
        assert!(read(given.as_bytes()).unwrap().is_canonical, "{given}");
    }
}

#[test]
fn of_a_key_that_stands_there_twice_the_last_one_counts() {
    assert_eq!(again(r#"{"b":0,"a":1,"b":2,"a":{"x":1,"x":2},"a":3}"#), r#"{"a":3,"b":2}"#);
}

/// As the reference implementation's language writes them.
#[test]
fn numbers_of_old_rooms_are_written_as_python_writes_them() {
    for (given, written) in [
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("-0.0", "-0.0"),
        ("1e15", "1000000000000000.0"),
        ("1e16", "1e+16"),
        ("1.5e300", "1.5e+300"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1.25e-7", "1.25e-07"),
        ("0.1", "0.1"),
        ("123456789.123456789", "123456789.12345679"),
        ("9223372036854775807", "9223372036854775807"),
        ("-92233720368547758070000", "-92233720368547758070000"),
    ] {
        assert_eq!(again(given), written);
        assert!(!read(given.as_bytes()).unwrap().is_canonical, "{given}");
    }
    for whole in ["9007199254740991", "-9007199254740991"] {
        assert!(read(whole.as_bytes()).unwrap().is_canonical);
    }
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "}",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "NaN",
        "1e400",
        "tru",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\ud800\"",
        "\"\\ud800\\u0020\"",
        "\"\\udc00\"",
        "\"a\nb\"",
        "\"",
        "1 2",
        "\u{feff}1",
        "[1 2]",
        "{\"a\" 1}",
        "-",
        "--1",
    ] {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
    assert!(read(b"\"\xff\"").is_err());
    let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(read(nested(DEPTH).as_bytes()).is_ok());
    assert_eq!(read(nested(DEPTH + 1).as_bytes()), Err(JsonError::TooDeep));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Any text: both readers take it or both do not, and what they read is the same.
    #[test]
    fn any_text_is_read_as_by_others(text in "[\\[\\]{}:,\" \\\\0-9a-f.eEu+-]{0,24}") {
        let ours = read(text.as_bytes());
        let theirs = serde_json::from_str::<Value>(&text);
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs)
            && ours.is_canonical
            && let Ok(theirs) = CanonicalJsonValue::try_from(theirs)
        {
            let mut out = Vec::new();
            ours.value.write(&mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), theirs.to_string());
        }
    }

    /// Strings of all kinds come back as they were.
    #[test]
    fn texts_come_back(texts in prop::collection::vec(any::<String>(), 0..6)) {
        let json = Value::from(texts).to_string();
        prop_assert_eq!(again(&json), json);
    }
}
