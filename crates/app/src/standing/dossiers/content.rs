//! What papers say. The internal one has everything; the authority's has what its form asks and nothing about users; the public one has what
//! anybody may know.

use std::collections::BTreeSet;

use domicile_core::{
    calendar::{day, minute},
    error::ErrorKind,
};
use domicile_residency::standing::{
    Answer,
    evaluate::Triggered,
    words::{Kind, Role, Status},
};

use super::{
    Contact, Whole,
    paper::{Block, Paper, Section},
};
use crate::{
    Result,
    standing::{StandingSettings, duties},
};

/// What a paper is written from.
pub(super) struct Ground<'g> {
    pub(super) whole: &'g Whole,
    pub(super) section: &'g duties::Section,
    pub(super) settings: &'g StandingSettings,
    /// The deployment's name, and the address that clients use.
    pub(super) names: &'g (String, Option<String>),
    pub(super) now_ms: i64,
}

/// Everything.
pub(super) fn internal(ground: &Ground<'_>) -> Paper {
    let dossier = &ground.whole.dossier;
    let mut sections = vec![registration(ground, true), contacts(ground, |_| true, true)];
    let head = ["duty", "answer", "why", "law"].map(str::to_owned).to_vec();
    let rows = ground.section.duties.iter().map(|line| {
        vec![line.duty.clone(), line.answer.word().replace('_', " "), line.reason.clone(), line.law.clone()]
    });
    sections.push(Section { title: "What the law asks".to_owned(), blocks: vec![Block::Table(head, rows.collect())] });
    sections.push(declined(ground));
    sections.push(Section {
        title: "Documents".to_owned(),
        blocks: vec![Block::Table(
            ["document", "SHA-256", "bytes", "attached by", "on"].map(str::to_owned).to_vec(),
            ground
                .whole
                .documents
                .iter()
                .map(|one| {
                    vec![
                        one.name.clone(),
                        one.sha256.clone(),
                        one.bytes.to_string(),
                        one.who.clone(),
                        day(one.added_ts),
                    ]
                })
                .collect(),
        )],
    });
    let papers = ground.whole.papers.iter().map(|paper| {
        let and = |who: Option<&String>, at: Option<i64>| match (who, at) {
            (Some(who), Some(at)) => format!("{who}, {}", day(at)),
            _ => String::new(),
        };
        vec![
            paper.paper.to_string(),
            format!("{}, {}", paper.made_by, day(paper.made_ts)),
            and(paper.reviewed_by.as_ref(), paper.reviewed_ts),
            and(paper.sent_by.as_ref(), paper.sent_ts),
        ]
    });
    let head = ["paper", "made", "reviewed", "sent"].map(str::to_owned).to_vec();
    sections.push(Section { title: "Papers".to_owned(), blocks: vec![Block::Table(head, papers.collect())] });
    let history =
        ground.whole.history.iter().map(|entry| format!("{} {}: {}", minute(entry.at_ts), entry.who, entry.what));
    sections.push(Section { title: "History".to_owned(), blocks: vec![Block::List(history.collect())] });
    let mut under = vec![
        format!("Internal. {}, {} UTC.", ground.names.0, minute(ground.now_ms)),
        format!("Accounts noted as living there: {}.", ground.section.users),
    ];
    if let Some(next) = &dossier.next_action {
        let until = dossier.next_due_ts.map(|at| format!(", until {}", day(at))).unwrap_or_default();
        under.push(format!("Next: {next}{until}."));
    }
    Paper { title: format!("Dossier {}: {}", dossier.code, ground.section.name), under, sections }
}

/// What the authority's form asks.
pub(super) fn authority(ground: &Ground<'_>) -> Result<Paper> {
    let dossier = &ground.whole.dossier;
    let asked = asked_roles(ground);
    let named = |role: &str| dossier.contacts.iter().any(|contact| contact.role == role);
    let mut missing: Vec<String> =
        asked.iter().filter(|role| !named(role.word())).map(|role| format!("a contact as {}", role.word())).collect();
    if dossier.legal_entity.is_none() {
        missing.insert(0, "the legal entity".to_owned());
    }
    if !missing.is_empty() {
        let what = format!(
            "The paper for the authority lacks {}: add it to the dossier of {}.",
            missing.join(", "),
            dossier.code
        );
        return Err(ErrorKind::InvalidParam.with(what).into());
    }
    let mut sections = vec![registration(ground, false)];
    sections.push(contacts(ground, |contact| asked.iter().any(|role| role.word() == contact.role), true));
    if says_where(ground) {
        let places: Vec<&str> = ground.settings.stored_in.iter().map(String::as_str).collect();
        let place = if places.is_empty() { "not stated".to_owned() } else { places.join(", ") };
        let fields = vec![("The database is in".to_owned(), place)];
        sections.push(Section { title: "Place of the database".to_owned(), blocks: vec![Block::Fields(fields)] });
    }
    let mut under = vec![day(ground.now_ms)];
    if let Some(authority) = &dossier.authority {
        under.insert(0, format!("To: {authority}"));
    }
    Ok(Paper { title: format!("Information about the service {}", ground.names.0), under, sections })
}

