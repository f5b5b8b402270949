//! The user's own page: where her home is and why, where copies of her rooms are, who looked at her data, what is kept for how long; her data to take away,
//! and the end of her account.
//!
//! Signing in to it is signing in: the session is a device like any other, is seen in every client, and ends with it.

mod acts;
mod elsewhere;
mod export;
mod home;
mod login;
mod moving;
mod never;
mod page;
mod visitor;
mod wanted;
mod words;
mod words_de;
mod words_ru;
mod words_zh;

use axum::{
    Router,
    extract::{Path, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domicile_app::standing::Language;
use domicile_core::error::ErrorKind;

use crate::{error::Failure, pages, state::Services};
pub(crate) use page::head;
use visitor::Visitor;
use wanted::Wanted;

/// Where the page is.
const HOME: &str = "/account";

/// The routes.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route("/", get(home::front))
        .route("/account", get(best))
        .route("/account/style.css", get(pages::style))
        .route("/account/{language}", get(show))
        .route("/account/{language}/login", post(login::sign_in))
        .route("/account/{language}/logout", post(login::sign_out))
        .route("/account/{language}/jurisdiction", post(acts::jurisdiction))
        .route("/account/{language}/export", post(export::export))
        .route("/account/{language}/key", post(export::key))
        .route("/account/{language}/object", post(moving::object))
        .route("/account/{language}/never", post(never::name))
        .route("/account/{language}/sign-out", post(acts::sign_out))
        .route("/account/{language}/erase", post(acts::erase))
}

/// The language that the browser likes best.
pub(crate) fn accepted(headers: &HeaderMap) -> Language {
    let wanted = headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Language::accepted(wanted.unwrap_or_default())
}

/// The language of a path.
fn known(code: &str) -> Result<Language, Failure> {
    let found = Language::ALL.into_iter().find(|language| language.code() == code);
    Ok(found.ok_or_else(|| ErrorKind::NotFound.with("This page is in en, de, ru and zh."))?)
}

fn address(language: Language) -> String {
    format!("{HOME}/{}", language.code())
}

/// Where clients link to: the page in the visitor's language, and on it what they want to do.
async fn best(headers: HeaderMap, wanted: Wanted) -> Response {
    pages::go_to(&format!("{}{}", address(accepted(&headers)), wanted.query()), Vec::new())
}

async fn show(
    State(services): State<Services>,
    Path(language): Path<String>,
    private: Option<axum::Extension<crate::extract::Private>>,
    headers: HeaderMap,
    wanted: Wanted,
) -> Result<Response, Failure> {
    let language = known(&language)?;
    match Visitor::of(&services, &headers, language).await? {
        // An action is a place on the page, which is the end of its address.
        Some(_) if wanted.has_action() => Ok(pages::go_to(&wanted.place(language), Vec::new())),
        Some(visitor) => {
            let visitor = visitor.asked_about(wanted.device_id);
            Ok(home::page(&services, &visitor, None).await?.into_response())
        }
        None => Ok(login::page(&services, language, private.is_some(), &wanted, "", None).into_response()),
    }
}
