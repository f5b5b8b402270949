//! What is answered: by the target over an encrypted connection, and by whoever answers in the clear.

use super::{
    Kind, Verdict,
    scene::{Scene, times},
};
use crate::interference::{
    measurement::{HttpRequest, Role},
    page::{difference, mark, quoted},
};

/// How often a foreign page must have come, and a failed answer.
const FOREIGN: usize = 2;

/// Whether a foreign page stands in for what the target says in the clear.
pub(super) fn blocked(scene: &Scene<'_>) -> Option<Vec<String>> {
    let host = &scene.measurement.target.host;
    let plain: Vec<&HttpRequest> =
        scene.measurement.http.iter().filter(|request| request.is_plain() && request.status.is_some()).collect();
    let marked: Vec<_> = plain.iter().filter_map(|request| mark(request)).collect();
    // What it should be, only another place knows; a page that says what it is needs no comparison.
    let unlike: Vec<String> = match scene.outside.filter(|outside| outside.works) {
        Some(outside) => plain.iter().filter_map(|request| difference(request, host, outside.plain.as_ref())).collect(),
        None => Vec::new(),
    };
    let count = marked.len().max(unlike.len());
    if count < FOREIGN {
        return None;
    }
    let first = plain.first()?;
    let title = first.title.as_deref().map(|title| format!(", titled {}", quoted(title))).unwrap_or_default();
    let mut evidence = vec![format!(
        "asked in the clear, a page with status {}{title} comes: {}",
        first.status.unwrap_or_default(),
        times(count)
    )];
    evidence.extend(unlike.into_iter().next());
    evidence.extend(marked.into_iter().next());
    Some(evidence)
}

/// What follows where the target is reached with a good certificate: nobody on the way can have forged the answer.
pub(super) fn served(scene: &Scene<'_>, mut evidence: Vec<String>) -> Verdict {
    let target = &scene.measurement.target;
    let asked: Vec<&HttpRequest> = scene.measurement.http.iter().filter(|request| request.secure).collect();
    if let Some(good) = asked.iter().find(|request| request.expected) {
        evidence.push(format!("{} is answered as it should be", quoted(&good.url)));
        return Verdict::new(Kind::Ok, evidence);
    }
    let answered: Vec<_> = asked.iter().filter(|request| request.status.is_some()).collect();
    if let Some(status) = answered.first().and_then(|request| request.status).filter(|_| answered.len() >= FOREIGN) {
        let what = match target.role {
            Role::Client | Role::Federation | Role::Name => "not as a Matrix server does",
            Role::Other => "with an error",
        };
        evidence.push(format!("the server itself answers {}, {what}: status {status}", times(answered.len())));
        return Verdict::new(Kind::Down, evidence);
    }
    let failure = asked.iter().find_map(|request| request.failure.as_ref());
    let why = failure
        .map_or_else(|| "it was not asked often enough".to_owned(), |failure| format!("the request fails: {failure}"));
    evidence.push(why);
    Verdict::new(Kind::Inconclusive, evidence)
}
