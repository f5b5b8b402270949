//! Reads what the status page shows.

use std::collections::BTreeMap;

use domicile_core::clock::DAY_MS;
use domicile_store::{
    Snapshot,
    table::{cuts, dossiers, fence, incidents},
};

use super::{
    StatusPage, cut_off,
    page::SHOWN,
    restoring,
    view::{ShownIncident, ShownUpdate, View},
};
use crate::{Error, Result};

/// Incidents that are looked through for public ones.
const LOOKED_AT: i64 = 500;
/// How long cuts between cells are shown after they have ended, and how many.
const CUTS_MS: i64 = 30 * DAY_MS;
const CUTS: i64 = 20;

impl StatusPage {
    /// What the page shows now.
    pub(super) async fn view(&self) -> Result<View> {
        let counts = self.parts.demands.counts().await?;
        let now_ms = self.parts.clock.now_ms();
        let (incidents, registrations, contacts) = self
            .parts
            .store
            .read(move |snapshot| async move {
                let mut incidents = shown(&snapshot).await?;
                let (open, past) = (cuts::open(&snapshot), cuts::ended_after(&snapshot, now_ms - CUTS_MS, CUTS));
                incidents.extend(cut_off::entries(&open.await?, &past.await?));
                incidents.sort_by_key(|incident| std::cmp::Reverse(incident.began_ts));
                if let Some(fence) = fence::read(&snapshot).await? {
                    let state = serde_json::from_str(&fence).map_err(Error::internal)?;
                    incidents.insert(0, restoring::entry(&state));
                }
                Ok::<_, Error>((incidents, dossiers::all(&snapshot).await?, dossiers::contacts(&snapshot).await?))
            })
            .await?;
        let mut view = View { made_ts: now_ms, incidents, counts, ..self.nothing() };
        for contact in contacts.into_iter().filter(|contact| contact.is_public) {
            let entry = (contact.role, contact.address);
            if !view.contacts.contains(&entry) {
                view.contacts.push(entry);
            }
        }
        for row in registrations.into_iter().filter(|row| is_public(&row.status)) {
            let register = match (row.register, row.number) {
                (Some(register), Some(number)) => Some(format!("{register}, {number}")),
                (register, number) => register.or(number),
            };
            view.registrations.push((row.code, row.status, register));
        }
        let all = self.parts.duties.settings().catalogue.all();
        view.names = all.map(|at| (at.code.clone(), at.name.clone())).collect();
        Ok(view)
    }
}

/// What is only being thought about is nobody else's matter.
fn is_public(status: &str) -> bool {
    matches!(status, "filed" | "registered" | "refused" | "lapsed" | "chosen_not_to")
}

async fn shown(snapshot: &Snapshot) -> Result<Vec<ShownIncident>> {
    let mut shown = Vec::new();
    for row in incidents::newest(snapshot, LOOKED_AT).await?.into_iter().filter(|row| row.is_public) {
        if shown.len() >= 2 * SHOWN {
            break;
        }
        let mut updates: Vec<ShownUpdate> =
            incidents::updates(snapshot, row.incident_num).await?.into_iter().filter_map(update).collect();
        updates.reverse();
        shown.push(ShownIncident {
            number: row.incident_num,
            kind: row.kind,
            code: row.code,
            state: row.state,
            began_ts: row.began_ts,
            resolved_ts: row.resolved_ts,
            updates,
        });
    }
    Ok(shown)
}

/// An update that has words for the public.
fn update(row: incidents::Update) -> Option<ShownUpdate> {
    let words: BTreeMap<String, String> = serde_json::from_str(row.words.as_deref()?).ok()?;
    (!words.is_empty()).then_some(ShownUpdate { number: row.update_num, at_ts: row.at_ts, state: row.state, words })
}
