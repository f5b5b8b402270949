//! GET and POST /console/login, POST /console/logout (signing in to the console, and out)

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domicile_app::{
    accounts::Users,
    admin::{OperatorSessions, Operators},
    error::forbidden,
};
use domicile_core::error::MatrixError;
use maud::html;
use serde::Deserialize;

use super::{
    HOME,
    frame::{Broken, alone, refusal},
    visitor::{COOKIE, Visitor, own},
};
use crate::{
    admin::AdminServices,
    extract::{Client, Private},
    pages::{Page, cookie::Cookie, form, form::Form, go_to},
};

/// Where one signs in.
pub(super) const PATH: &str = "/console/login";
/// By which the form is known that somebody without a session was shown.
const FORM_COOKIE: Cookie = Cookie { name: "domicile_console_form", path: PATH };

pub(super) fn routes() -> Router<AdminServices> {
    Router::new().route(PATH, get(show).post(sign_in)).route("/console/logout", post(sign_out))
}

async fn show(
    State(sessions): State<Arc<OperatorSessions>>,
    State(users): State<Arc<Users>>,
    private: Option<Extension<Private>>,
) -> Page {
    page(&sessions, &users, private.is_some(), "", None)
}

/// The form, with a secret of its own that the browser holds, too.
fn page(sessions: &OperatorSessions, users: &Users, private: bool, name: &str, refused: Option<&MatrixError>) -> Page {
    let secret = sessions.secret();
    let content = html! {
        p.lead { "The console of " b { (users.server_name()) } ". Accounts are made with " code { "domicile operator add" } "." }
        (refusal(refused))
        form.act method="post" action=(PATH) {
            input type="hidden" name=(form::TOKEN) value=(secret);
            label { "Name" input name="name" value=(name) autocomplete="username" required autofocus[name.is_empty()]; }
            label { "Password" input type="password" name="password" autocomplete="current-password" required autofocus[!name.is_empty()]; }
            button type="submit" { "Sign in" }
        }
    };
    alone("Sign in", &content).with_cookie(FORM_COOKIE.set(&secret, private))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn sign_in(
    State(operators): State<Arc<Operators>>,
    State(sessions): State<Arc<OperatorSessions>>,
    State(users): State<Arc<Users>>,
    request: Request,
) -> Result<Response, Broken> {
    let headers = request.headers();
    let private = request.extensions().get::<Private>().is_some();
    let client = request.extensions().get::<Client>().copied().unwrap_or_default();
    let (secret, old) = (FORM_COOKIE.get(headers), COOKIE.get(headers));
    let form = Form::read(request).await?;
    if secret.is_none_or(|secret| secret != form.token()) {
        let told = "This page was open for too long, or your browser takes no cookies: load it again.";
        return Err(forbidden(told).into());
    }
    let Credentials { name, password } = form.fields()?;
    match operators.check(&name, password, client.address).await {
        Ok(account) => {
            if let Some(old) = old {
                sessions.end(&old);
            }
            let token = sessions.begin(&account.name);
            Ok(go_to(HOME, vec![COOKIE.set(&token, private), FORM_COOKIE.clear()]))
        }
        Err(error) => {
            let refused = Broken::refused(error)?;
            tracing::warn!(code = refused.kind.code(), "somebody could not sign in to the console");
            let status = StatusCode::from_u16(refused.kind.status()).unwrap_or(StatusCode::FORBIDDEN);
            Ok(page(&sessions, &users, private, &name, Some(&refused)).with_status(status).into_response())
        }
    }
}

async fn sign_out(
    visitor: Visitor,
    State(sessions): State<Arc<OperatorSessions>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Broken> {
    own(&visitor.session, &Form::read(request).await?)?;
    if let Some(token) = COOKIE.get(&headers) {
        sessions.end(&token);
    }
    Ok(go_to(PATH, vec![COOKIE.clear()]))
}
