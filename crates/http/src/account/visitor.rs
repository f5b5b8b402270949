//! Whose page it is.

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue},
};
use domicile_app::{Error, accounts::Session, error::forbidden, standing::Language};
use domicile_core::error::ErrorKind;
use sha2::{Digest, Sha256};

use super::words::Words;
use crate::{
    error::Failure,
    pages::{cookie::Cookie, form::Form, hex},
    state::Services,
};

/// By which the session is known: its access token, which no script sees.
pub(super) const COOKIE: Cookie = Cookie { name: "domicile_account", path: super::HOME };

/// Somebody who is signed in.
pub(super) struct Visitor {
    pub(super) session: Arc<Session>,
    pub(super) language: Language,
    /// The device that a client's link is about.
    pub(super) asked: Option<String>,
    form_token: String,
}

impl Visitor {
    /// Who a browser is; nobody if its session is over.
    pub(super) async fn of(
        services: &Services,
        headers: &HeaderMap,
        language: Language,
    ) -> Result<Option<Self>, Failure> {
        let Some(token) = COOKIE.get(headers) else { return Ok(None) };
        match services.sessions.authenticate(&token).await {
            Ok(session) => Ok(Some(Self { session, language, asked: None, form_token: form_token(&token) })),
            Err(Error::Matrix(error)) if error.kind.status() == 401 => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Somebody who sends a form that their session was shown.
    pub(super) async fn acting(
        services: &Services,
        language: Language,
        request: Request,
    ) -> Result<(Self, Form), Failure> {
        let over = || ErrorKind::MissingToken.with("You are not signed in any more: open the page again.");
        let visitor = Self::of(services, request.headers(), language).await?.ok_or_else(over)?;
        let form = Form::read(request).await?;
        if form.token() != visitor.form_token {
            return Err(forbidden("The form is not of this session: open the page again.").into());
        }
        Ok((visitor, form))
    }

    /// The same, whom a client's link has brought here because of a device.
    pub(super) fn asked_about(self, device_id: Option<String>) -> Self {
        Self { asked: device_id, ..self }
    }

    /// What stands in each form.
    pub(super) fn form_token(&self) -> &str {
        &self.form_token
    }

    pub(super) fn words(&self) -> &'static Words {
        Words::of(self.language)
    }
}

/// What nobody can tell who does not have the token, and from which nobody can tell the token. It has 256 bits: how long comparing it takes tells nothing
/// that could be used.
fn form_token(token: &str) -> String {
    let hash = Sha256::new().chain_update("domicile account form 1 ").chain_update(token).finalize();
    hex(&hash)
}

/// A file that the browser is to save.
pub(super) fn attachment(name: &str) -> HeaderValue {
    let safe: String =
        name.chars().filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter)).collect();
    HeaderValue::from_str(&format!("attachment; filename=\"{safe}\"")).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_sessions_differ_and_files_have_plain_names() {
        assert_ne!(form_token("a"), form_token("b"));
        assert_eq!(form_token("a").len(), 64);
        assert_eq!(attachment("a\"b\r\n/../c.tar.age"), "attachment; filename=\"ab..c.tar.age\"");
    }
}
