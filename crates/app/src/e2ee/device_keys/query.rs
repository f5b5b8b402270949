//! Asking for keys: those of local users and good copies of others' from the database, the rest from their servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use domicile_core::{
    error::ErrorKind,
    ids::{Position, UserNum},
};
use domicile_store::{
    Snapshot,
    table::{
        cross_signing, device_keys, device_list_copies, device_lists,
        key_signatures::{self, KeySignature},
        users,
    },
};
use ruma::{
    OwnedDeviceId, OwnedServerName, OwnedUserId, ServerName, UserId,
    encryption::{CrossSigningKey, DeviceKeys as Keys},
    serde::Raw,
};
use serde_json::value::RawValue;

use super::DeviceKeys;
use crate::{
    Error, Result,
    e2ee::{device_list_copies::Fetched, timeout},
    error::not_found,
    residency::settling,
};

/// Users in one query.
const QUERIED: usize = 10_000;

/// Of whom, and of which of their devices, keys are wanted; none named: all.
pub type Wanted = BTreeMap<OwnedUserId, Vec<OwnedDeviceId>>;

/// The answer to a query.
#[derive(Debug, Default)]
pub struct Found {
    /// Servers that could not be asked, with why.
    pub failures: BTreeMap<String, serde_json::Value>,
    /// Keys of devices.
    pub device_keys: BTreeMap<OwnedUserId, BTreeMap<OwnedDeviceId, Raw<Keys>>>,
    /// Master keys.
    pub master_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    /// Self-signing keys.
    pub self_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
    /// The user-signing key of who asks.
    pub user_signing_keys: BTreeMap<OwnedUserId, Raw<CrossSigningKey>>,
}

/// All devices of a local user as other servers see them.
#[derive(Debug)]
pub struct DeviceList {
    /// The version: where they last changed.
    pub stream_id: Position,
    /// The keys.
    pub found: Found,
}

impl DeviceKeys {
    /// Keys of users and some of their devices, as `reader` may see them. Other servers are asked for no longer than `wait`.
    pub async fn query(&self, reader: UserNum, wanted: Wanted, wait: Option<Duration>) -> Result<Found> {
        check(&wanted)?;
        let wanted = Arc::new(wanted);
        let mut attempt = 0;
        let mut found = loop {
            let theirs = Arc::clone(&wanted);
            let read = self.store.read(move |snapshot| async move { at_hand(&snapshot, reader, &theirs).await });
            let (found, others) = read.await?;
            if !settling::is_unsettled(self.users.localities(), &others) || !settling::settles(attempt).await {
                break found;
            }
            attempt += 1;
        };
        let mut missing: BTreeMap<OwnedServerName, Vec<OwnedUserId>> = BTreeMap::new();
        let users: Vec<&UserId> = wanted.keys().map(|user_id| &**user_id).collect();
        self.users.localities().meet(&users).await?;
        for user_id in wanted.keys() {
            if !self.users.is_local(user_id) && !found.device_keys.contains_key(user_id) {
                missing.entry(self.users.localities().peer_of(user_id)).or_default().push(user_id.clone());
            }
        }
        if !missing.is_empty() {
            let fetched = self.copies.fetch(reader, missing, timeout(wait)).await?;
            self.add_fetched(reader, &wanted, fetched, &mut found).await?;
        }
        self.unsigned.leave_out(&mut found);
        Ok(found)
    }

    /// Those users of whose devices not every one is told, if they are among `users`.
    pub(in crate::e2ee) fn looks_at(&self, user_id: &UserId) -> bool {
        self.unsigned.concern(user_id)
    }

    /// Keys of local users as another server or cell may see them. Of whom there are none, there is nobody, or nobody here: that is one answer.
    pub async fn query_from_afar(&self, origin: &ServerName, wanted: Wanted) -> Result<Found> {
        check(&wanted)?;
        let named: Vec<&UserId> = wanted.keys().map(|user_id| &**user_id).collect();
        self.users.localities().check_strangers(&self.store, origin, &named).await?;
        self.store
            .read(move |snapshot| async move {
                let ids = users::local_by_ids(&snapshot, wanted.keys().map(|user_id| user_id.as_str())).await?;
                collect(&snapshot, UserNum::NOBODY, numbered(ids)?, &wanted).await
            })
            .await
    }

