//! A change of a dossier: what is asked for, what it does to the row, and how the history tells it.

use domicile_core::{calendar::day, error::ErrorKind};
use domicile_residency::standing::words::Status;
use domicile_store::table::dossiers as rows;
use serde::Deserialize;

use crate::{
    Error, Result,
    standing::{StandingSettings, line, text},
};

/// What is to be changed. A text that is empty takes the old one away; a time is in milliseconds since the epoch, and 0 takes the old one away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Where it stands.
    pub status: Option<String>,
    /// The legal entity.
    pub legal_entity: Option<String>,
    /// The authority.
    pub authority: Option<String>,
    /// The register.
    pub register: Option<String>,
    /// The number in it.
    pub number: Option<String>,
    /// For the operator; with `chosen_not_to` it is the reason.
    pub note: Option<String>,
    /// When it was filed.
    pub filed_ts: Option<i64>,
    /// When it was registered.
    pub registered_ts: Option<i64>,
    /// When the registration ends.
    pub expires_ts: Option<i64>,
    /// What is to be done next.
    pub next_action: Option<String>,
    /// Until when.
    pub next_due_ts: Option<i64>,
}

/// A dossier that is begun: with what the catalogue and the configuration say.
pub(super) fn begun(code: &str, now_ms: i64, settings: &StandingSettings) -> rows::Dossier {
    let jurisdiction = settings.catalogue.jurisdiction(code);
    let registration = jurisdiction.and_then(|at| at.duties.iter().find_map(|duty| duty.registration.as_ref()));
    rows::Dossier {
        code: code.to_owned(),
        revision: 0,
        status: Status::Draft.word().to_owned(),
        status_ts: now_ms,
        legal_entity: settings.operator.clone(),
        authority: registration.map(|registration| registration.authority.clone()),
        register: registration.map(|registration| registration.register.clone()),
        number: None,
        note: None,
        filed_ts: None,
        registered_ts: None,
        expires_ts: None,
        next_action: None,
        next_due_ts: None,
    }
}

/// Applies a change, and tells what it did, a sentence each; nothing where nothing changes.
pub(super) fn apply(row: &mut rows::Dossier, change: &Change, now_ms: i64, is_new: bool) -> Result<Vec<String>> {
    let mut told = Vec::new();
    if is_new {
        told.push("began the dossier".to_owned());
    }
    for (name, field, new) in [
        ("legal entity", &mut row.legal_entity, &change.legal_entity),
        ("authority", &mut row.authority, &change.authority),
        ("register", &mut row.register, &change.register),
        ("number", &mut row.number, &change.number),
        ("next action", &mut row.next_action, &change.next_action),
    ] {
        set_text(name, field, new.as_deref(), line, &mut told)?;
    }
    set_text("note", &mut row.note, change.note.as_deref(), text, &mut told)?;
    for (name, field, new) in [
        ("filed", &mut row.filed_ts, change.filed_ts),
        ("registered", &mut row.registered_ts, change.registered_ts),
        ("expires", &mut row.expires_ts, change.expires_ts),
        ("next action due", &mut row.next_due_ts, change.next_due_ts),
    ] {
        let new = new.map(|new| (new > 0).then_some(new));
        if let Some(new) = new.filter(|new| new != field) {
            told.push(format!("{name}: {}", new.map_or_else(|| "no date".to_owned(), day)));
            *field = new;
        }
    }
    if let Some(status) = &change.status {
        set_status(row, status, now_ms, &mut told)?;
    }
    Ok(told)
}

fn set_text(
    name: &str,
    field: &mut Option<String>,
    new: Option<&str>,
    check: fn(&str, &str) -> Result<String>,
    told: &mut Vec<String>,
) -> Result<()> {
    let Some(new) = new else { return Ok(()) };
    let new = if new.trim().is_empty() { None } else { Some(check(&format!("The {name}"), new)?) };
    if *field != new {
        told.push(format!("{name}: {}", new.as_deref().unwrap_or("taken away")));
        *field = new;
    }
    Ok(())
}

fn set_status(row: &mut rows::Dossier, word: &str, now_ms: i64, told: &mut Vec<String>) -> Result<()> {
    let status = Status::from_word(word).ok_or_else(|| {
        let known: Vec<&str> = Status::ALL.iter().map(|status| status.word()).collect();
        Error::from(ErrorKind::InvalidParam.with(format!("`{word}` is no status: use one of {}.", known.join(", "))))
    })?;
    if status == Status::ChosenNotTo && row.note.is_none() {
        return Err(ErrorKind::InvalidParam.with("Say why you chose not to file, as a note.").into());
    }
    if row.status == word {
        return Ok(());
    }
    told.push(format!("status: {word}"));
    word.clone_into(&mut row.status);
    row.status_ts = now_ms;
    match status {
        Status::Filed if row.filed_ts.is_none() => row.filed_ts = Some(now_ms),
        Status::Registered if row.registered_ts.is_none() => row.registered_ts = Some(now_ms),
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> rows::Dossier {
        rows::Dossier {
            code: "RU".to_owned(),
            revision: 3,
            status: "draft".to_owned(),
            status_ts: 1,
            legal_entity: Some("Club".to_owned()),
            authority: None,
            register: None,
            number: None,
            note: None,
            filed_ts: None,
            registered_ts: None,
            expires_ts: None,
            next_action: None,
            next_due_ts: None,
        }
    }

    #[test]
    fn a_change_tells_what_it_did_and_nothing_else() {
        let mut changed = row();
        let change = Change {
            status: Some("filed".to_owned()),
            legal_entity: Some("Club".to_owned()),
            number: Some("12".to_owned()),
            expires_ts: Some(951_782_400_000),
            ..Change::default()
        };
        let told = apply(&mut changed, &change, 5, false).unwrap();
        assert_eq!(told, ["number: 12", "expires: 2000-02-29", "status: filed"]);
        assert_eq!((changed.filed_ts, changed.status_ts, changed.registered_ts), (Some(5), 5, None));
        assert!(apply(&mut changed, &change, 9, false).unwrap().is_empty());
        let away = Change { number: Some(String::new()), expires_ts: Some(0), ..Change::default() };
        assert_eq!(apply(&mut changed, &away, 9, false).unwrap(), ["number: taken away", "expires: no date"]);
    }

    #[test]
    fn not_to_file_needs_a_reason() {
        let mut changed = row();
        let mut change = Change { status: Some("chosen_not_to".to_owned()), ..Change::default() };
        assert!(apply(&mut changed, &change, 5, false).is_err());
        change.note = Some("what it entails".to_owned());
        assert!(apply(&mut changed, &change, 5, false).is_ok());
        change.status = Some("done".to_owned());
        assert!(apply(&mut changed, &change, 5, false).is_err());
    }
}
