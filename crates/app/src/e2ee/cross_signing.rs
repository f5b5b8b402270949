//! Cross-signing: a user's master key, and the two keys it signs, one for their own devices, one for other people.
//!
//! The first keys need no second authentication. To replace them does: whoever has but a stolen token must not be able to make
//! everybody trust another identity.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use domicile_core::{error::ErrorKind, ids::UserNum};
use domicile_store::{
    Batch, Store,
    table::{cross_signing, device_changes::CROSS_SIGNING, devices, key_signatures},
};
use ruma::{
    CanonicalJsonObject, UserId,
    api::client::uiaa::AuthData,
    encryption::{CrossSigningKey, KeyUsage},
    serde::Raw,
};

use super::{ATTEMPTS, DeviceLists, signed};
use crate::{
    Error, Result,
    accounts::{Session, Uia, uia::Operation},
};

/// Largest cross-signing key in bytes.
const KEY_BYTES: usize = 16_384;

/// What a client uploads.
#[derive(Debug, Default)]
pub struct Upload {
    /// The master key.
    pub master_key: Option<Raw<CrossSigningKey>>,
    /// The key that signs the user's own devices.
    pub self_signing_key: Option<Raw<CrossSigningKey>>,
    /// The key that signs other users' master keys.
    pub user_signing_key: Option<Raw<CrossSigningKey>>,
}

/// Keeps cross-signing keys.
pub struct CrossSigning {
    store: Store,
    lists: Arc<DeviceLists>,
    uia: Arc<Uia>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Usage {
    Master,
    SelfSigning,
    UserSigning,
}

impl Usage {
    const ALL: [Self; 3] = [Self::Master, Self::SelfSigning, Self::UserSigning];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::SelfSigning => "self_signing",
            Self::UserSigning => "user_signing",
        }
    }

    fn as_ruma(self) -> KeyUsage {
        self.as_str().into()
    }
}

/// A key that was checked for its shape.
#[derive(Clone)]
pub(super) struct Key {
    public: String,
    pub(super) object: CanonicalJsonObject,
}

/// The keys that a user has: public half and stored text.
type Known = BTreeMap<&'static str, (String, String)>;

/// With what the user confirms that keys are to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Confirmation<'a> {
    /// The request's body.
    pub body: &'a [u8],
    /// The authentication in it.
    pub auth: Option<&'a AuthData>,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

impl CrossSigning {
    /// Cross-signing over a store.
    pub fn new(store: Store, lists: Arc<DeviceLists>, uia: Arc<Uia>) -> Self {
        Self { store, lists, uia }
    }

    /// Takes a user's cross-signing keys.
    ///
    /// The first ones are taken as they are; who replaces them confirms it with the password.
    pub async fn upload(&self, session: &Session, upload: &Upload, confirmation: Confirmation<'_>) -> Result<()> {
        let keys = check(&session.user_id, upload)?;
        for _ in 0..ATTEMPTS {
            match self.try_upload(session, &keys, confirmation).await {
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
                Ok(changed) => {
                    if changed {
                        self.lists.announce(session.user_num);
                    }
                    return Ok(());
                }
            }
        }
        Err(Error::internal("cross-signing keys were changed by others each time they were written"))
    }

    /// One attempt; whether anything changed.
    async fn try_upload(
        &self,
        session: &Session,
        keys: &BTreeMap<Usage, Key>,
        confirmation: Confirmation<'_>,
    ) -> Result<bool> {
        let user_num = session.user_num;
        let (known, devices) = self
            .store
            .read(move |snapshot| async move {
                let keys = cross_signing::of_users(&snapshot, [user_num]).await?;
                Ok::<_, Error>((keys, devices::of_user(&snapshot, user_num).await?))
            })
            .await?;
        let known: Known = known
            .into_iter()
            .filter_map(|key| {
                let usage = Usage::ALL.into_iter().find(|usage| usage.as_str() == key.usage)?;
                Some((usage.as_str(), (public_key(&key.key_data)?, key.key_data)))
            })
            .collect();
        let new: BTreeMap<Usage, &Key> = keys
            .iter()
            .filter(|(usage, key)| known.get(usage.as_str()).is_none_or(|(public, _)| *public != key.public))
            .map(|(usage, key)| (*usage, key))
            .collect();
        if new.is_empty() {
            return Ok(false);
        }
        if let Some(key) = new.values().find(|key| devices.iter().any(|device| device.device_id == key.public)) {
            let text = format!("The key {:.64} has the name of one of the user's devices.", key.public);
            return Err(ErrorKind::Forbidden.with(text).into());
        }
        signed_by_master(&session.user_id, &known, &new)?;
        if known.contains_key(Usage::Master.as_str()) {
            let Confirmation { body, auth, address } = confirmation;
            let name = "replace cross-signing keys";
            self.uia.check(Operation::with_password(name, session, body, auth, address)).await?;
        }
        let mut batch = replacement(user_num, &known, &new);
        self.lists.changed(&mut batch, user_num, &[CROSS_SIGNING]);
        self.store.write(batch).await?;
        Ok(true)
    }
}

