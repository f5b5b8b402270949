//! The catalogue that comes with the program is whole, and mistakes in an operator's files are told with their places.

use super::*;
use crate::standing::words::{Confidence, Subject};

fn file(text: &str) -> File {
    File { name: "law/XX.toml".to_owned(), text: text.to_owned() }
}

const DUTY: &str = r#"
[[duty]]
id = "register"
title = "Register"
kind = "registration"
asks = "Register."
entails = "Nothing."
risk_to_users = "None."
[[duty.source]]
law = "Law 1"
confidence = "sourced"
"#;

fn head(code: &str) -> String {
    format!("code = \"{code}\"\nname = \"Somewhere\"\nas_of = \"2026-11-28\"\n")
}

#[test]
fn what_comes_with_the_program_is_whole() {
    let catalogue = Catalogue::read([]).unwrap_or_else(|problems| panic!("{problems}"));
    let codes: Vec<&str> = catalogue.all().map(|jurisdiction| jurisdiction.code.as_str()).collect();
    assert_eq!(codes, ["CN", "EU", "ID", "IN", "KZ", "RU", "TR", "VN"]);
    for jurisdiction in catalogue.all() {
        assert!(!jurisdiction.duties.is_empty(), "{}", jurisdiction.code);
        for duty in &jurisdiction.duties {
            let name = format!("{}/{}", jurisdiction.code, duty.id);
            assert!(!duty.sources.is_empty(), "{name} has no source");
            assert!(duty.sources.iter().all(|source| !source.law.is_empty()), "{name}");
            assert!(!duty.sanctions.is_empty(), "{name} does not say what follows on failure");
            if duty.confidence() == Confidence::Sourced {
                let dated = duty.sources.iter().any(|source| source.date.is_some() || source.article.is_some());
                assert!(dated, "{name} names a law without article or date");
            }
        }
    }
}

#[test]
fn each_thing_that_is_declined_is_declined_somewhere_in_words() {
    let catalogue = Catalogue::embedded();
    let declined: Vec<_> =
        catalogue.all().flat_map(|at| &at.duties).filter_map(|duty| duty.declined_by_design.as_ref()).collect();
    for subject in Subject::ALL {
        let words =
            declined.iter().find(|declined| declined.subject == *subject).map(|declined| declined.words_in("en"));
        assert!(words.is_some_and(|words| words.len() > 60), "{}", subject.word());
    }
    let (_, keys) = catalogue.duty("RU/keys").expect("the duty");
    let declined = keys.declined_by_design.as_ref().expect("declined");
    assert!(declined.words_in("ru").contains("Ключи"));
    assert_eq!(declined.words_in("tr"), declined.words_in("en"));
}

#[test]
fn an_operators_file_corrects_and_extends() {
    let corrected = DUTY.replace("\"register\"", "\"ori-registration\"").replace("\"Register\"", "\"Corrected\"");
    let russia = File { name: "RU.toml".to_owned(), text: head("RU") + &corrected };
    let new = file(&(head("BR") + DUTY));
    let catalogue = Catalogue::read([&russia, &new]).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(catalogue.duty("RU/ori-registration").expect("the duty").1.title, "Corrected");
    assert!(catalogue.duty("RU/keys").is_some(), "what the file does not name stays");
    assert!(catalogue.duty("BR/register").is_some());
}

#[test]
fn mistakes_are_told_with_file_line_and_key() {
    let told = |text: &str| Catalogue::read([&file(text)]).expect_err("mistakes").to_string();
    for (text, expected) in [
        (head("xx"), "law/XX.toml:1:8: `code` must be two capital letters"),
        ("code = \"XX\"\nname = \"x\"\n".to_owned(), "law/XX.toml:1:1: `as_of` is missing"),
        (head("XX").replace("11-28", "11-31"), "law/XX.toml:3:9: `as_of` must be a day"),
        (
            head("XX") + &DUTY.replace("kind = \"registration\"", "kind = \"registratoin\""),
            "did you mean \"registration\"?",
        ),
        (head("XX") + &DUTY.replace("asks", "aks"), "there is no key `duty.aks`: did you mean `asks`?"),
        (head("XX") + &DUTY.replace("asks", "aks"), "law/XX.toml:5:1: `duty.asks` is missing"),
        (head("XX") + DUTY + DUTY, "law/XX.toml:17:6: the duty \"register\" stands twice"),
        (head("XX") + DUTY.split("[[duty.source]]").next().unwrap(), "the duty \"register\" has no source"),
        (head("XX") + &DUTY.replace("confidence = \"sourced\"\n", ""), "`duty.source.confidence` is missing"),
        (head("XX") + &DUTY.replace("\"Nothing.\"", "\"\""), "`duty.entails` is empty"),
        (head("XX") + &DUTY.replace("\"Nothing.\"", "3"), "law/XX.toml:10:11: `duty.entails` must be a text"),
        (head("XX") + "duty = 3\n", "`duty` must be a list"),
        ("code = [".to_owned(), "this is not TOML"),
        (
            head("XX") + &DUTY.replace("kind =", "conflicts = [{ with = \"EU/nothing\", how = \"x\" }]\nkind ="),
            "XX/register: it conflicts with EU/nothing, which does not exist",
        ),
    ] {
        let told = told(&text);
        assert!(told.contains(expected), "{expected}\n---\n{told}\n---\n{text}");
    }
}

#[test]
fn files_are_bounded() {
    let large = "x".repeat(600 * 1024);
    let told = Catalogue::read([&file(&large)]).expect_err("too large").to_string();
    assert!(told.contains("larger than"), "{told}");
    let long = head("XX") + &DUTY.replace("Nothing.", &"x".repeat(5_000));
    let told = Catalogue::read([&file(&long)]).expect_err("too long").to_string();
    assert!(told.contains("more than 4000 bytes"), "{told}");
}

#[test]
fn two_files_for_one_jurisdiction_are_one_too_many() {
    let one = file(&(head("BR") + DUTY));
    let other = File { name: "law/YY.toml".to_owned(), ..one.clone() };
    let told = Catalogue::read([&one, &other]).expect_err("twice").to_string();
    assert_eq!(told, "law/YY.toml: law/XX.toml is for BR, too: put both into one file");
}
