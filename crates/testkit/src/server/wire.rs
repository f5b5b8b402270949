//! The services of a test server, wired as the binary wires its own.

use std::{path::Path, sync::Arc};

use domicile_app::accounts::{
    Accounts, Devices, Logins, Passwords, RateLimits, Registration, RegistrationTokens, Sessions, Uia, Users,
    rate_limits::RateLimitSettings,
    registration::{RegistrationMode, RegistrationSettings},
};
use domicile_app::{
    e2ee::{CrossSigning, DehydratedDevices, DeviceKeys, DeviceLists, KeyBackup, KeySignatures, OneTimeKeys, ToDevice},
    events::wake::Wakers,
};
use domicile_core::{
    clock::{Clock, HOUR_MS, ManualClock},
    rng::{OsRng, Rng},
};
use domicile_http::state::Services;
use domicile_store::{Store, StoreOptions};
use ruma::OwnedServerName;

/// What a test can set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The deployment's name.
    pub server_name: OwnedServerName,
    /// Registration.
    pub registration: RegistrationSettings,
    /// Rate limits.
    pub rate_limits: RateLimitSettings,
    /// Life of an access token that can be refreshed, in milliseconds.
    pub access_token_life_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            server_name: "localhost".try_into().expect("a server name"),
            registration: RegistrationSettings { mode: RegistrationMode::Open, ..RegistrationSettings::default() },
            rate_limits: RateLimitSettings::default(),
            access_token_life_ms: HOUR_MS,
        }
    }
}

pub(super) async fn wire(folder: &Path, clock: Arc<ManualClock>, settings: Settings) -> (Services, Store) {
    let options = StoreOptions::Sqlite { path: folder.join("domicile.db"), readers: 2 };
    let store = Store::open(options).await.expect("a database");
    let clock: Arc<dyn Clock> = clock;
    let rng: Arc<dyn Rng> = Arc::new(OsRng);
    let users = Arc::new(Users::new(store.clone(), Arc::clone(&clock), settings.server_name));
    let sessions =
        Arc::new(Sessions::new(store.clone(), Arc::clone(&clock), Arc::clone(&rng), settings.access_token_life_ms));
    let passwords = Arc::new(Passwords::new(64, 1, 2));
    let rate_limits = Arc::new(RateLimits::new(Arc::clone(&clock), settings.rate_limits));
    let wakers = Arc::new(Wakers::default());
    let device_lists = Arc::new(DeviceLists::new(store.clone(), Arc::clone(&users), Arc::clone(&wakers)));
    let devices = Arc::new(Devices::new(
        store.clone(),
        Arc::clone(&clock),
        Arc::clone(&rng),
        Arc::clone(&sessions),
        Arc::clone(&device_lists),
    ));
    let accounts = Arc::new(Accounts::new(
        store.clone(),
        Arc::clone(&clock),
        Arc::clone(&users),
        Arc::clone(&passwords),
        Arc::clone(&devices),
    ));
    let registration_tokens = Arc::new(RegistrationTokens::new(store.clone(), Arc::clone(&clock), Arc::clone(&rng)));
    let uia = Arc::new(Uia::new(
        store.clone(),
        Arc::clone(&clock),
        Arc::clone(&rng),
        Arc::clone(&accounts),
        Arc::clone(&registration_tokens),
        Arc::clone(&rate_limits),
    ));
    let logins = Arc::new(Logins::new(
        store.clone(),
        Arc::clone(&users),
        Arc::clone(&accounts),
        passwords,
        Arc::clone(&devices),
        Arc::clone(&rate_limits),
    ));
    let registration = Arc::new(Registration::new(
        rng,
        Arc::clone(&accounts),
        Arc::clone(&uia),
        Arc::clone(&registration_tokens),
        Arc::clone(&rate_limits),
        settings.registration,
    ));
    let to_device = Arc::new(ToDevice::new(store.clone(), Arc::clone(&clock), wakers));
    let services = Services {
        device_keys: Arc::new(DeviceKeys::new(store.clone(), Arc::clone(&users), Arc::clone(&device_lists))),
        one_time_keys: Arc::new(OneTimeKeys::new(store.clone())),
        cross_signing: Arc::new(CrossSigning::new(store.clone(), Arc::clone(&device_lists))),
        key_signatures: Arc::new(KeySignatures::new(store.clone(), Arc::clone(&device_lists))),
        key_backup: Arc::new(KeyBackup::new(store.clone())),
        dehydrated_devices: Arc::new(DehydratedDevices::new(
            store.clone(),
            clock,
            Arc::clone(&device_lists),
            Arc::clone(&to_device),
        )),
        to_device,
        device_lists,
        sessions,
        users,
        accounts,
        devices,
        logins,
        registration,
        registration_tokens,
        uia,
        rate_limits,
    };
    (services, store)
}