/// What anybody may know.
pub(super) fn public(ground: &Ground<'_>) -> Paper {
    let dossier = &ground.whole.dossier;
    let mut fields = vec![("Status".to_owned(), status(&dossier.status))];
    push(&mut fields, "Authority", dossier.authority.as_ref());
    push(&mut fields, "Register", dossier.register.as_ref());
    push(&mut fields, "Number", dossier.number.as_ref());
    push(&mut fields, "Registered on", dossier.registered_ts.map(day).as_ref());
    let sections = vec![
        Section { title: "Registration".to_owned(), blocks: vec![Block::Fields(fields)] },
        contacts(ground, |contact| contact.is_public, false),
        declined(ground),
    ];
    let under = vec![format!("{}, {}", ground.names.0, day(ground.now_ms))];
    Paper { title: format!("{} and the service {}", ground.section.name, ground.names.0), under, sections }
}

fn registration(ground: &Ground<'_>, whole: bool) -> Section {
    let dossier = &ground.whole.dossier;
    let mut fields = Vec::new();
    push(&mut fields, "Legal entity", dossier.legal_entity.as_ref());
    fields.push(("Service".to_owned(), ground.names.0.clone()));
    push(&mut fields, "Address of the service", ground.names.1.as_ref());
    let services: Vec<&str> = ground.settings.services.iter().map(|service| service.about()).collect();
    fields.push(("Kind of service".to_owned(), services.join("; ")));
    push(&mut fields, "Register", dossier.register.as_ref());
    push(&mut fields, "Number", dossier.number.as_ref());
    if whole {
        push(&mut fields, "Authority", dossier.authority.as_ref());
        fields.push(("Status".to_owned(), format!("{}, since {}", status(&dossier.status), day(dossier.status_ts))));
        push(&mut fields, "Filed", dossier.filed_ts.map(day).as_ref());
        push(&mut fields, "Registered", dossier.registered_ts.map(day).as_ref());
        push(&mut fields, "Expires", dossier.expires_ts.map(day).as_ref());
        push(&mut fields, "Note", dossier.note.as_ref());
    }
    Section { title: "The service".to_owned(), blocks: vec![Block::Fields(fields)] }
}

fn contacts(ground: &Ground<'_>, which: impl Fn(&Contact) -> bool, persons: bool) -> Section {
    let mut blocks = Vec::new();
    for contact in ground.whole.dossier.contacts.iter().filter(|contact| which(contact)) {
        let role = Role::from_word(&contact.role);
        let about: &str = if let Some(role) = role { role.about() } else { &contact.role };
        let mut fields = vec![(about.to_owned(), contact.address.clone())];
        if let Some(person) = contact.person.as_ref().filter(|_| persons) {
            push(&mut fields, "Name", person.name.as_ref());
            push(&mut fields, "Telephone", person.phone.as_ref());
            push(&mut fields, "Mail", person.mail.as_ref());
            push(&mut fields, "Postal address", person.post.as_ref());
        }
        blocks.push(Block::Fields(fields));
    }
    if blocks.is_empty() {
        blocks.push(Block::Text("None.".to_owned()));
    }
    Section { title: "Contacts".to_owned(), blocks }
}

/// What is declined, in the words that an authority can be sent.
fn declined(ground: &Ground<'_>) -> Section {
    let of = ground.section.duties.iter().filter_map(|line| match &line.answer {
        Answer::DeclinedByDesign { words } => Some(vec![line.title.clone(), words.clone()]),
        _ => None,
    });
    let rows: Vec<Vec<String>> = of.collect();
    let block = if rows.is_empty() {
        Block::Text("Nothing that is asked here.".to_owned())
    } else {
        Block::Table(["what is asked", "what we say"].map(str::to_owned).to_vec(), rows)
    };
    Section { title: "Declined by design, always".to_owned(), blocks: vec![block] }
}

/// The roles that forms of this jurisdiction ask for, of duties that apply. Where none does, somebody files all the same: then of all of them.
fn asked_roles(ground: &Ground<'_>) -> Vec<Role> {
    let Some(jurisdiction) = ground.settings.catalogue.jurisdiction(&ground.whole.dossier.code) else {
        return Vec::new();
    };
    let forms = ground.section.duties.iter().zip(&jurisdiction.duties);
    let forms =
        forms.filter(|(line, _)| matches!(line.kind, Kind::Registration | Kind::Representative | Kind::Contact));
    let (apply, others): (Vec<_>, Vec<_>) = forms.partition(|(line, _)| !matches!(line.triggered, Triggered::No(_)));
    let asked = if apply.is_empty() { others } else { apply };
    let roles: BTreeSet<Role> = asked.into_iter().flat_map(|(_, duty)| duty.contacts.iter().copied()).collect();
    roles.into_iter().collect()
}

fn says_where(ground: &Ground<'_>) -> bool {
    ground.section.duties.iter().any(|line| line.kind == Kind::Storage && line.triggered == Triggered::Yes)
}

fn push(fields: &mut Vec<(String, String)>, name: &str, value: Option<&String>) {
    if let Some(value) = value {
        fields.push((name.to_owned(), value.clone()));
    }
}

fn status(word: &str) -> String {
    let known = Status::from_word(word);
    if let Some(status) = known { status.about().to_owned() } else { word.to_owned() }
}
