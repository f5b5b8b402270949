//! Accounts: from registration to devices.

use std::{collections::BTreeSet, sync::Arc};

use domicile_app::{
    accounts::{
        Accounts, Devices, LoginTokens, Logins, Passwords, RateLimits, Registration, RegistrationTokens, Sessions,
        Standings, Uia, Users, rate_limits::RateLimitSettings, registration::RegistrationSettings,
    },
    admin::{OperatorSessions, Operators},
    e2ee::DeviceLists,
    moves::Departures,
};
use domicile_core::config;
use domicile_store::Store;
use ruma::OwnedUserId;

use super::Surroundings;

pub(super) struct People {
    pub(super) sessions: Arc<Sessions>,
    pub(super) devices: Arc<Devices>,
    pub(super) accounts: Arc<Accounts>,
    pub(super) registration_tokens: Arc<RegistrationTokens>,
    pub(super) uia: Arc<Uia>,
    pub(super) logins: Arc<Logins>,
    pub(super) registration: Arc<Registration>,
    pub(super) rate_limits: Arc<RateLimits>,
    /// Those who may use the console, and their sessions.
    pub(super) operators: (Arc<Operators>, Arc<OperatorSessions>),
}

/// The operator's choices about accounts.
pub(super) struct AccountSettings {
    pub(super) passwords: config::Passwords,
    pub(super) access_token_life_ms: i64,
    pub(super) rate_limits: RateLimitSettings,
    pub(super) registration: RegistrationSettings,
    pub(super) departures: Arc<Departures>,
}

/// Locks and suspensions.
pub(super) fn standings(
    store: &Store,
    users: &Arc<Users>,
    sessions: &Arc<Sessions>,
    administrators: BTreeSet<OwnedUserId>,
    surroundings: &Surroundings,
) -> Arc<Standings> {
    let (users, sessions) = (Arc::clone(users), Arc::clone(sessions));
    Arc::new(Standings::new(store.clone(), Arc::clone(&surroundings.clock), users, sessions, administrators))
}

/// Tokens that let another device in, if they are offered.
pub(super) fn login_tokens(
    store: &Store,
    users: &Arc<Users>,
    (logins, rate_limits): (&Arc<Logins>, &Arc<RateLimits>),
    offered: bool,
    surroundings: &Surroundings,
) -> Arc<LoginTokens> {
    let (clock, rng) = (Arc::clone(&surroundings.clock), Arc::clone(&surroundings.rng));
    let (users, logins, rate_limits) = (Arc::clone(users), Arc::clone(logins), Arc::clone(rate_limits));
    Arc::new(LoginTokens::new(store.clone(), clock, rng, users, logins, rate_limits, offered))
}

pub(super) fn wire(
    store: &Store,
    users: &Arc<Users>,
    device_lists: &Arc<DeviceLists>,
    surroundings: &Surroundings,
    settings: AccountSettings,
) -> People {
    let (clock, rng) = (|| Arc::clone(&surroundings.clock), || Arc::clone(&surroundings.rng));
    let sessions =
        Arc::new(Sessions::new(store.clone(), clock(), rng(), settings.access_token_life_ms, settings.departures));
    let memory_kib = u32::try_from(settings.passwords.memory.0 / 1_024).unwrap_or(u32::MAX);
    let at_once = usize::try_from(settings.passwords.at_once).unwrap_or(1).max(1);
    let passwords = Arc::new(Passwords::new(memory_kib, settings.passwords.iterations, at_once));
    let rate_limits = Arc::new(RateLimits::new(clock(), settings.rate_limits));
    let devices = Arc::new(Devices::new(
        store.clone(),
        clock(),
        rng(),
        Arc::clone(&sessions),
        Arc::clone(device_lists),
        Arc::clone(&surroundings.keystore),
    ));
    let accounts = Arc::new(Accounts::new(
        store.clone(),
        clock(),
        rng(),
        Arc::clone(users),
        Arc::clone(&passwords),
        Arc::clone(&devices),
        Arc::clone(&surroundings.keystore),
    ));
    let registration_tokens = Arc::new(RegistrationTokens::new(store.clone(), clock(), rng()));
    let uia = Arc::new(Uia::new(
        store.clone(),
        clock(),
        rng(),
        Arc::clone(&accounts),
        Arc::clone(&registration_tokens),
        Arc::clone(&rate_limits),
    ));
    let logins = Arc::new(Logins::new(
        store.clone(),
        Arc::clone(users),
        Arc::clone(&accounts),
        Arc::clone(&passwords),
        Arc::clone(&devices),
        Arc::clone(&rate_limits),
    ));
    let operators = Operators::new(store.clone(), clock(), passwords, Arc::clone(&rate_limits));
    let operators = (Arc::new(operators), Arc::new(OperatorSessions::new(clock(), rng())));
    let registration = Arc::new(Registration::new(
        Arc::clone(&accounts),
        Arc::clone(&uia),
        Arc::clone(&registration_tokens),
        Arc::clone(&rate_limits),
        settings.registration,
    ));
    People { sessions, devices, accounts, registration_tokens, uia, logins, registration, rate_limits, operators }
}
