//! GET /.well-known/matrix/support (Well-known URIs)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::discovery::{self, Discovery};
use domicile_core::error::ErrorKind;
use ruma::api::client::discovery::discover_support::{Contact, ContactRole, Request, Response};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Whom to ask for help.
pub(super) async fn discover_support(
    State(discovery): State<Arc<Discovery>>,
    _request: Public<Request>,
) -> Reply<Response> {
    if discovery.contacts.is_empty() && discovery.support_page.is_none() {
        return Err(ErrorKind::NotFound.with("This server names nobody to ask for help.").into());
    }
    let contacts = discovery.contacts.iter().cloned().map(|contact| match contact {
        discovery::Contact::Mail(address) => Contact::with_email_address(ContactRole::Admin, address),
        discovery::Contact::User(user_id) => Contact::with_matrix_id(ContactRole::Admin, user_id),
    });
    let mut answer = Response::with_contacts(contacts.collect());
    answer.support_page.clone_from(&discovery.support_page);
    Ok(Answer(answer))
}
