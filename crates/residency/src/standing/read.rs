//! A file of the catalogue as values, or everything that is wrong with it.

use std::collections::BTreeMap;

use domicile_core::config::Problems;
use toml_edit::Document;

use super::{
    duty::{Conflict, Declined, Duty, Jurisdiction, Limit, Registration, Source, Trigger},
    table::{Reading, Table},
    words::{Confidence, Counted, Kind, Storage, Subject},
};

/// Largest file in bytes.
pub(super) const FILE_BYTES: usize = 512 * 1024;

/// Reads a file; `name` is for messages.
pub(super) fn read(name: &str, text: &str) -> Result<Jurisdiction, Problems> {
    let mut reading = Reading { name, text, problems: Problems::default() };
    if text.len() > FILE_BYTES {
        reading.problem(None, format!("the file is larger than {FILE_BYTES} bytes"));
        return Err(reading.problems);
    }
    let found = match Document::parse(text) {
        Ok(document) => {
            let table = Table::new("", document.as_table(), Some(0..0));
            Some(jurisdiction(&mut reading, table))
        }
        Err(error) => {
            reading.problem(error.span(), format!("this is not TOML: {}", error.message().trim()));
            None
        }
    };
    match found {
        Some(found) if reading.problems.is_empty() => Ok(found),
        _ => Err(reading.problems),
    }
}

fn jurisdiction(reading: &mut Reading<'_>, mut table: Table<'_>) -> Jurisdiction {
    let code = table.text(reading, "code");
    if !code.is_empty() && !is_code(&code) {
        let what = format!("`code` must be two capital letters such as \"RU\" or \"EU\", found \"{code}\"");
        reading.problem(table.span_of("code"), what);
    }
    let members = table.texts(reading, "members");
    for member in members.iter().filter(|member| !is_code(member)) {
        let what = format!("`members` must be codes such as \"DE\", found \"{member}\"");
        reading.problem(table.span_of("members"), what);
    }
    let name = table.text(reading, "name");
    let as_of = table.opt_day(reading, "as_of").unwrap_or_else(|| {
        if !table.has("as_of") {
            reading.problem(
                table.span(),
                "`as_of` is missing: the day on which this was compared with its sources".to_owned(),
            );
        }
        String::new()
    });
    let note = table.opt_text(reading, "note");
    let mut duties: Vec<Duty> = Vec::new();
    for entry in table.tables(reading, "duty") {
        let span = entry.span_of("id");
        let duty = duty(reading, entry);
        if duties.iter().any(|other| other.id == duty.id && !duty.id.is_empty()) {
            reading.problem(span, format!("the duty \"{}\" stands twice", duty.id));
        }
        duties.push(duty);
    }
    table.finish(reading);
    Jurisdiction { code, name, members: members.into_iter().collect(), as_of, note, duties }
}

fn duty(reading: &mut Reading<'_>, mut table: Table<'_>) -> Duty {
    let id = table.text(reading, "id");
    let is_id = |id: &str| id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_id(&id) {
        reading
            .problem(table.span_of("id"), format!("`duty.id` has small letters, digits and `-` only, found \"{id}\""));
    }
    let title = table.text(reading, "title");
    let kind = table.opt_word::<Kind>(reading, "kind");
    if kind.is_none() && !table.has("kind") {
        reading.problem(table.span(), "`duty.kind` is missing".to_owned());
    }
    let duty = Duty {
        id,
        title,
        kind: kind.unwrap_or(Kind::Contact),
        asks: table.text(reading, "asks"),
        entails: table.text(reading, "entails"),
        risk_to_users: table.text(reading, "risk_to_users"),
        trigger: table.opt_table(reading, "trigger").map(|entry| trigger(reading, entry)).unwrap_or_default(),
        data: table.texts(reading, "data"),
        storage: table.opt_word::<Storage>(reading, "storage"),
        retention: table.opt_text(reading, "retention"),
        registration: table.opt_table(reading, "registration").map(|entry| registration(reading, entry)),
        contacts: table.words(reading, "contacts"),
        clocks: table.tables(reading, "clocks").into_iter().map(|entry| limit(reading, entry)).collect(),
        report: table.opt_text(reading, "report"),
        sanctions: table.texts(reading, "sanctions"),
        met_by: table.opt_word(reading, "met_by"),
        declined_by_design: table.opt_table(reading, "declined_by_design").and_then(|entry| declined(reading, entry)),
        conflicts: table.tables(reading, "conflicts").into_iter().map(|entry| conflict(reading, entry)).collect(),
        sources: table.tables(reading, "source").into_iter().map(|entry| source(reading, entry)).collect(),
    };
    if duty.sources.is_empty() {
        reading.problem(table.span(), format!("the duty \"{}\" has no source: add [[duty.source]]", duty.id));
    }
    if duty.met_by.is_some() && duty.declined_by_design.is_some() {
        let what = "`duty.met_by` and `duty.declined_by_design` exclude each other: split the duty in two".to_owned();
        reading.problem(table.span_of("met_by"), what);
    }
    table.finish(reading);
    duty
}

