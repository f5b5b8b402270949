//! Alerts that follow from duties, dossiers and demands. Pure.

use domicile_core::{
    calendar::{day, minute},
    clock::DAY_MS,
};
use domicile_residency::standing::{
    Answer,
    evaluate::Triggered,
    words::{Kind, Status},
};
use domicile_store::table::{cuts::Cut, directory_troubles::Trouble};

use super::NewAlert;
use crate::standing::{demands::Demand, dossiers::Dossier, duties::Table};

/// Kinds of alerts that are made here.
pub(super) const KINDS: [&str; 7] = ["contacts", "registration", "demand", "deadline", "objection", "directory", "cut"];
/// How long before its end a registration is told of, and a deadline.
const BEFORE_EXPIRY_MS: i64 = 30 * DAY_MS;
const BEFORE_DEADLINE_MS: i64 = 3 * DAY_MS;
/// How long before its end a demand is told of.
const BEFORE_DUE_MS: i64 = DAY_MS;

pub(super) fn alerts(table: &Table, dossiers: &[Dossier], demands: &[Demand], now_ms: i64) -> Vec<NewAlert> {
    let mut alerts = Vec::new();
    for section in &table.jurisdictions {
        for line in &section.duties {
            // What is only unclear is in the table; an alert is for what applies.
            let Answer::NeedsOperator { what } = &line.answer else { continue };
            let kind = match line.kind {
                Kind::Contact | Kind::Representative => "contacts",
                Kind::Registration => "registration",
                _ => continue,
            };
            if line.triggered == Triggered::Yes {
                let what = format!("{} ({}): {what}.", line.title, line.duty);
                alerts.push(alert(kind, &line.duty, &section.code, what));
            }
        }
    }
    for dossier in dossiers {
        of_dossier(dossier, now_ms, &mut alerts);
    }
    for demand in demands {
        let Some(due_ts) = demand.due_ts.filter(|due_ts| *due_ts < now_ms + BEFORE_DUE_MS) else { continue };
        let is = if due_ts < now_ms { "is past its time" } else { "is nearly due" };
        let what = format!("Demand {} of {} {is}: {} UTC.", demand.demand, demand.authority, minute(due_ts));
        alerts.push(alert("demand", &demand.demand.to_string(), &demand.code, what));
    }
    alerts
}

/// Something is the matter between the cells that hold the directory.
pub(super) fn directory(trouble: Trouble) -> NewAlert {
    let subject = format!("directory:{}:{}", trouble.kind, trouble.cell);
    NewAlert { subject, kind: "directory", code: None, what: trouble.what }
}

/// Another cell is not reached, and people are told so.
pub(super) fn cut(cut: &Cut) -> NewAlert {
    let (cell, since) = (&cut.cell, minute(cut.since_ts));
    let what = format!(
        "The cell {cell} and this one have not reached each other since {since} UTC, and people who share rooms with its people are told. \
         `domicile deployment status` shows what waits, and why."
    );
    NewAlert { subject: format!("cut:{cell}"), kind: "cut", code: None, what }
}

/// People who object to being moved, and wait for a decision: how many, not who.
pub(super) fn objections(count: usize) -> Option<NewAlert> {
    let who = match count {
        0 => return None,
        1 => "Somebody objects".to_owned(),
        count => format!("{count} people object"),
    };
    let what = format!(
        "{who} to being moved, and nothing is moved before you decide: `domicile move --list` shows it, \
         `domicile move USER --go-on` or `--stop` decides."
    );
    Some(NewAlert { subject: "objection:moves".to_owned(), kind: "objection", code: None, what })
}

fn of_dossier(dossier: &Dossier, now_ms: i64, alerts: &mut Vec<NewAlert>) {
    let code = &dossier.code;
    let expires = dossier.expires_ts.filter(|at| *at < now_ms + BEFORE_EXPIRY_MS);
    match (Status::from_word(&dossier.status), expires) {
        (Some(Status::Registered), Some(at)) => {
            let is = if at <= now_ms { "has ended" } else { "ends" };
            let what = format!("The registration in {code} {is} on {}: renew it.", day(at));
            alerts.push(alert("registration", "expiry", code, what));
        }
        (Some(status @ (Status::Refused | Status::Lapsed)), _) => {
            let what = format!("The dossier of {code} is `{}`: decide what to do, and note it.", status.word());
            alerts.push(alert("registration", "status", code, what));
        }
        _ => {}
    }
    if let Some(due_ts) = dossier.next_due_ts.filter(|at| *at < now_ms + BEFORE_DEADLINE_MS) {
        let next = dossier.next_action.as_deref().unwrap_or("something is to be done");
        alerts.push(alert("deadline", "next", code, format!("Dossier {code}, until {}: {next}.", day(due_ts))));
    }
}

fn alert(kind: &'static str, about: &str, code: &str, what: String) -> NewAlert {
    // A duty's name has the code in it already.
    let about = about.strip_prefix(&format!("{code}/")).unwrap_or(about);
    NewAlert { subject: format!("{kind}:{code}/{about}"), kind, code: Some(code.to_owned()), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dossier(status: &str, expires_ts: Option<i64>) -> Dossier {
        Dossier {
            code: "RU".to_owned(),
            status: status.to_owned(),
            status_ts: 0,
            legal_entity: None,
            authority: None,
            register: None,
            number: None,
            note: None,
            filed_ts: None,
            registered_ts: None,
            expires_ts,
            next_action: None,
            next_due_ts: None,
            contacts: Vec::new(),
        }
    }

    fn of(dossier: &Dossier) -> Vec<String> {
        let table =
            Table { generated_ts: 0, users: 0, users_unknown: 0, jurisdictions: Vec::new(), others: Vec::new() };
        alerts(&table, std::slice::from_ref(dossier), &[], 100 * DAY_MS).into_iter().map(|alert| alert.what).collect()
    }

    #[test]
    fn registrations_that_end_are_told_before_they_do() {
        assert_eq!(of(&dossier("registered", None)), Vec::<String>::new());
        assert_eq!(of(&dossier("registered", Some(131 * DAY_MS))), Vec::<String>::new());
        assert_eq!(
            of(&dossier("registered", Some(120 * DAY_MS))),
            ["The registration in RU ends on 1970-05-01: renew it."]
        );
        assert_eq!(
            of(&dossier("registered", Some(99 * DAY_MS))),
            ["The registration in RU has ended on 1970-04-10: renew it."]
        );
        assert_eq!(of(&dossier("draft", Some(99 * DAY_MS))), Vec::<String>::new());
        assert_eq!(of(&dossier("lapsed", None)).len(), 1);
    }

    #[test]
    fn objections_are_counted_and_nobody_is_named() {
        assert_eq!(objections(0), None);
        assert!(objections(1).is_some_and(|alert| alert.what.starts_with("Somebody objects to being moved")));
        assert!(objections(3).is_some_and(|alert| alert.what.starts_with("3 people object")));
    }

    #[test]
    fn deadlines_are_told_three_days_before() {
        let mut soon = dossier("filed", None);
        soon.next_action = Some("answer the authority".to_owned());
        soon.next_due_ts = Some(102 * DAY_MS);
        assert_eq!(of(&soon), ["Dossier RU, until 1970-04-13: answer the authority."]);
        soon.next_due_ts = Some(104 * DAY_MS);
        assert_eq!(of(&soon), Vec::<String>::new());
    }
}
