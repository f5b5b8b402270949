//! Whom an authority or the public can reach: addresses of roles by default. What is known about a contact person is sealed with the cell's key,
//! is shown to the authority that asks for it, and never to the public.

use domicile_core::error::ErrorKind;
use domicile_residency::standing::words::Role;
use domicile_store::{Batch, Keystore, table::dossiers as rows};
use serde::{Deserialize, Serialize};

use super::{Dossiers, Whole};
use crate::{Error, Result, error::not_found, standing::line};

const SEALED: &str = "dossier_contacts.sealed";

/// A person behind a role.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Person {
    /// Their name.
    pub name: Option<String>,
    /// Their telephone number.
    pub phone: Option<String>,
    /// Their own mail address.
    pub mail: Option<String>,
    /// Their postal address.
    pub post: Option<String>,
}

/// Who can be reached for a role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// The role.
    pub role: String,
    /// Its address: mail, a Matrix id, or a web address.
    pub address: String,
    /// Whether the public may see the address.
    pub is_public: bool,
    /// The person behind it, if one is named.
    pub person: Option<Person>,
}

/// A contact that is to be named.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    /// The address of the role: mail, a Matrix id, or a web address.
    pub address: String,
    /// Whether the public may see the address.
    #[serde(default)]
    pub is_public: bool,
    /// The person behind it, if the authority asks for one.
    pub person: Option<Person>,
}

impl Dossiers {
    /// Names somebody for a role.
    pub async fn set_contact(&self, code: &str, role: &str, new: NewContact, who: &str) -> Result<Whole> {
        let (code, role, who) = (self.begun(code).await?, known(role)?, line("The name of who changes it", who)?);
        let address = address(&new.address)?;
        let sealed = new.person.as_ref().map(|person| self.seal(person)).transpose()?;
        let mut batch = Batch::new();
        // The history names the role's address, and nobody's person.
        let person = if sealed.is_some() { ", with a person" } else { "" };
        let public = if new.is_public { "public" } else { "not public" };
        self.note(&mut batch, &code, &who, format!("contact {}: {address} ({public}{person})", role.word())).await?;
        let role = role.word().to_owned();
        let contact = rows::Contact { code: code.clone(), role, address, is_public: new.is_public, sealed };
        rows::set_contact(&mut batch, contact);
        self.parts.store.write(batch).await?;
        self.get(&code).await
    }

    /// Names nobody for a role any more.
    pub async fn remove_contact(&self, code: &str, role: &str, who: &str) -> Result<Whole> {
        let (code, role, who) = (self.begun(code).await?, known(role)?, line("The name of who changes it", who)?);
        let before = self.get(&code).await?;
        if !before.dossier.contacts.iter().any(|contact| contact.role == role.word()) {
            return Err(not_found(format!("The dossier of {code} names nobody as {}.", role.word())));
        }
        let mut batch = Batch::new();
        self.note(&mut batch, &code, &who, format!("contact {}: nobody", role.word())).await?;
        rows::remove_contact(&mut batch, &code, role.word());
        self.parts.store.write(batch).await?;
        self.get(&code).await
    }

    fn seal(&self, person: &Person) -> Result<bytes::Bytes> {
        for (name, value) in [
            ("The person's name", &person.name),
            ("The telephone number", &person.phone),
            ("The mail address", &person.mail),
            ("The postal address", &person.post),
        ] {
            value.as_ref().map(|value| line(name, value)).transpose()?;
        }
        let plain = serde_json::to_vec(person).map_err(Error::internal)?;
        Ok(self.parts.keystore.cell_key().seal(SEALED, &plain)?)
    }
}

/// A contact with what is sealed of it.
pub(super) fn open(keystore: &Keystore, row: &rows::Contact) -> Result<Contact> {
    let person = row.sealed.as_ref().map(|sealed| {
        let plain = keystore.cell_key().open(SEALED, sealed)?;
        serde_json::from_slice(&plain).map_err(Error::internal)
    });
    Ok(Contact {
        role: row.role.clone(),
        address: row.address.clone(),
        is_public: row.is_public,
        person: person.transpose()?,
    })
}

fn known(role: &str) -> Result<Role> {
    Role::from_word(role).ok_or_else(|| {
        let known: Vec<&str> = Role::ALL.iter().map(|role| role.word()).collect();
        ErrorKind::InvalidParam.with(format!("`{role}` is no role: use one of {}.", known.join(", "))).into()
    })
}

/// An address that somebody can use: mail, a Matrix id, or https.
fn address(text: &str) -> Result<String> {
    let address = line("The address", text)?;
    let is_mail = address.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let is_user = address.starts_with('@') && ruma::UserId::parse(&address).is_ok();
    if (is_mail && !address.contains(' ')) || is_user || address.starts_with("https://") {
        return Ok(address);
    }
    Err(ErrorKind::InvalidParam.with(format!("`{address}` is no mail address, Matrix id or https address.")).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for good in ["law@example.org", "@law:example.org", "https://example.org/contact"] {
            assert!(address(good).is_ok(), "{good}");
        }
        for bad in ["law", "@", "a b@example.org", "javascript:alert(1)", "http://example.org", "", "x@y"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
