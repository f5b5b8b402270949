//! Events that are known by themselves: state and what allows it, as another server tells it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domicile_core::ids::{EventNum, KeyNum, NodeNum, UserNum};
use domicile_room::{
    auth,
    event::{Judged, Pdu},
};
use domicile_store::{
    Batch, Value, event_id,
    numbers::Sequence,
    table::{
        events::{self, Status},
        graph,
    },
};
use ruma::{EventId, OwnedEventId, OwnedUserId};

use super::Ingest;
use crate::{Error, Result, events::insert_told, rooms::RoomInfo};

/// Events that are written at once, so that others' writes come in between.
const CHUNK: usize = 250;
/// Events whose senders and state keys get their numbers at once.
const INTERNED: usize = 1_000;

/// Events that are on disk now, and what is known of each.
pub(crate) type Kept = HashMap<OwnedEventId, (EventNum, Arc<Pdu>, Status)>;

/// An event that is to be written, and the events that allow it.
type Row = (EventNum, Arc<Pdu>, Status, Vec<EventNum>);

impl Ingest {
    /// Keeps verified events that are not here yet, in an order in which each comes after those that allow it. Those of which it is not known
    /// whether they are allowed, since something that was to allow them is missing, are left out. Gives all that are here, old and new.
    pub(crate) async fn keep_outliers(&self, info: &RoomInfo, pdus: Vec<Arc<Pdu>>) -> Result<Kept> {
        let mut kept = self.known(info, &pdus).await?;
        let mut new: HashMap<OwnedEventId, Arc<Pdu>> = pdus
            .into_iter()
            .filter(|pdu| !kept.contains_key(pdu.event_id()))
            .map(|pdu| (pdu.event_id().to_owned(), pdu))
            .collect();
        let order = in_order(&new);
        let first = self.store.numbers_in_a_row(Sequence::Event, order.len().max(1)).await?;
        let mut rows = Vec::with_capacity(order.len());
        for (num, id) in (first..).zip(order) {
            let Some(pdu) = new.remove(&id) else { continue };
            let auths: Vec<&(EventNum, Arc<Pdu>, Status)> =
                pdu.auth_events().iter().filter_map(|id| kept.get(id)).collect();
            if auths.len() < pdu.auth_events().len() {
                continue;
            }
            let mut nums: Vec<EventNum> = auths.iter().map(|(event_num, ..)| *event_num).collect();
            let mut allow: Vec<Judged> = auths
                .iter()
                .map(|(_, pdu, status)| Judged { pdu: Arc::clone(pdu), rejected: status.has(Status::REJECTED) })
                .collect();
            if let Some((event_num, create, _)) = create_id(info).and_then(|id| kept.get(&id).cloned())
                && create.event_id() != pdu.event_id()
            {
                nums.push(event_num);
                allow.push(Judged::accepted(create));
            }
            let allowed = auth::allowed_by_auth_events(&pdu, &info.rules, &allow);
            let status = if allowed.is_ok() { Status::OUTLIER } else { Status::OUTLIER.and(Status::REJECTED) };
            kept.insert(id, (EventNum(num), Arc::clone(&pdu), status));
            rows.push((EventNum(num), pdu, status, nums));
        }
        self.write(info, rows).await?;
        Ok(kept)
    }

    /// What is here of the events and of those that allow them. Where the room's id is that of its create event, no event names that.
    async fn known(&self, info: &RoomInfo, pdus: &[Arc<Pdu>]) -> Result<Kept> {
        let create = create_id(info);
        let mut ids: HashSet<&EventId> = create.iter().map(|id| &**id).collect();
        for pdu in pdus {
            ids.insert(pdu.event_id());
            ids.extend(pdu.auth_events().iter().map(|id| &**id));
        }
        let ids: Vec<_> = ids.into_iter().map(event_id::to_bytes).collect();
        let (room_num, events) = (info.room_num, Arc::clone(&self.events));
        self.store
            .read(move |snapshot| async move {
                let known = events::known(&snapshot, room_num, ids).await?;
                let nums: Vec<EventNum> = known.iter().map(|(_, event_num, _)| *event_num).collect();
                let mut kept = Kept::with_capacity(nums.len());
                for event in events.load(&snapshot, &nums).await? {
                    let id = event.event_id().to_owned();
                    kept.insert(id, (event.event_num, Arc::clone(&event.pdu), event.status));
                }
                Ok(kept)
            })
            .await
    }

    async fn write(&self, info: &RoomInfo, rows: Vec<Row>) -> Result<()> {
        // One is made while the one before it is written.
        let mut writing = None;
        for rows in rows.chunks(INTERNED) {
            let senders: Vec<OwnedUserId> = rows.iter().map(|(_, pdu, ..)| pdu.sender().to_owned()).collect();
            let senders = self.users.nums_or_new(&senders).await?;
            let pairs: Vec<(String, String)> = rows
                .iter()
                .filter_map(|(_, pdu, ..)| Some((pdu.kind().to_string(), pdu.state_key()?.to_owned())))
                .collect();
            self.keys.intern_many(&pairs).await?;
            for (rows, senders) in rows.chunks(CHUNK).zip(senders.chunks(CHUNK)) {
                let batch = self.batch(info, rows, senders).await?;
                let store = self.store.clone();
                if let Some(before) = writing.replace(tokio::spawn(async move { store.write(batch).await })) {
                    before.await.map_err(Error::internal)??;
                }
            }
        }
        if let Some(last) = writing {
            last.await.map_err(Error::internal)??;
        }
        Ok(())
    }

