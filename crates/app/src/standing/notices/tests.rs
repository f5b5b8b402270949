//! What a notice says.

use super::*;

#[test]
fn a_notice_is_in_the_users_language_or_in_english() {
    let update = Update {
        update: 1,
        at_ts: 0,
        state: "confirmed".to_owned(),
        who: "ada".to_owned(),
        words: [("en".to_owned(), "We know.".to_owned()), ("ru".to_owned(), "Мы знаем.".to_owned())].into(),
        note: None,
        told: 0,
    };
    let incident = Incident {
        incident: 1,
        sign: "unreachable:RU".to_owned(),
        code: Some("RU".to_owned()),
        kind: "unreachable".to_owned(),
        state: "confirmed".to_owned(),
        is_public: true,
        began_ts: 0,
        resolved_ts: None,
        updates: vec![update.clone()],
    };
    let settings = StandingSettings::nothing();
    assert_eq!(
        body(&incident, &update, Language::Ru, &settings),
        "Сервис недоступен: Россия (Подтверждено)\n\nМы знаем."
    );
    assert_eq!(
        body(&incident, &update, Language::De, &settings),
        "Der Dienst ist nicht erreichbar: Russland (Bestätigt)\n\nWe know."
    );
    assert_eq!(elsewhere(&[], Language::De), "");
    let two = ["https://a.example".to_owned(), "https://b.example".to_owned()];
    assert!(elsewhere(&two, Language::De).ends_with("gibt es diese:\nhttps://a.example\nhttps://b.example"));
}
