//! Who looks at the console, and what they may.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequest, FromRequestParts, Request},
    http::request::Parts,
    response::{IntoResponse, Response},
};
use domicile_app::{
    accounts::Users,
    admin::{
        OperatorSession, OperatorSessions, Operators,
        operators::{OperatorAccount, Role},
    },
    error::forbidden,
};
use domicile_core::region::Region;
use serde::de::DeserializeOwned;

use super::{frame::Broken, login};
use crate::{
    admin::AdminServices,
    pages::{cookie::Cookie, form::Form, go_to},
};

/// By which a session is known.
pub(super) const COOKIE: Cookie = Cookie { name: "domicile_console", path: super::HOME };

/// Somebody who is signed in.
pub(super) struct Visitor {
    /// Their account, as it is now.
    pub(super) account: OperatorAccount,
    /// Their session.
    pub(super) session: OperatorSession,
    /// The deployment's name.
    pub(super) service: String,
    /// The region of this cell.
    pub(super) region: Region,
}

/// Somebody who is signed in and is an operator for the region of this cell.
pub(super) struct Insider(pub(super) Visitor);

/// Something that an editor does with a form of this session.
pub(super) struct Act<T> {
    /// Who.
    pub(super) visitor: Visitor,
    /// What they filled in.
    pub(super) fields: T,
}

impl Visitor {
    /// Whether they are an operator for the region of this cell. Others see how the deployment is laid out, and round numbers.
    pub(super) fn is_insider(&self) -> bool {
        self.account.regions.has(&self.region)
    }

    /// Whether they may write.
    pub(super) fn is_editor(&self) -> bool {
        self.is_insider() && self.account.role == Role::Editor
    }
}

/// The region of this cell.
pub(super) fn region(users: &Users) -> Region {
    users.localities().cells().map_or_else(Region::only, |cells| cells.own.region().clone())
}

impl FromRequestParts<AdminServices> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, services: &AdminServices) -> Result<Self, Response> {
        let sign_in = || go_to(login::PATH, Vec::new());
        let sessions = Arc::<OperatorSessions>::from_ref(services);
        let token = COOKIE.get(&parts.headers).ok_or_else(sign_in)?;
        let session = sessions.find(&token).ok_or_else(sign_in)?;
        // The account anew each time: what was taken from somebody is gone at once.
        let account = Arc::<Operators>::from_ref(services).get(&session.name).await;
        let account = account.map_err(|error| Broken::from(error).into_response())?;
        let account = account.ok_or_else(sign_in)?;
        let users = Arc::<Users>::from_ref(services);
        Ok(Self { account, session, service: users.server_name().to_string(), region: region(&users) })
    }
}

impl FromRequestParts<AdminServices> for Insider {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, services: &AdminServices) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, services).await?;
        if visitor.is_insider() {
            return Ok(Self(visitor));
        }
        let why = format!(
            "This cell is in the region {}, and you are an operator for {}: see the page of regions.",
            visitor.region.as_str(),
            visitor.account.regions.text()
        );
        Err(Broken::from(forbidden(why)).into_response())
    }
}

impl<T: DeserializeOwned> FromRequest<AdminServices> for Act<T> {
    type Rejection = Response;

    async fn from_request(request: Request, services: &AdminServices) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Insider(visitor) = Insider::from_request_parts(&mut parts, services).await?;
        if !visitor.is_editor() {
            return Err(Broken::from(forbidden("You are a reader here: an editor may do this.")).into_response());
        }
        let form = Form::read(Request::from_parts(parts, body)).await;
        let fields = form.and_then(|form| own(&visitor.session, &form)?.fields());
        Ok(Self { visitor, fields: fields.map_err(|error| Broken::from(error).into_response())? })
    }
}

/// A form, if it was shown to this session.
pub(super) fn own<'f>(session: &OperatorSession, form: &'f Form) -> Result<&'f Form, domicile_app::Error> {
    if session.is_own_form(&form.token()) {
        return Ok(form);
    }
    Err(forbidden("The form is not of this session: go back, load the page again, and send it once more."))
}
