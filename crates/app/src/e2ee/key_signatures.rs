//! Signatures that are uploaded over keys: a user vouches for their own devices, for their own master key, for other users' master keys.
//!
//! Each is checked here, so that a client can rely on finding what it uploaded. One that is wrong fails alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Store,
    table::{
        cross_signing,
        device_changes::CROSS_SIGNING,
        device_keys,
        key_signatures::{self, KeySignature},
        users,
    },
};
use ruma::{CanonicalJsonObject, OwnedUserId, UserId, api::client::keys::upload_signatures::v3::SignedKeys};

use super::{DeviceLists, signed};
use crate::{Error, Result, accounts::Session};

/// Signed keys in one request.
const SIGNED: usize = 1_000;

/// Why a signed key was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error code.
    pub kind: ErrorKind,
    /// What happened.
    pub message: &'static str,
}

/// What was not taken, by user and key.
pub type Failures = BTreeMap<OwnedUserId, BTreeMap<String, Failure>>;

const UNKNOWN_KEY: Failure = Failure { kind: ErrorKind::NotFound, message: "The user has no such key." };
const OTHER_KEY: Failure =
    Failure { kind: ErrorKind::InvalidParam, message: "The signed object is not the key that is stored here." };
const NOT_SIGNED: Failure = Failure {
    kind: ErrorKind::InvalidSignature,
    message: "There is no right signature of yours over the key, made with a key that may sign it.",
};

/// Keeps signatures over keys.
pub struct KeySignatures {
    store: Store,
    lists: Arc<DeviceLists>,
}

/// The keys of one user as far as signatures concern them.
#[derive(Default)]
struct Keys {
    user_num: UserNum,
    /// By device id.
    devices: BTreeMap<String, CanonicalJsonObject>,
    /// By usage: public half and key.
    cross_signing: BTreeMap<String, (String, CanonicalJsonObject)>,
}

impl KeySignatures {
    /// Signatures over a store.
    pub fn new(store: Store, lists: Arc<DeviceLists>) -> Self {
        Self { store, lists }
    }

    /// Takes the signatures that are right, and tells which are not.
    pub async fn upload(&self, session: &Session, signed_keys: BTreeMap<OwnedUserId, SignedKeys>) -> Result<Failures> {
        if signed_keys.values().map(|keys| keys.iter().count()).sum::<usize>() > SIGNED {
            return Err(ErrorKind::TooLarge.with(format!("A request has at most {SIGNED} signed keys.")).into());
        }
        let mut wanted: Vec<OwnedUserId> = signed_keys.keys().cloned().collect();
        wanted.push(session.user_id.clone());
        let known = self.known(wanted).await?;
        let nothing = Keys::default();
        let own = known.get(&session.user_id).unwrap_or(&nothing);
        let mut failures = Failures::new();
        let mut batch = Batch::new();
        let mut changed = BTreeSet::new();
        let mut own_changed = BTreeSet::new();
        for (user_id, keys) in &signed_keys {
            let target = known.get(user_id);
            for (key_id, json) in keys {
                let outcome = target.ok_or(UNKNOWN_KEY).and_then(|target| {
                    verify(&session.user_id, own, target, key_id, json.get()).map(|found| (target.user_num, found))
                });
                match outcome {
                    Ok((target_num, found)) => {
                        for (signer_key, signature) in found {
                            let target_key = key_id.to_owned();
                            let signer_num = session.user_num;
                            let row = KeySignature { target_num, target_key, signer_num, signer_key, signature };
                            key_signatures::set(&mut batch, &row);
                        }
                        if target_num == session.user_num {
                            own_changed.insert(if own.devices.contains_key(key_id) { key_id } else { CROSS_SIGNING });
                        } else {
                            changed.insert(target_num);
                        }
                    }
                    Err(failure) => {
                        failures.entry(user_id.clone()).or_default().insert(key_id.to_owned(), failure);
                    }
                }
            }
        }
        let own_changed: Vec<&str> = own_changed.into_iter().collect();
        self.write(session.user_num, batch, &own_changed, &changed).await?;
        Ok(failures)
    }

