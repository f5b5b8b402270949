//! GET, POST and PUT /_domicile/admin/v1/dossiers (registrations with authorities, and papers for them)

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post, put},
};
use domicile_app::standing::{
    Dossiers,
    dossiers::{Audience, Change, Dossier, Format, NewContact, PaperRecord, Whole},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminServices;
use crate::error::Failure;

pub(super) fn routes() -> Router<AdminServices> {
    Router::new()
        .route("/_domicile/admin/v1/dossiers", get(list))
        .route("/_domicile/admin/v1/dossiers/{code}", get(show).put(set))
        .route("/_domicile/admin/v1/dossiers/{code}/contacts/{role}", put(set_contact).delete(remove_contact))
        .route("/_domicile/admin/v1/dossiers/{code}/documents", post(attach))
        .route("/_domicile/admin/v1/dossiers/{code}/papers", post(write))
        .route("/_domicile/admin/v1/papers/{paper}", get(paper))
        .route("/_domicile/admin/v1/papers/{paper}/review", post(review))
        .route("/_domicile/admin/v1/papers/{paper}/sent", post(sent))
}

async fn list(State(dossiers): State<Arc<Dossiers>>) -> Result<Json<Value>, Failure> {
    let found: Vec<Dossier> = dossiers.list().await?;
    Ok(Json(json!({ "dossiers": found })))
}

async fn show(State(dossiers): State<Arc<Dossiers>>, Path(code): Path<String>) -> Result<Json<Whole>, Failure> {
    Ok(Json(dossiers.get(&code).await?))
}

#[derive(Deserialize)]
struct Set {
    who: String,
    change: Change,
}

async fn set(
    State(dossiers): State<Arc<Dossiers>>,
    Path(code): Path<String>,
    Json(set): Json<Set>,
) -> Result<Json<Whole>, Failure> {
    Ok(Json(dossiers.set(&code, set.change, &set.who).await?))
}

#[derive(Deserialize)]
struct SetContact {
    who: String,
    contact: NewContact,
}

async fn set_contact(
    State(dossiers): State<Arc<Dossiers>>,
    Path((code, role)): Path<(String, String)>,
    Json(set): Json<SetContact>,
) -> Result<Json<Whole>, Failure> {
    Ok(Json(dossiers.set_contact(&code, &role, set.contact, &set.who).await?))
}

#[derive(Deserialize)]
struct By {
    who: String,
}

async fn remove_contact(
    State(dossiers): State<Arc<Dossiers>>,
    Path((code, role)): Path<(String, String)>,
    Json(by): Json<By>,
) -> Result<Json<Whole>, Failure> {
    Ok(Json(dossiers.remove_contact(&code, &role, &by.who).await?))
}

#[derive(Deserialize)]
struct Attach {
    who: String,
    name: String,
    sha256: String,
    bytes: i64,
}

async fn attach(
    State(dossiers): State<Arc<Dossiers>>,
    Path(code): Path<String>,
    Json(new): Json<Attach>,
) -> Result<Json<Whole>, Failure> {
    Ok(Json(dossiers.attach(&code, &new.name, &new.sha256, new.bytes, &new.who).await?))
}

#[derive(Deserialize)]
struct Write {
    who: String,
    audience: Audience,
    #[serde(default)]
    format: Format,
}

async fn write(
    State(dossiers): State<Arc<Dossiers>>,
    Path(code): Path<String>,
    Json(new): Json<Write>,
) -> Result<Json<Value>, Failure> {
    let (paper, record) = dossiers.write(&code, new.audience, &new.who).await?;
    Ok(Json(json!({ "text": paper.write(new.format), "paper": record })))
}

#[derive(Deserialize)]
struct As {
    #[serde(default)]
    format: Format,
}

async fn paper(
    State(dossiers): State<Arc<Dossiers>>,
    Path(number): Path<i64>,
    axum::extract::Query(written): axum::extract::Query<As>,
) -> Result<Json<Value>, Failure> {
    let (paper, record) = dossiers.paper(number).await?;
    Ok(Json(json!({ "text": paper.write(written.format), "paper": record })))
}

async fn review(
    State(dossiers): State<Arc<Dossiers>>,
    Path(number): Path<i64>,
    Json(by): Json<By>,
) -> Result<Json<PaperRecord>, Failure> {
    Ok(Json(dossiers.review(number, &by.who).await?))
}

async fn sent(
    State(dossiers): State<Arc<Dossiers>>,
    Path(number): Path<i64>,
    Json(by): Json<By>,
) -> Result<Json<PaperRecord>, Failure> {
    Ok(Json(dossiers.sent(number, &by.who).await?))
}
