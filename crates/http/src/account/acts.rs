//! POST /account/{language}/jurisdiction, sign-out and erase (what somebody does with their own account)

use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use domicile_app::{
    Error,
    accounts::{Key, Limit},
    error::forbidden,
    evidence::access_log::Operator,
    standing::Language,
};
use domicile_core::error::{ErrorKind, MatrixError};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::{
    address, home, known,
    page::around,
    visitor::{COOKIE, Visitor},
    words::Words,
};
use crate::{error::Failure, pages::go_to, pages::shown::number, state::Services};

#[derive(Deserialize)]
struct Jurisdiction {
    code: String,
}

/// Notes under whose law somebody lives, by their own word.
pub(super) async fn jurisdiction(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, form) = Visitor::acting(&services, known(&language)?, request).await?;
    let Jurisdiction { code } = form.fields()?;
    let code = code.trim().to_ascii_uppercase();
    let code = Some(code.as_str()).filter(|code| !code.is_empty());
    match services.jurisdictions.correct(&visitor.session.user_id, code).await {
        Ok(_) => Ok(go_to(&address(visitor.language), Vec::new())),
        Err(error) => refused(&services, &visitor, error).await,
    }
}

#[derive(Deserialize)]
struct SignOut {
    device: String,
    password: String,
}

/// Signs a device out that somebody does not know or has lost.
pub(super) async fn sign_out(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, form) = Visitor::acting(&services, known(&language)?, request).await?;
    let SignOut { device, password } = form.fields()?;
    if let Err(error) = confirmed(&services, &visitor, password).await {
        return refused(&services, &visitor, error).await;
    }
    let session = &visitor.session;
    let known = services.devices.list(session.user_num).await?;
    let Some(found) = known.into_iter().find(|one| one.device_id.as_str() == device) else {
        let none = ErrorKind::NotFound.with("There is no such device: it may be signed out already.");
        return refused(&services, &visitor, none.into()).await;
    };
    services.devices.remove(session.user_num, &[found.device_id]).await?;
    Ok(go_to(&format!("{}#devices", address(visitor.language)), Vec::new()))
}

#[derive(Deserialize)]
struct Erase {
    password: String,
    #[serde(default)]
    sure: Option<String>,
}

/// Removes somebody who asks for it, and shows what remains.
pub(super) async fn erase(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let (visitor, form) = Visitor::acting(&services, known(&language)?, request).await?;
    let Erase { password, sure } = form.fields()?;
    if sure.is_none() {
        let unsure = ErrorKind::InvalidParam.with("Tick the box: it cannot be taken back.");
        return refused(&services, &visitor, unsure.into()).await;
    }
    if let Err(error) = confirmed(&services, &visitor, password).await {
        return refused(&services, &visitor, error).await;
    }
    let user_id = &visitor.session.user_id;
    let by = Operator { name: user_id.to_string(), uid: None };
    let signed = services.erasures.erase(user_id, by, "by their own wish".to_owned()).await?;
    let service = services.users.server_name().to_string();
    let receipt = receipt(visitor.language, signed.number, &signed.document["body"]);
    Ok(around(&service, visitor.language, None, &receipt).with_cookie(COOKIE.clear()).into_response())
}

/// Whether somebody who is signed in has shown their password again. Attempts are limited as those of signing in are.
pub(super) async fn confirmed(services: &Services, visitor: &Visitor, password: String) -> Result<(), Error> {
    let user_id = &visitor.session.user_id;
    services.rate_limits.check(Limit::LoginAccount, Key::name(user_id.as_str()))?;
    if services.accounts.check_password(user_id, password).await? {
        return Ok(());
    }
    Err(forbidden("The password is wrong."))
}

/// The page again, with what was wrong.
pub(super) async fn refused(services: &Services, visitor: &Visitor, error: Error) -> Result<Response, Failure> {
    let error: MatrixError = match error {
        Error::Matrix(error) if error.kind.status() < 500 => error,
        other => return Err(other.into()),
    };
    let status = axum::http::StatusCode::from_u16(error.kind.status()).unwrap_or(axum::http::StatusCode::BAD_REQUEST);
    Ok(home::page(services, visitor, Some(&error)).await?.with_status(status).into_response())
}

fn receipt(language: Language, document: u64, body: &Value) -> Markup {
    let words = Words::of(language);
    let empty = Vec::new();
    let rows: i64 = body["erased"].as_array().unwrap_or(&empty).iter().filter_map(|one| one["rows"].as_i64()).sum();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    html! {
        h1 { (words.erased_title) }
        p.lead { (words.erased) (Language::after(words.erased)) (number(rows)) (language.stop()) (language.gap()) (words.receipt) (Language::after(words.receipt)) (document) (language.stop()) }
        h2 { (words.unreadable) }
        div.card lang="en" { ul.plain { @for one in body["unreadable"].as_array().unwrap_or(&empty) { li { (text(one, "what")) br; span.soft { (text(one, "why")) } } } } }
        h2 { (words.remaining) }
        div.card lang="en" {
            ul.plain {
                @for one in body["remaining"].as_array().unwrap_or(&empty) {
                    li { b { (text(one, "where")) } ": " (text(one, "why")) br; span.soft { (text(one, "until")) } }
                }
            }
        }
    }
}