    /// Writes signatures over the signer's own keys, told by devices, and over those of others.
    async fn write(&self, signer: UserNum, mut batch: Batch, own: &[&str], others: &BTreeSet<UserNum>) -> Result<()> {
        if own.is_empty() && others.is_empty() {
            return Ok(());
        }
        self.lists.changed(&mut batch, signer, own);
        for target in others {
            self.lists.changed_for(&mut batch, *target, signer);
        }
        self.store.write(batch).await?;
        if own.is_empty() {
            self.lists.announce_to(signer);
        } else {
            self.lists.announce(signer);
        }
        Ok(())
    }

    async fn known(&self, user_ids: Vec<OwnedUserId>) -> Result<BTreeMap<OwnedUserId, Keys>> {
        let (users, devices, cross) = self
            .store
            .read(move |snapshot| async move {
                // Of others there are copies: those with whom somebody here shares a room.
                let users = users::by_ids(&snapshot, user_ids.iter().map(|id| id.as_str())).await?;
                let nums: Vec<UserNum> = users.iter().map(|(user_num, _)| *user_num).collect();
                let devices = device_keys::of_users(&snapshot, nums.iter().copied()).await?;
                Ok::<_, Error>((users, devices, cross_signing::of_users(&snapshot, nums).await?))
            })
            .await?;
        let mut by_num: BTreeMap<UserNum, Keys> =
            users.iter().map(|(user_num, _)| (*user_num, Keys { user_num: *user_num, ..Keys::default() })).collect();
        for device in devices {
            if let (Some(keys), Some(object)) = (by_num.get_mut(&device.user_num), signed::object(&device.keys)) {
                keys.devices.insert(device.device_id, object);
            }
        }
        for key in cross {
            let public = super::cross_signing::public_key(&key.key_data);
            if let (Some(keys), Some(object), Some(public)) =
                (by_num.get_mut(&key.user_num), signed::object(&key.key_data), public)
            {
                keys.cross_signing.insert(key.usage, (public, object));
            }
        }
        let mut known = BTreeMap::new();
        for (user_num, user_id) in users {
            if let Some(keys) = by_num.remove(&user_num) {
                known.insert(OwnedUserId::try_from(user_id).map_err(Error::internal)?, keys);
            }
        }
        Ok(known)
    }
}

/// The signer's signatures over one key of `target`: ids of the signing keys, and signatures.
fn verify(
    signer: &UserId,
    own: &Keys,
    target: &Keys,
    key_id: &str,
    json: &str,
) -> Result<Vec<(String, String)>, Failure> {
    let object = signed::object(json).ok_or(OTHER_KEY)?;
    let is_own = own.user_num == target.user_num;
    let master = target.cross_signing.get("master").filter(|(public, _)| public == key_id);
    let (stored, signers) = match (master, target.devices.get(key_id)) {
        (Some((_, stored)), _) if is_own => (stored, device_signers(own)),
        (Some((_, stored)), _) => (stored, cross_signer(own, "user_signing")),
        (None, Some(stored)) if is_own => (stored, cross_signer(own, "self_signing")),
        _ => return Err(UNKNOWN_KEY),
    };
    if signed::body(stored) != signed::body(&object) {
        return Err(OTHER_KEY);
    }
    let given = signed::signatures_of(&object, signer);
    let found: Vec<(String, String)> = given
        .into_iter()
        .filter(|(signer_key, signature)| {
            signers.get(*signer_key).is_some_and(|public| signed::verifies(&object, public, signature))
        })
        .map(|(signer_key, signature)| (signer_key.to_owned(), signature.to_owned()))
        .collect();
    if found.is_empty() { Err(NOT_SIGNED) } else { Ok(found) }
}

/// Ids and public halves of the signing keys of a user's devices.
fn device_signers(own: &Keys) -> BTreeMap<String, String> {
    own.devices
        .iter()
        .filter_map(|(device_id, object)| {
            let key_id = format!("ed25519:{device_id}");
            let public = signed::public_key(object, &key_id)?.to_owned();
            Some((key_id, public))
        })
        .collect()
}

/// Id and public half of one of a user's cross-signing keys.
fn cross_signer(own: &Keys, usage: &str) -> BTreeMap<String, String> {
    own.cross_signing.get(usage).map(|(public, _)| (format!("ed25519:{public}"), public.clone())).into_iter().collect()
}