    /// All devices of a local user as another server may see them.
    pub async fn list_from_afar(&self, origin: &ServerName, user_id: &UserId) -> Result<DeviceList> {
        self.users.localities().check_strangers(&self.store, origin, &[user_id]).await?;
        let id = user_id.to_owned();
        let list = self.store.read(move |snapshot| async move {
            let ids = numbered(users::local_by_ids(&snapshot, [id.as_str()]).await?)?;
            let Some(user_num) = ids.keys().next().copied() else { return Ok::<_, Error>(None) };
            let wanted = Wanted::from([(id, Vec::new())]);
            let stream_id = device_lists::last_change(&snapshot, user_num).await?;
            let found = collect(&snapshot, UserNum::NOBODY, ids, &wanted).await?;
            Ok(Some(DeviceList { stream_id, found }))
        });
        list.await?.ok_or_else(|| not_found(format!("There is no user {user_id} here.")))
    }

    /// Adds what other servers told to an answer, with the reader's own signatures.
    async fn add_fetched(&self, reader: UserNum, wanted: &Wanted, fetched: Fetched, found: &mut Found) -> Result<()> {
        let user_ids: Vec<OwnedUserId> = fetched.lists.keys().cloned().collect();
        let signatures = self.store.read(move |snapshot| async move {
            let ids = numbered(users::by_ids(&snapshot, user_ids.iter().map(|id| id.as_str())).await?)?;
            Signatures::load(&snapshot, reader, ids).await
        });
        let signatures = signatures.await?;
        let nums: BTreeMap<OwnedUserId, UserNum> =
            signatures.signers.iter().map(|(user_num, user_id)| (user_id.clone(), *user_num)).collect();
        for (user_id, list) in fetched.lists {
            // Over the keys of somebody who is not known here there are no signatures.
            let user_num = nums.get(&user_id).copied().unwrap_or(UserNum::NOBODY);
            let named = wanted.get(&user_id).map_or(&[][..], Vec::as_slice);
            let of_user = found.device_keys.entry(user_id.clone()).or_default();
            for (device_id, keys) in list.devices.into_iter().filter(|(id, _)| is_named(named, id)) {
                let keys = signatures.merge(user_num, &device_id, keys)?;
                of_user.insert(device_id.into(), Raw::from_json(keys));
            }
            for (keys, key) in
                [(&mut found.master_keys, list.master), (&mut found.self_signing_keys, list.self_signing)]
            {
                let Some(key) = key else { continue };
                let target = crate::e2ee::cross_signing::public_key(&key).unwrap_or_default();
                keys.insert(user_id.clone(), Raw::from_json(signatures.merge(user_num, &target, key)?));
            }
        }
        found.failures.extend(fetched.failures);
        Ok(())
    }
}

fn check(wanted: &Wanted) -> Result<()> {
    if wanted.len() > QUERIED {
        return Err(ErrorKind::TooLarge.with(format!("A query asks for at most {QUERIED} users.")).into());
    }
    Ok(())
}

/// Whether a device is among those that are named.
fn is_named(named: &[OwnedDeviceId], device_id: &str) -> bool {
    named.is_empty() || named.iter().any(|named| named.as_str() == device_id)
}

fn numbered(ids: Vec<(UserNum, String)>) -> Result<BTreeMap<UserNum, OwnedUserId>> {
    ids.into_iter().map(|(user_num, id)| Ok((user_num, OwnedUserId::try_from(id).map_err(Error::internal)?))).collect()
}

/// What the database can answer: of local users, and of others whose copies are good. With it, who of those that are known here is not local.
async fn at_hand(snapshot: &Snapshot, reader: UserNum, wanted: &Wanted) -> Result<(Found, BTreeSet<OwnedUserId>)> {
    let asked = || wanted.keys().map(|user_id| user_id.as_str());
    let local: BTreeSet<UserNum> =
        users::local_by_ids(snapshot, asked()).await?.into_iter().map(|(user_num, _)| user_num).collect();
    let mut ids = numbered(users::by_ids(snapshot, asked()).await?)?;
    let others: BTreeMap<UserNum, OwnedUserId> =
        ids.iter().filter(|(num, _)| !local.contains(num)).map(|(num, id)| (*num, id.clone())).collect();
    if !others.is_empty() {
        let usable = device_list_copies::usable(snapshot, reader, others.keys().copied()).await?;
        ids.retain(|user_num, _| local.contains(user_num) || usable.contains(user_num));
    }
    Ok((collect(snapshot, reader, ids, wanted).await?, others.into_values().collect()))
}

