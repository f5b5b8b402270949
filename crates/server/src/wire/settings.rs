//! The operator's choices as services understand them: those that take more than a copy.

use anyhow::{Context, bail};
use domicile_app::{
    calls::{TurnProof, TurnSettings},
    discovery::{Contact, Discovery},
};
use domicile_core::config::{self, Api, Config};
use ruma::OwnedUserId;

/// What anybody is told about the server.
pub(super) fn discovery(config: &Config) -> anyhow::Result<Discovery> {
    let contacts = config.server.support_contacts.iter().map(|contact| {
        if contact.starts_with('@') {
            let user_id = OwnedUserId::try_from(contact.as_str());
            return Ok(Contact::User(user_id.with_context(|| format!("server.support_contacts: \"{contact}\""))?));
        }
        if !contact.contains('@') {
            bail!("server.support_contacts: \"{contact}\" is neither an e-mail address nor a Matrix id");
        }
        Ok(Contact::Mail(contact.clone()))
    });
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Ok(Discovery {
        homeserver: text(&config.server.public_url).or_else(|| first_address(config)),
        contacts: contacts.collect::<anyhow::Result<_>>()?,
        support_page: text(&config.server.support_page),
    })
}

/// The address of the first listener for clients, if it is one that a client could use.
fn first_address(config: &Config) -> Option<String> {
    let listener = config.listeners.iter().find(|listener| listener.serve.contains(&Api::Client))?;
    let address: std::net::SocketAddr = listener.bind.parse().ok()?;
    let scheme = if listener.certificate.is_empty() { "http" } else { "https" };
    (!address.ip().is_unspecified() && address.port() != 0).then(|| format!("{scheme}://{address}"))
}

/// The TURN servers, if there are any.
pub(super) fn turn(config: &config::Turn) -> anyhow::Result<Option<TurnSettings>> {
    if config.uris.is_empty() {
        return Ok(None);
    }
    if let Some(uri) = config.uris.iter().find(|uri| !uri.starts_with("turn:") && !uri.starts_with("turns:")) {
        bail!("turn.uris: \"{uri}\" begins neither with turn: nor with turns:");
    }
    let proof = if !config.secret.is_empty() {
        TurnProof::Secret(config.secret.clone())
    } else if !config.username.is_empty() && !config.password.is_empty() {
        TurnProof::Fixed { username: config.username.clone(), password: config.password.clone() }
    } else {
        bail!("turn.uris names servers: give turn.secret, or turn.username and turn.password");
    };
    Ok(Some(TurnSettings { uris: config.uris.clone(), proof, life_ms: config.credentials_life.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_only_if_somebody_could_use_it() {
        let mut config = Config::default();
        assert_eq!(first_address(&config).as_deref(), Some("http://127.0.0.1:8008"));
        for bind in ["0.0.0.0:8008", "unix:/run/x", "127.0.0.1:0"] {
            bind.clone_into(&mut config.listeners[0].bind);
            assert_eq!(first_address(&config), None, "{bind}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        let mut config = Config::default();
        config.server.support_contacts = vec!["nobody".to_owned()];
        assert!(discovery(&config).is_err());
        config.turn.uris = vec!["turn:turn.example.org".to_owned()];
        assert!(turn(&config.turn).is_err(), "without a secret");
        config.turn.secret = "s".to_owned();
        assert!(turn(&config.turn).is_ok());
        config.turn.uris.push("http://turn.example.org".to_owned());
        assert!(turn(&config.turn).is_err());
    }
}
