//! Registration by those who want an account.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use domicile_core::error::ErrorKind;
use ruma::{
    OwnedUserId,
    api::client::uiaa::{AuthData, AuthType},
};

use super::{
    Accounts, Limit, NewSession, OpenedSession, RateLimits, RegistrationTokens, Uia, lifecycle::NewAccount,
    uia::Operation,
};
use crate::{Result, error::forbidden};

/// Bytes of the longest token for which other cells are asked.
const LONGEST_TOKEN: usize = 64;

/// Who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Nobody, except by the operator's hand.
    Closed,
    /// Who has a registration token.
    #[default]
    Token,
    /// Everybody.
    Open,
}

/// A document that whoever registers must accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its version.
    pub version: String,
    /// By language (`en`): its title and its address.
    pub translations: BTreeMap<String, (String, String)>,
}

/// How registration is set up.
#[derive(Clone, Debug, Default)]
pub struct RegistrationSettings {
    /// Who may.
    pub mode: RegistrationMode,
    /// What they must accept, by name.
    pub terms: BTreeMap<String, Policy>,
    /// Whether people choose their names also in a region that withholds names.
    pub chosen_names: bool,
}

/// A wish to register.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What is to stand before the colon.
    pub username: Option<String>,
    /// The password.
    pub password: Option<String>,
    /// The session to open at once, unless the client does not want one.
    pub session: Option<NewSession>,
    /// The authentication so far.
    pub auth: Option<&'a AuthData>,
    /// Where the request came from.
    pub address: Option<IpAddr>,
}

/// Makes accounts for those who ask.
pub struct Registration {
    accounts: Arc<Accounts>,
    uia: Arc<Uia>,
    tokens: Arc<RegistrationTokens>,
    rate_limits: Arc<RateLimits>,
    settings: RegistrationSettings,
}

impl Registration {
    /// Registration as `settings` say.
    pub fn new(
        accounts: Arc<Accounts>,
        uia: Arc<Uia>,
        tokens: Arc<RegistrationTokens>,
        rate_limits: Arc<RateLimits>,
        settings: RegistrationSettings,
    ) -> Self {
        Self { accounts, uia, tokens, rate_limits, settings }
    }

    /// Makes an account when all stages of authentication are done.
    pub async fn register(&self, wanted: Wanted<'_>) -> Result<(OwnedUserId, Option<OpenedSession>)> {
        self.check_open()?;
        let begins = wanted.auth.is_none_or(|auth| auth.session().is_none());
        if begins {
            // What comes next asks other cells.
            self.rate_limits.check_address(Limit::Registration, wanted.address)?;
            self.check_place().await?;
        }
        if let Some(username) = &wanted.username {
            self.check_may_choose()?;
            self.accounts.check_available(username).await?;
        }
        if let Some(AuthData::RegistrationToken(given)) = wanted.auth
            && !self.tokens.is_valid(&given.token).await?
        {
            self.check_token_is_of_here(&given.token, wanted.address).await?;
        }
        let passed = self
            .uia
            .check(Operation {
                name: "register",
                subject: "",
                session: None,
                // The first request only asks for the flows, and later ones add what the person has typed.
                body: None,
                flows: self.flows(),
                terms: Some(&self.settings.terms),
                auth: wanted.auth,
                address: wanted.address,
            })
            .await?;
        if wanted.password.is_none() && wanted.session.is_none() {
            return Err(ErrorKind::MissingParam.with("`password` is missing: nobody could ever log in.").into());
        }
        let localpart = match wanted.username {
            Some(username) => username,
            None => self.accounts.free_name().await?,
        };
        self.accounts
            .create_user(NewAccount {
                localpart,
                password: wanted.password,
                registration_token: passed.registration_token,
                session: wanted.session,
            })
            .await
    }

    /// Whether a name is free.
    pub async fn check_available(&self, username: &str, address: Option<IpAddr>) -> Result<()> {
        self.rate_limits.check_address(Limit::Registration, address)?;
        self.check_open()?;
        self.check_may_choose()?;
        self.accounts.check_available(username).await?;
        Ok(())
    }

    /// A name that somebody chooses says something about them, and it stands in every copy of their rooms.
    fn check_may_choose(&self) -> Result<()> {
        if self.accounts.gives_random_names() && !self.settings.chosen_names {
            return Err(forbidden(
                "User names are given here, not chosen, since they are seen wherever copies of a room are kept: register without a user name.",
            ));
        }
        Ok(())
    }

    /// Whether a registration token is good.
    pub async fn is_token_valid(&self, token: &str, address: Option<IpAddr>) -> Result<bool> {
        self.rate_limits.check_address(Limit::Registration, address)?;
        if self.settings.mode != RegistrationMode::Token {
            return Err(forbidden("This server does not register people by token."));
        }
        if self.tokens.is_valid(token).await? {
            return Ok(true);
        }
        self.check_token_is_of_here(token, address).await?;
        Ok(false)
    }

    /// Whoever shows a token of another cell is told where it is good. What nobody knows is nobody's.
    async fn check_token_is_of_here(&self, token: &str, address: Option<IpAddr>) -> Result<()> {
        if !self.accounts.has_other_cells() || token.len() > LONGEST_TOKEN {
            return Ok(());
        }
        self.rate_limits.check_address(Limit::TokensElsewhere, address)?;
        match self.accounts.address_of_token(&self.tokens, token).await {
            Some(place) => Err(forbidden(format!("This registration token is for {place}: register there."))),
            None => Ok(()),
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.settings.mode == RegistrationMode::Closed {
            return Err(forbidden("Registration is closed: ask whoever runs this server for an account."));
        }
        Ok(())
    }

    /// Whoever finds this cell fuller than another one of the region is told where to go. A token is the cell's that gave it: who has one stays.
    async fn check_place(&self) -> Result<()> {
        if self.settings.mode != RegistrationMode::Open {
            return Ok(());
        }
        match self.accounts.elsewhere().await? {
            Some(place) => {
                Err(forbidden(format!("New accounts are made at {} at the moment: register there.", place.client_url)))
            }
            None => Ok(()),
        }
    }

    fn flows(&self) -> Vec<Vec<AuthType>> {
        let mut stages = Vec::new();
        if self.settings.mode == RegistrationMode::Token {
            stages.push(AuthType::RegistrationToken);
        }
        if !self.settings.terms.is_empty() {
            stages.push(AuthType::Terms);
        }
        if stages.is_empty() {
            stages.push(AuthType::Dummy);
        }
        vec![stages]
    }
}
