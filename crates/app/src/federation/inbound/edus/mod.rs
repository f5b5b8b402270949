//! What other servers tell beside events: one file a kind (server-server, *EDUs* and the sections of the kinds).
//!
//! A server speaks of its own users only. What is not so, or cannot be read, is passed over; there is nobody who could be told. Everything of
//! one transaction that is to last is written in one batch before the transaction is acknowledged. Typing and presence are kept in memory, as
//! those of local users are.

mod device_lists;
mod direct_to_device;
mod presence;
mod receipt;
mod speakers;
mod typing;

use std::{collections::BTreeSet, sync::Arc};

use domicile_core::{clock::Clock, ids::UserNum, limits};
use domicile_store::{Batch, Store};
use ruma::{RoomId, ServerName, UserId, api::federation::transactions::edu::Edu, serde::Raw};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Error, Result,
    accounts::Users,
    e2ee::{DeviceListCopies, DeviceLists},
    ephemeral::{PresenceNotices, TypingNotices, WaitingReceipts},
    events::{Events, Ingest, wake::Wakers},
    residency::Localities,
    rooms::{Room, Rooms},
};

/// EDUs of one transaction (server-server, *Transactions*).
const EDUS: usize = 100;
/// Largest EDU in bytes.
const EDU_BYTES: usize = 1024 * 1024;
/// Times that a write is decided again after somebody else wrote first.
const ATTEMPTS: usize = 20;

/// What the receiving of EDUs is made of.
pub struct EdusParts {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The directory of users.
    pub users: Arc<Users>,
    /// The rooms.
    pub rooms: Arc<Rooms>,
    /// Their events.
    pub events: Arc<Events>,
    /// Who types.
    pub typing: Arc<TypingNotices>,
    /// Who is online.
    pub presence: Arc<PresenceNotices>,
    /// Device lists.
    pub lists: Arc<DeviceLists>,
    /// Copies of other people's devices.
    pub copies: Arc<DeviceListCopies>,
    /// Who waits.
    pub wakers: Arc<Wakers>,
    /// Receipts that come before their events.
    pub waiting_receipts: Arc<WaitingReceipts>,
}

/// Receives EDUs.
pub struct Edus(EdusParts);

/// Who tells.
#[derive(Clone, Copy)]
struct Origin<'o> {
    name: &'o ServerName,
    localities: &'o Localities,
}

/// What every EDU has.
#[derive(Deserialize)]
struct Envelope<'a> {
    edu_type: String,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// What refers to events, and so comes after those of the same transaction.
#[derive(Default)]
#[must_use = "what refers to events is told to `Edus::after_events`"]
pub struct AfterEvents {
    receipts: Vec<receipt::Receipt>,
}

/// What is to last, read but not yet decided.
#[derive(Default)]
struct Lasting {
    after: AfterEvents,
    messages: Vec<direct_to_device::Message>,
    lists: device_lists::Words,
}

/// What is written for one transaction, and what follows once it is on disk.
#[derive(Default)]
struct Plan {
    batch: Batch,
    /// Who has something in an inbox.
    inboxes: BTreeSet<UserNum>,
    /// Where receipts changed.
    rooms: Vec<Arc<Room>>,
    /// Where receipts wait for their events.
    waiting: Vec<Arc<Room>>,
    /// Whose devices changed.
    changed: BTreeSet<UserNum>,
    /// Whether a copy of devices is stale now.
    stale: bool,
}

impl Edus {
    /// Over the parts.
    pub fn new(parts: EdusParts) -> Self {
        Self(parts)
    }

    /// Takes the EDUs of a transaction of `origin` that has no events, in their order. What is to last is on disk when this returns.
    pub async fn receive(&self, origin: &ServerName, edus: Vec<Raw<Edu>>) -> Result<()> {
        let after = self.before_events(origin, edus).await?;
        self.after_events(origin, after).await
    }

