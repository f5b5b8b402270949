//! What was noticed of other cells' people that somebody could have done who has their cell in hand: a changed master key ([`super::pinned_keys`]), a new
//! device that its owner has not signed, a join that no one invited (`events/ingest/uninvited.rs`). Each is noted once, in the batch of what it was
//! noticed in; here they are followed up, listed, and forgotten after [`KEPT_MS`].

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{
    clock::{Clock, DAY_MS, MINUTE_MS},
    ids::UserNum,
};
use domicile_store::{
    Batch, Snapshot, Store,
    table::{
        device_list_copies, device_lists,
        key_incidents::{self, KeyIncident, NewKeyIncident},
        memberships, unsigned_devices, users,
    },
};
use parking_lot::Mutex;
use ruma::{OwnedUserId, RoomId};
use serde::Serialize;

use super::pinned_keys::GRACE_MS;
use crate::{
    Error, Result,
    accounts::Users,
    events::Events,
    rooms::{Rooms, StateKeys, given_name},
};

/// How long they are kept, in milliseconds.
pub const KEPT_MS: i64 = 90 * DAY_MS;
/// Incidents of one kind with one person that are told apart. Further ones are one more.
const TOLD_APART: i64 = 100;
/// How often people are told of one kind of incident with one person, at most: once in so many milliseconds.
const APART_MS: i64 = DAY_MS;
/// People whose devices are looked at in one go.
const PEOPLE: i64 = 200;
/// Incidents of which people are told in one go.
const AT_ONCE: i64 = 50;
/// Incidents that are listed.
const LISTED: i64 = 1_000;
/// People who are told of one incident.
const AUDIENCE: usize = 5_000;

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyIncidentKind {
    /// Somebody's master key is another one.
    MasterChanged,
    /// Somebody has a new device that they have not signed.
    UnsignedDevice,
    /// Somebody came, or tried to come, into a room to which nobody had invited them.
    UninvitedJoin,
}

/// An incident as the operator sees it. Times are in milliseconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownIncident {
    /// With whom.
    pub user_id: String,
    /// What kind of thing happened.
    pub kind: String,
    /// The public key, the device or the room; empty where there were too many to note each.
    pub subject: String,
    /// The cell that was their home.
    pub home: String,
    /// When it happened first.
    pub first_ts: i64,
    /// When it happened last.
    pub last_ts: i64,
    /// How often.
    pub times: i64,
    /// When people were told last.
    pub told_ts: Option<i64>,
    /// How many notices were written.
    pub told: i64,
    /// Whether people are still to be told.
    pub is_waiting: bool,
}

/// An incident of which people are to be told now.
#[derive(Clone, Debug)]
pub struct Untold {
    /// The incident.
    pub(crate) incident: KeyIncident,
    /// What kind of thing happened.
    pub(crate) kind: KeyIncidentKind,
    /// With whom.
    pub(crate) user_id: OwnedUserId,
}

/// A room into which somebody came or tried to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entered {
    /// What people call it: its name, or its id.
    pub(crate) name: String,
    /// Whether they are in it.
    pub(crate) is_in: bool,
}

/// Keeps them.
pub struct KeyIncidents {
    store: Store,
    clock: Arc<dyn Clock>,
    users: Arc<Users>,
    rooms: Arc<Rooms>,
    keys: Arc<StateKeys>,
    events: Arc<Events>,
    counts: Mutex<BTreeMap<String, i64>>,
}

impl KeyIncidentKind {
    /// All.
    pub const ALL: [Self; 3] = [Self::MasterChanged, Self::UnsignedDevice, Self::UninvitedJoin];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::MasterChanged => "master_changed",
            Self::UnsignedDevice => "unsigned_device",
            Self::UninvitedJoin => "uninvited_join",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What an incident is noted under where there are `count` of its kind with the same person already.
pub(crate) fn subject(subject: &str, count: i64) -> &str {
    if count < TOLD_APART { subject } else { "" }
}

impl KeyIncidents {
    /// Over a store.
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        users: Arc<Users>,
        (rooms, keys, events): (Arc<Rooms>, Arc<StateKeys>, Arc<Events>),
    ) -> Self {
        Self { store, clock, users, rooms, keys, events, counts: Mutex::default() }
    }

