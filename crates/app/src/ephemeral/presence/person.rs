//! One person: what their devices wish, when they last did something, where they are; and what follows for others.

use std::sync::Arc;

use domicile_core::{
    clock::{DAY_MS, MINUTE_MS, SECOND_MS},
    ids::{DeviceNum, RoomNum},
};
use ruma::presence::PresenceState;
use smallvec::SmallVec;

/// How long a device counts as connected after its last `/sync` has ended.
pub(super) const GRACE_MS: i64 = 30 * SECOND_MS;
/// How long a device that says what it is, but never syncs, is believed.
pub(super) const TOLD_MS: i64 = 5 * MINUTE_MS;
/// How long another server is believed about a user of its own, if it says nothing more.
pub(super) const HEARD_MS: i64 = 30 * MINUTE_MS;
/// What stands for all devices of another server's user.
pub(super) const ELSEWHERE: DeviceNum = DeviceNum(0);
/// How long somebody who does nothing counts as online.
pub(super) const IDLE_MS: i64 = 5 * MINUTE_MS;
/// How long it is remembered that somebody has gone, and what they said of themselves.
pub(super) const FORGET_MS: i64 = DAY_MS;

/// What others see of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Online, unavailable or offline.
    pub state: PresenceState,
    /// What they say of themselves.
    pub status: Option<Arc<str>>,
    /// Milliseconds since they last did something, if that is known.
    pub last_active_ago: Option<i64>,
}

impl Shown {
    /// Whether they count as active until another change says that they do not.
    pub fn currently_active(&self) -> bool {
        self.state == PresenceState::Online
    }
}

/// A device.
pub(super) struct Device {
    pub(super) num: DeviceNum,
    pub(super) wish: PresenceState,
    /// When it wished so.
    pub(super) wished_ms: i64,
    /// `/sync`s that wait now.
    pub(super) syncing: u32,
    /// Until when it counts as connected without one.
    pub(super) until_ms: i64,
}

/// Somebody of whom anything is known.
pub(super) struct Person {
    pub(super) devices: SmallVec<[Device; 1]>,
    pub(super) status: Option<Arc<str>>,
    pub(super) active_ms: i64,
    pub(super) state: PresenceState,
    pub(super) changed: u64,
    pub(super) changed_ms: i64,
    /// Where they stand in the queue of deadlines.
    pub(super) due_ms: Option<i64>,
    /// The rooms that they are in, in order, if that is known.
    pub(super) rooms: Option<Arc<[RoomNum]>>,
    /// The number of their last coming or going.
    pub(super) moved: u64,
}

impl Person {
    pub(super) fn new(now_ms: i64, moved: u64) -> Self {
        Self {
            devices: SmallVec::new(),
            status: None,
            active_ms: now_ms,
            state: PresenceState::Offline,
            changed: 0,
            changed_ms: now_ms,
            due_ms: None,
            rooms: None,
            moved,
        }
    }

    pub(super) fn device(&mut self, device_num: DeviceNum, now_ms: i64) -> &mut Device {
        let index = self.devices.iter().position(|device| device.num == device_num).unwrap_or_else(|| {
            let wish = PresenceState::Offline;
            self.devices.push(Device { num: device_num, wish, wished_ms: now_ms, syncing: 0, until_ms: now_ms });
            self.devices.len() - 1
        });
        &mut self.devices[index]
    }

    /// The best that any of the devices is.
    pub(super) fn state_at(&self, now_ms: i64) -> PresenceState {
        let idle = now_ms - self.active_ms >= IDLE_MS;
        let mut best = PresenceState::Offline;
        for device in self.devices.iter().filter(|device| device.is_there(now_ms)) {
            match device.wish {
                // Their own server knows when they fall idle.
                PresenceState::Online if device.num == ELSEWHERE => return PresenceState::Online,
                PresenceState::Unavailable if device.num == ELSEWHERE => best = PresenceState::Unavailable,
                PresenceState::Online if !idle => return PresenceState::Online,
                // Whoever does something is there again, whatever their client thinks.
                PresenceState::Unavailable if !idle && self.active_ms > device.wished_ms => {
                    return PresenceState::Online;
                }
                PresenceState::Offline => {}
                _ => best = PresenceState::Unavailable,
            }
        }
        best
    }

    /// When time alone may change something next.
    pub(super) fn next_deadline(&self, now_ms: i64) -> Option<i64> {
        let gone = self.devices.iter().filter(|device| device.syncing == 0).map(|device| device.until_ms);
        let idle = (self.state == PresenceState::Online).then_some(self.active_ms + IDLE_MS);
        let forgotten = self.devices.is_empty().then_some(self.changed_ms + FORGET_MS);
        gone.chain(idle).chain(forgotten).filter(|due| *due > now_ms).min()
    }

    pub(super) fn shown(&self, now_ms: i64) -> Shown {
        let last_active_ago = Some((now_ms - self.active_ms).max(0));
        Shown { state: self.state.clone(), status: self.status.clone(), last_active_ago }
    }
}

impl Device {
    pub(super) fn is_there(&self, now_ms: i64) -> bool {
        self.syncing > 0 || self.until_ms > now_ms
    }
}

/// Whether two lists in order have anything in common.
pub(super) fn share(one: &[RoomNum], other: &[RoomNum]) -> bool {
    let (few, many) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let mut rest = many;
    for room in few {
        match rest.binary_search(room) {
            Ok(_) => return true,
            Err(at) => rest = &rest[at..],
        }
    }
    false
}