fn trigger(reading: &mut Reading<'_>, mut table: Table<'_>) -> Trigger {
    let trigger = Trigger {
        services: table.words(reading, "services").into_iter().collect(),
        exempt: table.words(reading, "exempt").into_iter().collect(),
        users_at_least: table.opt_number(reading, "users_at_least").unwrap_or(1),
        counted: table.opt_word(reading, "counted").unwrap_or(Counted::Registered),
        on_request: table.flag(reading, "on_request"),
        foreign_only: table.flag(reading, "foreign_only"),
        critical_only: table.flag(reading, "critical_only"),
    };
    table.finish(reading);
    trigger
}

fn registration(reading: &mut Reading<'_>, mut table: Table<'_>) -> Registration {
    let registration = Registration {
        authority: table.text(reading, "authority"),
        register: table.text(reading, "register"),
        channel: table.opt_text(reading, "channel"),
        deadline: table.opt_text(reading, "deadline"),
    };
    table.finish(reading);
    registration
}

fn limit(reading: &mut Reading<'_>, mut table: Table<'_>) -> Limit {
    let hours = table.opt_number(reading, "hours").and_then(|hours| u32::try_from(hours).ok());
    if hours.is_none_or(|hours| hours == 0) {
        reading.problem(table.span_of("hours"), "`duty.clocks.hours` must be a number of hours above 0".to_owned());
    }
    let limit = Limit { what: table.text(reading, "what"), hours: hours.unwrap_or(1) };
    table.finish(reading);
    limit
}

fn declined(reading: &mut Reading<'_>, mut table: Table<'_>) -> Option<Declined> {
    let subject = table.opt_word::<Subject>(reading, "subject");
    if subject.is_none() && !table.has("subject") {
        reading.problem(table.span(), "`duty.declined_by_design.subject` is missing".to_owned());
    }
    let words: BTreeMap<String, String> =
        table.opt_table(reading, "words").map(|entry| entry.all_texts(reading)).unwrap_or_default();
    if !words.contains_key("en") {
        let what = "`duty.declined_by_design.words.en` is missing: the words that an authority can be sent".to_owned();
        reading.problem(table.span(), what);
    }
    table.finish(reading);
    Some(Declined { subject: subject?, words })
}

fn conflict(reading: &mut Reading<'_>, mut table: Table<'_>) -> Conflict {
    let conflict = Conflict { with: table.text(reading, "with"), how: table.text(reading, "how") };
    if !conflict.with.split_once('/').is_some_and(|(code, id)| is_code(code) && !id.is_empty()) {
        let what = format!("`duty.conflicts.with` names a duty such as \"EU/transfers\", found \"{}\"", conflict.with);
        reading.problem(table.span_of("with"), what);
    }
    table.finish(reading);
    conflict
}

fn source(reading: &mut Reading<'_>, mut table: Table<'_>) -> Source {
    let confidence = table.opt_word::<Confidence>(reading, "confidence");
    if confidence.is_none() && !table.has("confidence") {
        let what = "`duty.source.confidence` is missing: sourced, second_hand or unverified".to_owned();
        reading.problem(table.span(), what);
    }
    let source = Source {
        law: table.text(reading, "law"),
        article: table.opt_text(reading, "article"),
        date: table.opt_day(reading, "date"),
        url: table.opt_text(reading, "url"),
        confidence: confidence.unwrap_or(Confidence::Unverified),
    };
    if let Some(url) = source.url.as_ref().filter(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
        reading.problem(table.span_of("url"), format!("`duty.source.url` must be a web address, found \"{url}\""));
    }
    table.finish(reading);
    source
}

/// Whether a text can be a country's code.
pub(super) fn is_code(code: &str) -> bool {
    code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}