/// All public keys of a local user as another server may see them, within a read.
pub(crate) async fn keys_for_others(snapshot: &Snapshot, user_num: UserNum, user_id: &UserId) -> Result<Found> {
    let ids = BTreeMap::from([(user_num, user_id.to_owned())]);
    collect(snapshot, UserNum::NOBODY, ids, &Wanted::new()).await
}

/// The stored keys of users.
async fn collect(
    snapshot: &Snapshot,
    reader: UserNum,
    ids: BTreeMap<UserNum, OwnedUserId>,
    wanted: &Wanted,
) -> Result<Found> {
    let mut found = Found::default();
    found.device_keys.extend(ids.values().map(|user_id| (user_id.clone(), BTreeMap::new())));
    let signatures = Signatures::load(snapshot, reader, ids.clone()).await?;
    for device in device_keys::of_users(snapshot, ids.keys().copied()).await? {
        let Some(user_id) = ids.get(&device.user_num) else { continue };
        let named = wanted.get(user_id).map_or(&[][..], Vec::as_slice);
        if !is_named(named, &device.device_id) {
            continue;
        }
        let keys = signatures.merge(device.user_num, &device.device_id, device.keys)?;
        found.device_keys.entry(user_id.clone()).or_default().insert(device.device_id.into(), Raw::from_json(keys));
    }
    for key in cross_signing::of_users(snapshot, ids.keys().copied()).await? {
        let Some(user_id) = ids.get(&key.user_num) else { continue };
        let target = crate::e2ee::cross_signing::public_key(&key.key_data).unwrap_or_default();
        let json = signatures.merge(key.user_num, &target, key.key_data)?;
        match key.usage.as_str() {
            "master" => found.master_keys.insert(user_id.clone(), Raw::from_json(json)),
            "self_signing" => found.self_signing_keys.insert(user_id.clone(), Raw::from_json(json)),
            // Who verified whom is nobody else's business.
            "user_signing" if key.user_num == reader => {
                found.user_signing_keys.insert(user_id.clone(), Raw::from_json(json))
            }
            _ => None,
        };
    }
    Ok(found)
}

/// Signatures that were uploaded over keys, by the key they are over.
struct Signatures {
    by_key: BTreeMap<(UserNum, String), Vec<KeySignature>>,
    signers: BTreeMap<UserNum, OwnedUserId>,
}

impl Signatures {
    /// The signatures over the keys of `owners` that `reader` may see: the owners' own, and the reader's.
    async fn load(snapshot: &Snapshot, reader: UserNum, owners: BTreeMap<UserNum, OwnedUserId>) -> Result<Self> {
        let mut by_key: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for signature in key_signatures::visible(snapshot, reader, owners.keys().copied()).await? {
            by_key.entry((signature.target_num, signature.target_key.clone())).or_default().push(signature);
        }
        let mut signers = owners;
        if !by_key.is_empty()
            && !signers.contains_key(&reader)
            && let Some(user) = users::by_num(snapshot, reader).await?
        {
            signers.insert(reader, OwnedUserId::try_from(user.user_id).map_err(Error::internal)?);
        }
        Ok(Self { by_key, signers })
    }

    /// A key with the signatures over it.
    fn merge(&self, owner: UserNum, key: &str, json: String) -> Result<Box<RawValue>> {
        let Some(signatures) = self.by_key.get(&(owner, key.to_owned())) else {
            return RawValue::from_string(json).map_err(Error::internal);
        };
        let mut value: serde_json::Value = serde_json::from_str(&json).map_err(Error::internal)?;
        for signature in signatures {
            let Some(signer) = self.signers.get(&signature.signer_num) else { continue };
            value["signatures"][signer.as_str()][signature.signer_key.as_str()] = signature.signature.as_str().into();
        }
        serde_json::value::to_raw_value(&value).map_err(Error::internal)
    }
}
