//! GET /console/alerts (what the operator is to know)

use std::sync::Arc;

use axum::{Router, extract::State, routing::get};
use domicile_app::{blocklists::Blocklists, standing::Alerts, standing::alerts::Alert};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    frame::{Broken, Part, page},
    visitor::Insider,
};
use crate::{
    admin::AdminServices,
    pages::{Page, shown},
};

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route("/console/alerts", get(show))
}

async fn show(
    Insider(visitor): Insider,
    State(alerts): State<Arc<Alerts>>,
    State(blocklists): State<Arc<Blocklists>>,
) -> Result<Page, Broken> {
    alerts.look().await?;
    let own = alerts.list().await?;
    let registers = open_of_registers(&blocklists).await?;
    let content = html! {
        p.lead { "Each stands here until its cause is gone. The webhook is told once, and Prometheus has their number by kind." }
        @if own.is_empty() && registers.is_empty() { div.card.fine { p { "There is none." } } }
        @for alert in &own { (alert_of(alert)) }
        @if !registers.is_empty() {
            h2 { "Registers of what is blocked" }
            @for alert in &registers { (of_register(alert)) }
        }
    };
    Ok(page(&visitor, Part::Alerts, "Alerts", &content))
}

/// Alerts of registers that are not over.
pub(super) async fn open_of_registers(blocklists: &Blocklists) -> Result<Vec<Value>, domicile_app::Error> {
    let (mut after, mut open) = (0, Vec::new());
    loop {
        let page = blocklists.alerts(after).await?;
        let found = page["alerts"].as_array().map(Vec::as_slice).unwrap_or_default();
        open.extend(found.iter().filter(|alert| alert["ended_ts"].is_null()).cloned());
        match page["next"].as_i64() {
            Some(next) => after = next,
            None => return Ok(open),
        }
    }
}

/// An alert, with the page where something can be done about it.
pub(super) fn alert_of(alert: &Alert) -> Markup {
    let place = place(alert);
    html! {
        div.card.urgent {
            h3 { (tag(&alert.kind)) " " @if let Some(code) = &alert.code { (code) } }
            p { (alert.what) }
            p.soft {
                "Since " (shown::time(alert.raised_ts)) " UTC"
                @if let Some(told_ts) = alert.told_ts { ", the webhook knows since " (shown::time(told_ts)) }
                @if let Some((address, name)) = &place { " · " a href=(address) { (name) } }
            }
        }
    }
}

fn tag(kind: &str) -> Markup {
    shown::tag("bad", kind)
}

/// Where something can be done about an alert.
fn place(alert: &Alert) -> Option<(String, &'static str)> {
    let page = match alert.kind.as_str() {
        "directory" => Some(("/console/regions", "regions")),
        "objection" => Some(("/console/moves", "moves")),
        "listed" | "unreachable" | "throttled" | "outage" => Some(("/console/incidents", "incidents")),
        "near" | "register" => Some(("/console/blocklists", "registers")),
        _ => None,
    };
    if let Some((page, name)) = page {
        return Some((page.to_owned(), name));
    }
    let (_, about) = alert.subject.split_once('/')?;
    let code = alert.code.as_deref()?;
    match alert.kind.as_str() {
        "contacts" | "registration" if !matches!(about, "expiry" | "status") => {
            Some((format!("/console/standing/{code}/{about}"), "the duty"))
        }
        "registration" | "deadline" => Some((format!("/console/dossiers/{code}"), "the dossier")),
        "demand" => Some((format!("/console/demands/{about}"), "the demand")),
        _ => None,
    }
}

pub(super) fn of_register(alert: &Value) -> Markup {
    let text = |key: &str| alert[key].as_str().unwrap_or_default();
    let detail = &alert["detail"];
    let own = alert["own"].as_str();
    html! {
        div.card.urgent {
            h3 { (tag(text("kind"))) " " @if let Some(own) = own { span.mono { (own) } } }
            p {
                "Register " (text("blocklist"))
                @if let Some(authority) = detail["authority"].as_str() { ", " (authority) }
                @if let Some(reason) = detail["reason"].as_str().filter(|reason| !reason.is_empty()) { ": " (reason) }
            }
            p.soft { @if let Some(since) = alert["created_ts"].as_i64() { "Since " (shown::time(since)) " UTC" } }
        }
    }
}
