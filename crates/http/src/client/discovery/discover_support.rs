//! GET /.well-known/matrix/support (Well-known URIs)

use std::sync::Arc;

use axum::extract::State;
use domicile_app::{
    discovery::{self, Discovery},
    standing::StatusPage,
};
use domicile_core::error::ErrorKind;
use ruma::{
    OwnedUserId,
    api::client::discovery::discover_support::{Contact, ContactRole, Request, Response},
};

use crate::{
    answer::{Answer, Reply},
    extract::Public,
};

/// Whom to ask for help.
pub(super) async fn discover_support(
    State(discovery): State<Arc<Discovery>>,
    State(status): State<Arc<StatusPage>>,
    _request: Public<Request>,
) -> Reply<Response> {
    let contacts = discovery.contacts.iter().cloned().map(|contact| match contact {
        discovery::Contact::Mail(address) => Contact::with_email_address(ContactRole::Admin, address),
        discovery::Contact::User(user_id) => Contact::with_matrix_id(ContactRole::Admin, user_id),
    });
    // What the public half of dossiers adds.
    let own: Vec<String> = discovery.contacts.iter().map(address).collect();
    let more = status.contacts().into_iter().filter(|(_, address)| !own.contains(address));
    let contacts: Vec<Contact> = contacts.chain(more.filter_map(|(role, address)| contact(&role, address))).collect();
    if contacts.is_empty() && discovery.support_page.is_none() {
        return Err(ErrorKind::NotFound.with("This server names nobody to ask for help.").into());
    }
    let mut answer = Response::with_contacts(contacts);
    answer.support_page.clone_from(&discovery.support_page);
    Ok(Answer(answer))
}

fn address(contact: &discovery::Contact) -> String {
    match contact {
        discovery::Contact::Mail(address) => address.clone(),
        discovery::Contact::User(user_id) => user_id.to_string(),
    }
}

/// A public contact of a dossier; the specification has no place for a web address.
fn contact(role: &str, address: String) -> Option<Contact> {
    let role = if role == "security" { ContactRole::Security } else { ContactRole::Admin };
    if address.starts_with('@') {
        return OwnedUserId::try_from(address).ok().map(|user_id| Contact::with_matrix_id(role, user_id));
    }
    (!address.starts_with("https://")).then(|| Contact::with_email_address(role, address))
}
