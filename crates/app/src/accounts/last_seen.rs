//! When and from where a device was last used: by the day, without a write for each request.
//!
//! A request compares one number. What is new (the first use on a day, or from another address) waits in memory and is written about once a
//! minute, so a device that hops between addresses costs one write a minute at most. Addresses go after a week.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    sync::atomic::{AtomicBool, Ordering},
};

use domicile_core::{
    clock::DAY_MS,
    ids::{DeviceNum, UserNum},
};
use domicile_store::{Batch, table::devices};
use parking_lot::Mutex;
use ruma::OwnedDeviceId;

use super::{Devices, Session, devices::ADDRESS_DAYS};
use crate::Result;

/// Uses that wait in memory. More are forgotten: the device is seen again soon.
const WAITING: usize = 100_000;
/// Devices that are looked at in one read.
const PAGE: i64 = 500;

/// One use.
struct Use {
    user_num: UserNum,
    device_id: OwnedDeviceId,
    day: i64,
    address: Option<IpAddr>,
}

/// Uses that are not written yet.
#[derive(Default)]
pub(super) struct Uses(Mutex<HashMap<DeviceNum, Use>>);

impl Devices {
    /// Notes a use of a session. Cheap: nearly always it is a comparison of numbers.
    pub fn note_use(&self, session: &Session, address: Option<IpAddr>) {
        let day = self.clock.now_ms().div_euclid(DAY_MS);
        let mut hasher = DefaultHasher::new();
        (day, address).hash(&mut hasher);
        if !session.is_first(hasher.finish()) {
            return;
        }
        let mut uses = self.uses.0.lock();
        if uses.len() < WAITING {
            let (user_num, device_id) = (session.user_num, session.device_id.clone());
            uses.insert(session.device_num, Use { user_num, device_id, day, address });
        }
    }

    /// Writes the uses that wait: of one user, or all. Gives how many there were.
    pub async fn write_uses(&self, of: Option<UserNum>) -> Result<usize> {
        let waiting: Vec<Use> = {
            let mut uses = self.uses.0.lock();
            match of {
                None => std::mem::take(&mut *uses).into_values().collect(),
                Some(user_num) if uses.values().any(|noted| noted.user_num == user_num) => {
                    uses.extract_if(|_, noted| noted.user_num == user_num).map(|(_, noted)| noted).collect()
                }
                Some(_) => return Ok(0),
            }
        };
        for noted in &waiting {
            let mut batch = Batch::new();
            batch.low_priority();
            let seen = |details: &mut super::devices::Details| {
                let is_new = details.day != Some(noted.day) || details.address != noted.address;
                (details.day, details.address) = (Some(noted.day), noted.address);
                is_new
            };
            self.change(noted.user_num, &noted.device_id, batch, seen).await?;
        }
        Ok(waiting.len())
    }

    /// Removes the addresses that have been kept long enough. Gives how many there were.
    pub async fn forget_addresses(&self) -> Result<usize> {
        let today = self.clock.now_ms().div_euclid(DAY_MS);
        let forgotten = |details: &mut super::devices::Details| {
            let old = details.day.is_none_or(|day| day <= today - ADDRESS_DAYS);
            old && details.address.take().is_some()
        };
        let (mut after, mut count) = (DeviceNum(0), 0);
        loop {
            let rows =
                self.store.read(move |snapshot| async move { devices::page(&snapshot, after, PAGE).await }).await?;
            let Some(last) = rows.last() else { return Ok(count) };
            after = last.device_num;
            for row in &rows {
                let mut batch = Batch::new();
                batch.low_priority();
                let found = AtomicBool::new(false);
                let decide = |details: &mut super::devices::Details| {
                    let old = forgotten(details);
                    found.store(old, Ordering::Relaxed);
                    old
                };
                // Who is used at this moment has an address of today.
                if self.change_row(row, batch, decide).await? && found.load(Ordering::Relaxed) {
                    count += 1;
                }
            }
        }
    }
}
