//! POST /account/{language}/login and logout (signing in to one's own page, and out)

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domicile_app::{Error, accounts::NewSession, error::forbidden, front_door::Way, standing::Language};
use domicile_core::{error::MatrixError, rng};
use maud::html;
use serde::Deserialize;

use super::{
    address, elsewhere, known,
    page::{around, password, refusal},
    visitor::{COOKIE, Visitor},
    wanted::Wanted,
    words::Words,
};
use crate::{
    error::Failure,
    extract::{Client, Private},
    pages::{Page, cookie::Cookie, form, form::Form, go_to},
    state::Services,
};

/// The device that the page is. It has one name for all browsers: signing in again ends the session before.
const DEVICE: &str = "ACCOUNTPAGE";
/// By which the form is known that somebody without a session was shown.
const FORM_COOKIE: Cookie = Cookie { name: "domicile_account_form", path: super::HOME };
/// Letters of that secret.
const SECRET: usize = 32;

/// Where one signs in.
pub(super) fn page(
    services: &Services,
    language: Language,
    private: bool,
    wanted: &Wanted,
    name: &str,
    refused: Option<&MatrixError>,
) -> Page {
    let words = Words::of(language);
    let secret = rng::name(&rng::OsRng, SECRET);
    let content = html! {
        h1 { (words.title) }
        p.lead { (words.about) }
        (refusal(words, refused))
        form.act.card method="post" action={ (address(language)) "/login" (wanted.query()) } {
            input type="hidden" name=(form::TOKEN) value=(secret);
            label { (words.name) input name="name" value=(name) autocomplete="username" autocapitalize="none" required; }
            (password(words))
            p.hint { (words.session) }
            button type="submit" { (words.sign_in) }
        }
    };
    let service = services.users.server_name().to_string();
    around(&service, language, None, &content).with_cookie(FORM_COOKIE.set(&secret, private))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

pub(super) async fn sign_in(
    State(services): State<Services>,
    Path(language): Path<String>,
    wanted: Wanted,
    request: Request,
) -> Result<Response, Failure> {
    let language = known(&language)?;
    let private = request.extensions().get::<Private>().is_some();
    let client = request.extensions().get::<Client>().copied().unwrap_or_default();
    let secret = FORM_COOKIE.get(request.headers());
    let form = Form::read(request).await?;
    if secret.is_none_or(|secret| secret != form.token()) {
        return Err(forbidden("The page was open for too long, or the browser takes no cookies: load it again.").into());
    }
    let Credentials { name, password } = form.fields()?;
    let refused = |error: &MatrixError| {
        let status = StatusCode::from_u16(error.kind.status()).unwrap_or(StatusCode::FORBIDDEN);
        page(&services, language, private, &wanted, &name, Some(error)).with_status(status).into_response()
    };
    // Whose home is another cell, and lets them in by any door, is sent there once the password is known to be right.
    let way = services.front_door.login(&name, client.address).await;
    let home = match way {
        Ok(Way::Here) => Ok(None),
        Ok(Way::Through(cell)) => elsewhere::home(&services, &cell, (&name, &password), client).await.map(Some),
        Err(error) => Err(error),
    };
    match home {
        Ok(None) => {}
        Ok(Some(address)) => return Ok(sent_home(&services, language, &address).into_response()),
        Err(Error::Matrix(error)) if error.kind.status() < 500 => return Ok(refused(&error)),
        Err(error) => return Err(error.into()),
    }
    let session = NewSession {
        device_id: Some(DEVICE.into()),
        display_name: Some(Words::of(Language::En).title.to_owned()),
        // So that the session ends by itself.
        with_refresh: true,
    };
    match services.logins.with_password(&name, password, session, client.address).await {
        Ok((_, opened)) => {
            let cookies = vec![COOKIE.set(&opened.tokens.access_token, private), FORM_COOKIE.clear()];
            Ok(go_to(&wanted.place(language), cookies))
        }
        Err(Error::Matrix(error)) if error.kind.status() < 500 => Ok(refused(&error)),
        Err(error) => Err(error.into()),
    }
}

/// Tells somebody who has shown the right password where their home is.
fn sent_home(services: &Services, language: Language, address: &str) -> Page {
    let words = Words::of(language);
    let there = format!("{address}{}", self::address(language));
    let content = html! {
        h1 { (words.title) }
        div.card {
            p { (words.kept_elsewhere) }
            p { a href=(there) { (there) } }
        }
    };
    around(services.users.server_name().as_str(), language, None, &content).with_cookie(FORM_COOKIE.clear())
}

pub(super) async fn sign_out(
    State(services): State<Services>,
    Path(language): Path<String>,
    request: Request,
) -> Result<Response, Failure> {
    let language = known(&language)?;
    let (visitor, _) = Visitor::acting(&services, language, request).await?;
    let device_id = visitor.session.device_id.clone();
    services.devices.remove(visitor.session.user_num, &[device_id]).await?;
    Ok(go_to(&address(language), vec![COOKIE.clear()]))
}