    /// Takes those EDUs of a transaction that come before its events, such as what decrypts them, and gives what comes after them.
    pub async fn before_events(&self, origin: &ServerName, edus: Vec<Raw<Edu>>) -> Result<AfterEvents> {
        let origin = Origin { name: origin, localities: self.0.users.localities() };
        let mut lasting = Lasting::default();
        for edu in edus.iter().take(EDUS) {
            let json = edu.json().get();
            if json.len() > EDU_BYTES {
                continue;
            }
            let Ok(Envelope { edu_type, content }) = serde_json::from_str::<Envelope<'_>>(json) else { continue };
            match edu_type.as_str() {
                "m.typing" => self.typing(origin, content).await?,
                "m.presence" => self.presence(origin, content).await?,
                "m.receipt" => receipt::read(origin, content, &mut lasting.after.receipts),
                "m.direct_to_device" => lasting.messages.extend(direct_to_device::read(content)),
                "m.device_list_update" => lasting.lists.read_device(origin, content),
                "m.signing_key_update" => lasting.lists.read_keys(origin, content),
                _ => {}
            }
        }
        let Lasting { after, mut messages, lists } = lasting;
        let vouched =
            speakers::hear_of(origin, messages.iter().map(|message| message.sender.clone()).collect()).await?;
        messages.retain(|message| is_of(origin, &message.sender) || vouched.contains(&message.sender));
        for _ in 0..ATTEMPTS {
            let mut plan = Plan::default();
            self.messages(origin, &messages, &mut plan).await?;
            self.device_lists(&lists, &mut plan).await?;
            if self.write(plan).await? {
                return Ok(after);
            }
        }
        Err(changed_each_time())
    }

    /// Takes what [`Self::before_events`] gave, when the events of the transaction are here.
    pub async fn after_events(&self, origin: &ServerName, after: AfterEvents) -> Result<()> {
        let origin = Origin { name: origin, localities: self.0.users.localities() };
        for _ in 0..ATTEMPTS {
            let mut plan = Plan::default();
            self.receipts(origin, &after.receipts, &mut plan).await?;
            if self.write(plan).await? {
                return Ok(());
            }
        }
        Err(changed_each_time())
    }

    /// Writes a plan. False if it has to be made again: the origin sent something twice at once, or a copy of devices was fetched meanwhile.
    async fn write(&self, mut plan: Plan) -> Result<bool> {
        if plan.batch.is_empty() {
            return Ok(true);
        }
        match self.0.store.write(std::mem::take(&mut plan.batch)).await {
            Err(error) if error.is_conflict() => Ok(false),
            Err(error) => Err(error.into()),
            Ok(_) => {
                let waiting = std::mem::take(&mut plan.waiting);
                self.follow(plan);
                for room in waiting {
                    self.0.waiting_receipts.settle(&room).await?;
                }
                Ok(true)
            }
        }
    }

    /// Wakes those who are concerned by what is on disk.
    fn follow(&self, plan: Plan) {
        let Edus(parts) = self;
        for user_num in plan.inboxes {
            parts.wakers.wake(user_num);
        }
        for room in plan.rooms {
            let view = room.view();
            parts.wakers.wake_members(
                view.joined,
                |visit| view.joined_members().for_each(visit),
                |user_num| view.is_joined(user_num),
            );
        }
        for user_num in plan.changed {
            parts.lists.announce(user_num);
        }
        if plan.stale {
            parts.copies.ring();
        }
    }

    /// A room of which there is a copy here, and a member of it, of whom their server may say something there.
    async fn member(
        &self,
        origin: Origin<'_>,
        room_id: &RoomId,
        user_id: &UserId,
    ) -> Result<Option<(Arc<Room>, UserNum)>> {
        let Some(room_num) = self.0.rooms.num(room_id).await? else { return Ok(None) };
        let Some(user_num) = self.0.users.num(user_id).await? else { return Ok(None) };
        let room = self.0.rooms.by_num(room_num).await?;
        let view = room.view();
        let lets = Ingest::is_let_in(&view, origin.name);
        let may = view.may_be_joined(user_num) && lets;
        Ok(may.then_some((room, user_num)))
    }
}

fn changed_each_time() -> Error {
    Error::internal("what another server told was changed by others each time it was written")
}

/// Whether whoever tells may speak of a user: it is their server or their home, and the id is one that can be looked up.
fn is_of(origin: Origin<'_>, user_id: &UserId) -> bool {
    origin.localities.speaks_for(origin.name, user_id) && is_plain(user_id.as_str())
}

/// Whether an id can stand in a table.
fn is_plain(id: &str) -> bool {
    id.len() <= limits::ID_BYTES && !id.chars().any(char::is_control)
}
