//! GET /console (what needs the operator, and how all stands)

use std::collections::BTreeSet;

use axum::{
    Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_app::{
    blocklists::Blocklists,
    probes::{Probes, history::Shown},
    standing::{Alerts, Demands, Duties, Incidents, Table, alerts::Alert, demands::Demand, incidents::Incident},
};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    alerts::{alert_of, of_register, open_of_registers},
    frame::{Broken, Part, page},
    visitor::Visitor,
};
use crate::{
    admin::AdminServices,
    pages::{
        go_to,
        shown::{number, tag, time, until, words},
    },
};

/// Alerts that are shown; the others are a page of their own.
const ALERTS: usize = 8;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console", get(show)).route("/console/", get(|| async { go_to(super::HOME, Vec::new()) }))
}

/// What there is to look at.
struct Glance {
    now_ms: i64,
    alerts: Vec<Alert>,
    registers: Vec<Value>,
    incidents: Vec<Incident>,
    demands: Vec<Demand>,
    probes: Vec<Shown>,
    table: Table,
    listed: u64,
}

async fn show(visitor: Visitor, State(services): State<AdminServices>) -> Result<Response, Broken> {
    // Who is no operator for this region has another first page.
    if !visitor.is_insider() {
        return Ok(go_to("/console/regions", Vec::new()));
    }
    let glance = Glance::take(&services).await?;
    Ok(page(&visitor, Part::Overview, "Overview", &glance.shown()).into_response())
}

impl Glance {
    async fn take(services: &AdminServices) -> Result<Self, Broken> {
        let standing = &services.standing;
        let (alerts, blocklists): (&Alerts, &Blocklists) = (&standing.alerts, &services.blocklists);
        let (incidents, demands): (&Incidents, &Demands) = (&standing.incidents, &standing.demands);
        let (duties, probes): (&Duties, &Probes) = (&standing.duties, &services.probes);
        alerts.look().await?;
        let (history, _) = probes.history(None, None).await?;
        Ok(Self {
            now_ms: services.clock.now_ms(),
            alerts: alerts.list().await?,
            registers: open_of_registers(blocklists).await?,
            incidents: incidents.list().await?.into_iter().filter(|one| one.resolved_ts.is_none()).collect(),
            demands: demands.open().await?,
            probes: newest(history),
            table: duties.table(false).await?,
            listed: blocklists.gauges().values().map(|gauge| gauge.listed).sum(),
        })
    }

    fn shown(&self) -> Markup {
        let late = self.demands.iter().filter(|demand| demand.is_late).count();
        let unwell = self.probes.iter().filter(|seen| seen.verdict != "ok").count();
        let needs: usize = self.needs().count();
        html! {
            p.lead { "As of " (time(self.now_ms)) " UTC." }
            ul.tiles {
                (tile("/console/alerts", "alerts", self.alerts.len() + self.registers.len(), "bad"))
                (tile("/console/incidents", "open incidents", self.incidents.len(), "bad"))
                (tile("/console/demands", "open demands", self.demands.len(), if late > 0 { "bad" } else { "warn" }))
                (tile("/console/standing", "duties need you", needs, "warn"))
                (tile("/console/blocklists", "names or addresses listed", usize::try_from(self.listed).unwrap_or(usize::MAX), "bad"))
                (tile("/console/probes", "ways interfered with", unwell, "bad"))
                li { a href="/console/regions" { b { (number(self.table.users)) } span { "accounts here" } } }
            }
            h2 { "What needs attention" }
            @if self.is_quiet() { div.card.fine { p { "Nothing needs you now." } } }
            @for incident in &self.incidents { (incident_of(incident)) }
            @for demand in &self.demands { (demand_of(demand, self.now_ms)) }
            @for alert in self.alerts.iter().filter(|alert| alert.kind != "demand").take(ALERTS) { (alert_of(alert)) }
            @for alert in self.registers.iter().take(ALERTS) { (of_register(alert)) }
            @if self.alerts.len().max(self.registers.len()) > ALERTS { p { a href="/console/alerts" { "All alerts" } } }
            @for seen in self.probes.iter().filter(|seen| seen.verdict != "ok") { (probe_of(seen)) }
        }
    }

    fn is_quiet(&self) -> bool {
        self.alerts.is_empty()
            && self.registers.is_empty()
            && self.incidents.is_empty()
            && self.demands.is_empty()
            && self.probes.iter().all(|seen| seen.verdict == "ok")
    }

    fn needs(&self) -> impl Iterator<Item = &str> {
        let lines = self.table.jurisdictions.iter().flat_map(|section| &section.duties);
        lines.filter(|line| line.answer.word() == "needs_operator").map(|line| line.duty.as_str())
    }
}

/// The newest result of each way to each address, from results of which the newest come first.
pub(super) fn newest(history: Vec<Shown>) -> Vec<Shown> {
    let mut known = BTreeSet::new();
    history.into_iter().filter(|seen| known.insert((seen.vantage.clone(), seen.host.clone(), seen.port))).collect()
}

fn tile(address: &str, name: &str, count: usize, class: &str) -> Markup {
    html! {
        li class=[(count > 0).then_some(class)] {
            a href=(address) { b { (number(i128::try_from(count).unwrap_or(i128::MAX))) } span { (name) } }
        }
    }
}

fn incident_of(incident: &Incident) -> Markup {
    html! {
        div.card.urgent {
            h3 {
                a href={ "/console/incidents/" (incident.incident) } {
                    "Incident " (incident.incident) ": " (words(&incident.kind)) @if let Some(code) = &incident.code { " in " (code) }
                }
            }
            p.soft {
                (tag("bad", &incident.state)) " since " (time(incident.began_ts)) " UTC · "
                @if incident.is_public { "on the status page" } @else { "not on the status page" }
            }
        }
    }
}

fn demand_of(demand: &Demand, now_ms: i64) -> Markup {
    html! {
        div.card.urgent[demand.is_late].care[!demand.is_late] {
            h3 { a href={ "/console/demands/" (demand.demand) } { "Demand " (demand.demand) " of " (demand.authority) } }
            p.soft {
                (demand.code) " · "
                @match demand.due_ts {
                    Some(due_ts) => { "answer " (until(now_ms, due_ts)) ", due " (time(due_ts)) " UTC" }
                    None => { "no date is set for the answer" }
                }
            }
        }
    }
}

fn probe_of(seen: &Shown) -> Markup {
    html! {
        div.card.urgent[seen.verdict != "inconclusive"].care[seen.verdict == "inconclusive"] {
            h3 { a href={ "/console/probes/" (seen.run) } { (seen.host) ":" (seen.port) } }
            p {
                (tag(if seen.verdict == "inconclusive" { "warn" } else { "bad" }, &seen.verdict))
                " as seen from " (seen.vantage.as_deref().unwrap_or("this server")) ", " (time(seen.started_ts)) " UTC"
            }
        }
    }
}
