//! The status page shows what happened, in every language, and nothing that somebody wrote is markup.

use super::{
    view::{ShownIncident, ShownUpdate},
    *,
};
use crate::standing::demands::{Count, Counts};

const LINKS: Links = Links { page: path, feed: feed_path };

fn view(text: &str) -> View {
    let update = ShownUpdate {
        number: 7,
        at_ts: 1_780_000_000_000,
        state: "confirmed".to_owned(),
        words: [("en".to_owned(), text.to_owned()), ("ru".to_owned(), "Мы разбираемся.".to_owned())].into(),
    };
    let incident = ShownIncident {
        number: 3,
        kind: "unreachable".to_owned(),
        code: Some("RU".to_owned()),
        state: "confirmed".to_owned(),
        began_ts: 1_779_990_000_000,
        resolved_ts: None,
        updates: vec![update],
    };
    let counts =
        Counts { years: [(2026, [("RU".to_owned(), Count { received: 2, ..Count::default() })].into())].into() };
    View {
        service: "example.org".to_owned(),
        operator: Some(text.to_owned()),
        made_ts: 1_780_000_060_000,
        incidents: vec![incident],
        contacts: vec![("security".to_owned(), "security@example.org".to_owned())],
        registrations: vec![("RU".to_owned(), "registered".to_owned(), Some(text.to_owned()))],
        counts,
        names: BTreeMap::new(),
    }
}

#[test]
fn an_incident_is_told_in_each_language() {
    let view = view("We look into it.");
    for (language, title, text) in [
        (Language::En, "The service cannot be reached in Russia", "We look into it."),
        (Language::De, "Der Dienst ist nicht erreichbar: Russland", "<p lang=\"en\">We look into it."),
        (Language::Ru, "Сервис недоступен: Россия", "Мы разбираемся."),
        (Language::Zh, "服务无法访问：俄罗斯", "We look into it."),
    ] {
        let page = page::page(&view, language, &LINKS);
        assert!(page.contains(title) && page.contains(text), "{}: {page}", language.code());
        assert!(page.contains(&format!("<html lang=\"{}\">", language.code())));
        assert!(page.contains("mailto:security@example.org"));
        let feed = atom::feed(&view, language, Some("https://example.org/status/en"));
        assert!(feed.contains(title), "{feed}");
    }
}

#[test]
fn nothing_that_somebody_wrote_is_markup() {
    let hostile = "</style><script>alert(1)</script>\" onload=\"x' & ]]>";
    let mut view = view(hostile);
    view.contacts = vec![
        (hostile.to_owned(), hostile.to_owned()),
        ("users".to_owned(), "javascript:alert(1)".to_owned()),
        ("users".to_owned(), "https://example.org/\"><script>".to_owned()),
    ];
    view.names.insert("XX".to_owned(), hostile.to_owned());
    view.incidents[0].code = Some("XX".to_owned());
    for language in Language::ALL {
        for text in [page::page(&view, language, &LINKS), atom::feed(&view, language, Some(hostile))] {
            assert!(!text.contains("<script") && !text.contains("\" onload"), "{text}");
            assert!(!text.contains("href=\"javascript"), "{text}");
        }
    }
}

#[test]
fn without_incidents_all_is_well_and_maintenance_is_no_alarm() {
    let mut view = view("x");
    view.incidents[0].kind = "maintenance".to_owned();
    assert!(page::page(&view, Language::En, &LINKS).contains("verdict planned"));
    view.incidents[0].resolved_ts = Some(1_780_000_001_000);
    let page = page::page(&view, Language::En, &LINKS);
    assert!(page.contains("verdict well") && page.contains("Everything works"), "{page}");
    view.incidents.clear();
    assert!(page::page(&view, Language::De, &LINKS).contains("Es gab keine."));
}

#[test]
fn files_name_each_other() {
    let links = Links { page: file, feed: feed_file };
    let page = page::page(&view("x"), Language::De, &links);
    for name in ["index.html", "ru.html", "feed.de.atom"] {
        assert!(page.contains(&format!("href=\"{name}\"")), "{name}: {page}");
    }
}

#[test]
fn a_long_past_is_bounded() {
    let mut view = view(&"x".repeat(8_000));
    view.incidents[0].resolved_ts = Some(1);
    let one = view.incidents[0].clone();
    view.incidents = vec![one; 2 * page::SHOWN];
    let page = page::page(&view, Language::En, &LINKS);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    assert_eq!(page.matches("<article").count(), page::SHOWN);
}
