//! GET /_domicile/admin/v1/deployment and …/deployment/document, POST …/deployment/reload (the deployment document by which this cell works, and those of
//! the others)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    routing::{get, post},
};
use domicile_app::{
    accounts::Users,
    residency::{Cuts, DocumentStatus, Documents, Taken, cuts::CutStatus},
};
use domicile_core::error::ErrorKind;
use serde::Serialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/deployment", get(status))
        .route("/_domicile/admin/v1/deployment/document", get(document))
        .route("/_domicile/admin/v1/deployment/reload", post(reload))
}

/// How the documents stand, and the ways to the other cells.
#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    documents: DocumentStatus,
    cuts: CutStatus,
}

async fn status(State(users): State<Arc<Users>>, State(cuts): State<Arc<Cuts>>) -> Result<Json<Status>, Failure> {
    Ok(Json(Status { documents: documents(&users)?.status().await?, cuts: cuts.status().await? }))
}

async fn document(State(users): State<Arc<Users>>) -> Result<Json<Value>, Failure> {
    Ok(Json(json!({ "document": documents(&users)?.text().await? })))
}

async fn reload(State(users): State<Arc<Users>>) -> Result<Json<Taken>, Failure> {
    let taken = documents(&users)?.reload().await;
    Ok(Json(taken.map_err(|why| ErrorKind::BadRequest.with(format!("The document is not taken: {why}")))?))
}

fn documents(users: &Users) -> Result<&Documents, Failure> {
    let none = || ErrorKind::NotFound.with("This server is no cell of a deployment: it works by no document.");
    Ok(&users.localities().cells().ok_or_else(none)?.documents)
}