/// The self- and the user-signing key must be signed by the master key that will be there.
fn signed_by_master(user_id: &UserId, known: &Known, new: &BTreeMap<Usage, &Key>) -> Result<()> {
    let master = match new.get(&Usage::Master) {
        Some(key) => &key.public,
        None => match known.get(Usage::Master.as_str()) {
            Some((public, _)) => public,
            None => return Err(ErrorKind::MissingParam.with("There is no master key yet: upload it first.").into()),
        },
    };
    let key_id = format!("ed25519:{master}");
    for (usage, key) in new.iter().filter(|(usage, _)| **usage != Usage::Master) {
        if !signed::is_signed_by(&key.object, user_id, &key_id, master) {
            let text = format!("The {} key is not signed by the master key.", usage.as_str());
            return Err(ErrorKind::InvalidSignature.with(text).into());
        }
    }
    Ok(())
}

/// The batch that puts new keys in the place of the known ones and removes the signatures of those that go.
fn replacement(user_num: UserNum, known: &Known, new: &BTreeMap<Usage, &Key>) -> Batch {
    let mut batch = Batch::new();
    for usage in Usage::ALL {
        let old = known.get(usage.as_str());
        match (new.get(&usage), old) {
            (Some(key), None) => {
                cross_signing::insert(&mut batch, user_num, usage.as_str(), &signed::stored(key.object.clone()));
            }
            (Some(key), Some((_, text))) => {
                let stored = signed::stored(key.object.clone());
                cross_signing::replace(&mut batch, user_num, usage.as_str(), text, &stored);
            }
            // What the old master key signed is worth nothing under a new one.
            (None, Some((_, text))) if new.contains_key(&Usage::Master) => {
                cross_signing::remove(&mut batch, user_num, usage.as_str(), text);
            }
            (None, _) => continue,
        }
        if let Some((public, _)) = old {
            key_signatures::remove_over(&mut batch, user_num, public);
            key_signatures::remove_by(&mut batch, user_num, &format!("ed25519:{public}"));
        }
    }
    batch
}

/// Checks the shape of an upload and that the keys are the user's.
fn check(user_id: &UserId, upload: &Upload) -> Result<BTreeMap<Usage, Key>> {
    let given = [
        (Usage::Master, &upload.master_key),
        (Usage::SelfSigning, &upload.self_signing_key),
        (Usage::UserSigning, &upload.user_signing_key),
    ];
    let mut keys = BTreeMap::new();
    for (usage, raw) in given {
        if let Some(raw) = raw {
            keys.insert(usage, check_one(user_id, usage, raw)?);
        }
    }
    if keys.is_empty() {
        return Err(ErrorKind::MissingParam.with("The request has no key.").into());
    }
    Ok(keys)
}

/// Checks the shape of a key and that it is the user's.
pub(super) fn check_one(user_id: &UserId, usage: Usage, raw: &Raw<CrossSigningKey>) -> Result<Key> {
    let name = usage.as_str();
    let refused = |why: &str| Error::from(ErrorKind::InvalidParam.with(format!("The {name} key {why}.")));
    let key =
        raw.deserialize().map_err(|error| ErrorKind::BadJson.with(format!("The {name} key does not fit: {error}")))?;
    if raw.json().get().len() > KEY_BYTES {
        return Err(refused("is too large"));
    }
    if key.user_id != user_id {
        return Err(refused("is another user's"));
    }
    if !key.usage.contains(&usage.as_ruma()) {
        return Err(refused("does not say that it is one: see its usage"));
    }
    let object = signed::object(raw.json().get()).ok_or_else(|| refused("is not canonical JSON"))?;
    let public =
        public_of(&object).ok_or_else(|| refused("must have exactly one public key, ed25519, under its own id"))?;
    Ok(Key { public, object })
}

/// The one public key of a cross-signing key, whose id is `ed25519:` and the key itself.
fn public_of(object: &CanonicalJsonObject) -> Option<String> {
    let keys = object.get("keys")?.as_object()?;
    let (id, public) = keys.first_key_value()?;
    let public = public.as_str()?;
    let fits = keys.len() == 1
        && id.strip_prefix("ed25519:") == Some(public)
        && ruma::serde::Base64::<ruma::serde::base64::Standard>::parse(public)
            .is_ok_and(|key| key.as_bytes().len() == 32);
    fits.then(|| public.to_owned())
}

/// The public half of a stored cross-signing key.
pub(super) fn public_key(key_data: &str) -> Option<String> {
    public_of(&signed::object(key_data)?)
}