    /// Notes those devices whose owners have had time to sign them and have not. Gives how many.
    pub async fn look(&self) -> Result<usize> {
        let now_ms = self.clock.now_ms();
        let due = self.store.read(move |snapshot| async move { due_devices(&snapshot, now_ms).await }).await?;
        let mut noted = 0;
        for of_user in due {
            let (batch, count) = self.follow_up(of_user, now_ms);
            match self.store.write(batch).await {
                Ok(_) => noted += count,
                // One of them was signed in this moment: the others are looked at again.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let counts = self.store.read(|snapshot| async move { key_incidents::counts(&snapshot).await }).await?;
        *self.counts.lock() = counts.into_iter().collect();
        Ok(noted)
    }

    /// What is written of somebody's devices that were to be signed by now, and how many incidents that are.
    fn follow_up(&self, due: DueDevices, now_ms: i64) -> (Batch, usize) {
        let DueDevices { user_num, user_id, is_stale, devices, count } = due;
        let mut batch = Batch::new();
        let home = self.users.localities().other_cell_of(&user_id);
        let (Some(home), Some(is_stale)) = (home, is_stale) else {
            unsigned_devices::remove_of(&mut batch, user_num);
            return (batch, 0);
        };
        // Their home may have told of signatures that have not come.
        if is_stale {
            unsigned_devices::postpone(&mut batch, user_num, now_ms, now_ms.saturating_add(MINUTE_MS.min(GRACE_MS)));
            return (batch, 0);
        }
        let noted = devices.len();
        for (further, (device_id, due_ts)) in (0..).zip(devices) {
            unsigned_devices::decide(&mut batch, user_num, &device_id, due_ts);
            let subject = subject(&device_id, count + further);
            let kind = KeyIncidentKind::UnsignedDevice.word();
            key_incidents::note(&mut batch, NewKeyIncident { user_num, kind, subject, home: home.as_str() }, now_ms);
        }
        (batch, noted)
    }

    /// All that are kept, the newest first; at most a thousand.
    pub async fn list(&self) -> Result<Vec<ShownIncident>> {
        let found = self.store.read(|snapshot| async move { key_incidents::newest(&snapshot, LISTED).await }).await?;
        let shown = |(incident, user_id): (KeyIncident, String)| ShownIncident {
            user_id,
            kind: incident.kind,
            subject: incident.subject,
            home: incident.home,
            first_ts: incident.first_ts,
            last_ts: incident.last_ts,
            times: incident.times,
            told_ts: incident.told_ts,
            told: incident.told,
            is_waiting: incident.due_ts.is_some(),
        };
        Ok(found.into_iter().map(shown).collect())
    }

    /// How many are kept of each kind, as of the last look.
    pub fn counts(&self) -> Vec<(&'static str, i64)> {
        let counts = self.counts.lock();
        KeyIncidentKind::ALL
            .into_iter()
            .map(|kind| (kind.word(), counts.get(kind.word()).copied().unwrap_or_default()))
            .collect()
    }

    /// Incidents of which people are to be told now. Whoever was told of something of the kind with the same person less than a day ago hears of it later.
    pub(crate) async fn untold(&self) -> Result<Vec<Untold>> {
        let now_ms = self.clock.now_ms();
        let due = self
            .store
            .read(move |snapshot| async move {
                let mut due = Vec::new();
                for (incident, user_id) in key_incidents::due(&snapshot, now_ms, AT_ONCE).await? {
                    let last = key_incidents::last_told(&snapshot, incident.user_num, &incident.kind).await?;
                    let unsigned = unsigned_devices::of_users(&snapshot, [incident.user_num]).await?;
                    let stands = incident.kind != KeyIncidentKind::UnsignedDevice.word()
                        || incident.subject.is_empty()
                        || unsigned.iter().any(|device| device.device_id == incident.subject);
                    due.push((incident, user_id, last, stands));
                }
                Ok::<_, Error>(due)
            })
            .await?;
        let (mut untold, mut batch) = (Vec::new(), Batch::new());
        for (incident, user_id, last, stands) in due {
            let again_ts = last.map(|last| last.saturating_add(APART_MS)).filter(|again_ts| *again_ts > now_ms);
            match (KeyIncidentKind::parse(&incident.kind), again_ts) {
                (Some(_), Some(again_ts)) if stands => {
                    key_incidents::postpone(&mut batch, incident.user_num, &incident.kind, again_ts);
                }
                (Some(kind), None) if stands => {
                    let user_id = OwnedUserId::try_from(user_id).map_err(Error::internal)?;
                    untold.push(Untold { incident, kind, user_id });
                }
                // It was signed meanwhile.
                _ => key_incidents::drop_due(&mut batch, &incident),
            }
        }
        if !batch.is_empty() {
            self.store.write(batch).await?;
        }
        Ok(untold)
    }

    /// The people here whom an incident concerns, in the order of their numbers: those who share a room with the person, or are in the one into which the
    /// person came.
    pub(crate) async fn audience(&self, untold: &Untold) -> Result<Vec<UserNum>> {
        let user_num = untold.incident.user_num;
        let mut people = if untold.kind == KeyIncidentKind::UninvitedJoin {
            let Ok(room_id) = <&RoomId>::try_from(untold.incident.subject.as_str()) else { return Ok(Vec::new()) };
            let Some(room_num) = self.rooms.num(room_id).await? else { return Ok(Vec::new()) };
            let most = i64::try_from(AUDIENCE).unwrap_or(i64::MAX);
            self.store
                .read(move |snapshot| async move { memberships::some_here(&snapshot, room_num, most).await })
                .await?
        } else {
            self.store.read(move |snapshot| async move { device_lists::audience(&snapshot, user_num).await }).await?
        };
        people.sort_unstable();
        if people.len() > AUDIENCE {
            tracing::warn!(
                people = people.len(),
                told = AUDIENCE,
                "an incident concerns more people than are told of one"
            );
            people.truncate(AUDIENCE);
        }
        Ok(people)
    }

    /// The room of an incident, as people here know it.
    pub(crate) async fn entered(&self, untold: &Untold) -> Result<Entered> {
        let subject = untold.incident.subject.as_str();
        let unknown = || Entered { name: subject.to_owned(), is_in: false };
        let Ok(room_id) = <&RoomId>::try_from(subject) else { return Ok(unknown()) };
        let Ok(room) = self.rooms.get(room_id).await else { return Ok(unknown()) };
        let view = room.view();
        let is_in = view.is_joined(untold.incident.user_num);
        let name = given_name(&view, &self.keys, &self.events).await?;
        Ok(Entered { name: name.unwrap_or_else(|| subject.to_owned()), is_in })
    }

    /// Notes how far the telling of some incidents has come, and how many were told of each since.
    pub(crate) async fn note_reached(&self, told: &[(&Untold, i64)], upto: UserNum) -> Result<()> {
        let mut batch = Batch::new();
        for (untold, more) in told {
            key_incidents::reach(&mut batch, &untold.incident, upto, *more);
        }
        self.store.write(batch).await?;
        Ok(())
    }

    /// Notes that everybody was told.
    pub(crate) async fn note_told(&self, untold: &[Untold]) -> Result<()> {
        let mut batch = Batch::new();
        for one in untold {
            key_incidents::set_told(&mut batch, &one.incident, self.clock.now_ms());
        }
        self.store.write(batch).await?;
        Ok(())
    }
}

/// Somebody's devices that were to be signed by now.
struct DueDevices {
    user_num: UserNum,
    user_id: OwnedUserId,
    /// Whether something is known to be missing in the copy of their devices; none if there is no copy.
    is_stale: Option<bool>,
    /// Each with its time.
    devices: Vec<(String, i64)>,
    /// Incidents with devices of theirs.
    count: i64,
}

async fn due_devices(snapshot: &Snapshot, now_ms: i64) -> Result<Vec<DueDevices>> {
    let mut all = Vec::new();
    for user_num in unsigned_devices::due(snapshot, now_ms, PEOPLE).await? {
        let Some(user) = users::by_num(snapshot, user_num).await? else { continue };
        let copies = device_list_copies::of_users(snapshot, [user_num]).await?;
        let devices = unsigned_devices::of_users(snapshot, [user_num]).await?;
        let devices = devices.into_iter().filter_map(|device| Some((device.device_id, device.due_ts?)));
        all.push(DueDevices {
            user_num,
            user_id: OwnedUserId::try_from(user.user_id).map_err(Error::internal)?,
            is_stale: copies.first().map(|copy| copy.is_stale),
            devices: devices.filter(|(_, due_ts)| *due_ts <= now_ms).collect(),
            count: key_incidents::count_of(snapshot, user_num, KeyIncidentKind::UnsignedDevice.word()).await?,
        });
    }
    Ok(all)
}
