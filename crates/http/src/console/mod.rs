//! The operator's console: pages for a browser, behind a password of their own.
//!
//! What is dangerous is done on the command line; pages show the command. No page shows anything about a single user: who looks at a person's data
//! does it by a command that stands in that person's access log.

mod alerts;
mod arrivals;
mod audits;
mod blocklists;
mod demands;
mod dossiers;
mod frame;
mod incidents;
mod ledger;
mod login;
mod moves;
mod overview;
mod papers;
mod probes;
mod regions;
mod standing;
mod visitor;

use axum::{
    Router,
    response::{IntoResponse, Response},
    routing::get,
};
use domicile_core::error::ErrorKind;

use crate::{admin::AdminServices, pages};
use frame::Broken;

/// Where the console is.
const HOME: &str = "/console";

/// The routes.
pub fn routes(services: AdminServices) -> Router {
    let pages = Router::new()
        .route("/console/style.css", get(pages::style))
        .merge(alerts::routes())
        .merge(arrivals::routes())
        .merge(audits::routes())
        .merge(blocklists::routes())
        .merge(demands::routes())
        .merge(dossiers::routes())
        .merge(incidents::routes())
        .merge(ledger::routes())
        .merge(login::routes())
        .merge(moves::routes())
        .merge(overview::routes())
        .merge(papers::routes())
        .merge(probes::routes())
        .merge(regions::routes())
        .merge(standing::routes());
    // Under one path: what other parts of a listener answer elsewhere is their own.
    pages.route("/console/{*nothing}", get(nothing)).with_state(services)
}

async fn nothing() -> Response {
    Broken::from(ErrorKind::NotFound.with("There is no such page in the console.")).into_response()
}