    async fn batch(&self, info: &RoomInfo, rows: &[Row], senders: &[Option<UserNum>]) -> Result<Batch> {
        let mut batch = Batch::new();
        batch.low_priority();
        for ((event_num, pdu, status, auths), sender_num) in rows.iter().zip(senders) {
            let key_num: Option<KeyNum> = match pdu.state_key() {
                Some(state_key) => Some(self.keys.intern(&pdu.kind().to_string(), state_key).await?),
                None => None,
            };
            let row = events::Event {
                event_num: *event_num,
                room_num: info.room_num,
                position: None,
                event_id: event_id::to_bytes(pdu.event_id()),
                sender_num: sender_num.unwrap_or(UserNum::NOBODY),
                origin_server_ts: i64::from(pdu.origin_server_ts().0),
                state_before: NodeNum(0),
                graph_state: None,
                status: *status,
                key_num,
                thread_num: None,
                redacted_by: None,
                totals: None,
                json: pdu.json().clone(),
            };
            insert_told(&mut batch, &row, Value::Null, pdu);
            if key_num.is_some() {
                graph::add_auth_edges(&mut batch, info.room_num, *event_num, auths);
            }
        }
        Ok(batch)
    }

    /// A state of events that were kept: its root, which is on disk.
    pub(crate) async fn state_told(&self, state: &[(EventNum, Arc<Pdu>)]) -> Result<NodeNum> {
        let mut keyed = Vec::with_capacity(state.len());
        for (event_num, pdu) in state {
            let Some(state_key) = pdu.state_key() else { continue };
            keyed.push((self.keys.intern(&pdu.kind().to_string(), state_key).await?, *event_num));
        }
        self.state_of(&keyed).await
    }

    /// The same by the keys and numbers of events that are here.
    pub(crate) async fn state_of(&self, state: &[(KeyNum, EventNum)]) -> Result<NodeNum> {
        let changes: Vec<_> = state.iter().map(|(key_num, event_num)| (*key_num, Some(*event_num))).collect();
        let mut batch = Batch::new();
        batch.low_priority();
        let root = self.trees.change(&mut batch, NodeNum(0), &changes).await?;
        self.store.write(batch).await?;
        Ok(root)
    }
}

/// Those of the events that are `from`, or that these lead to.
pub(super) fn reached<'e>(
    events: &'e HashMap<OwnedEventId, Arc<Pdu>>,
    from: impl IntoIterator<Item = &'e OwnedEventId>,
) -> HashSet<OwnedEventId> {
    let mut open: Vec<&OwnedEventId> = from.into_iter().collect();
    let mut reached = HashSet::new();
    while let Some(id) = open.pop() {
        let Some(pdu) = events.get(id) else { continue };
        if reached.insert(id.clone()) {
            open.extend(pdu.prev_events());
        }
    }
    reached
}

/// The id of the create event of a room whose id is that event's.
fn create_id(info: &RoomInfo) -> Option<OwnedEventId> {
    let names_room = info.rules.authorization.room_create_event_id_as_room_id;
    names_room.then(|| OwnedEventId::try_from(info.room_id.as_str().replacen('!', "$", 1)).ok()).flatten()
}

/// The events so that each comes after those of them that allow it. Events that go round in a circle are left out. The walk takes no stack.
pub(crate) fn in_order(pdus: &HashMap<OwnedEventId, Arc<Pdu>>) -> Vec<OwnedEventId> {
    sorted(pdus, |pdu| pdu.auth_events())
}

/// The events so that each comes after those that `before` gives of it.
pub(crate) fn sorted(
    pdus: &HashMap<OwnedEventId, Arc<Pdu>>,
    before: impl Fn(&Pdu) -> &[OwnedEventId],
) -> Vec<OwnedEventId> {
    let mut waits: HashMap<&EventId, usize> = HashMap::with_capacity(pdus.len());
    let mut after: HashMap<&EventId, Vec<&EventId>> = HashMap::new();
    for (id, pdu) in pdus {
        let named: HashSet<&EventId> =
            before(pdu).iter().map(|named| &**named).filter(|named| pdus.contains_key(*named)).collect();
        waits.insert(id, named.len());
        for named in named {
            after.entry(named).or_default().push(id);
        }
    }
    let mut ready: Vec<&EventId> = waits.iter().filter(|(_, count)| **count == 0).map(|(id, _)| *id).collect();
    // The older ones first, so that the order does not depend on chance.
    ready.sort_by_key(|id| std::cmp::Reverse(pdus.get(*id).map(|pdu| (pdu.depth(), pdu.event_id()))));
    let mut order = Vec::with_capacity(pdus.len());
    while let Some(id) = ready.pop() {
        order.push(id.to_owned());
        for next in after.remove(id).unwrap_or_default() {
            if let Some(count) = waits.get_mut(next) {
                *count -= 1;
                if *count == 0 {
                    ready.push(next);
                }
            }
        }
    }
    order
}
