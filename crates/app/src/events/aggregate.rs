//! Bundled aggregations: what is told about an event's children together with it (client-server, *Aggregations of child events*).
//!
//! A page of events costs one look at an index for all of its events together, and nothing in a room where nothing points at anything. Only for
//! those that have children one more statement is needed, and another for the newest replies of threads. Whoever is up to date (a `/sync`
//! without a gap) is told of no children, so what is new costs nothing.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, UserNum};
use domicile_store::{
    Snapshot, event_id,
    table::{
        relations::{self, Aggregate},
        threads,
    },
};
use ruma::OwnedEventId;

use super::{Presenter, Stored};
use crate::{
    Result,
    account_data::ignored::ignored,
    rooms::visibility::{Eyes, Sight},
};

/// References that are told about one event.
const REFERENCES: usize = 100;
/// Rows that are read for a whole page before each event is asked for by itself.
const ROWS: i64 = 1_000;

/// What is told about the children of one event.
#[derive(Debug, Default)]
pub struct Bundle {
    /// Events that refer to it.
    pub references: Vec<OwnedEventId>,
    /// Its newest valid edit.
    pub edit: Option<Arc<Stored>>,
    /// The thread that begins with it.
    pub thread: Option<ThreadSummary>,
}

/// A thread, as it is told with its root.
#[derive(Debug)]
pub struct ThreadSummary {
    /// The newest reply.
    pub latest: Arc<Stored>,
    /// How many replies there are.
    pub replies: i64,
    /// Whether the reader wrote the root or one of the replies.
    pub participated: bool,
}

/// The bundles of a page.
#[derive(Debug, Default)]
pub struct Bundles {
    of: HashMap<EventNum, Bundle>,
}

impl Bundles {
    /// What is told about an event's children.
    pub fn of(&self, event_num: EventNum) -> Option<&Bundle> {
        self.of.get(&event_num)
    }
}

/// Who looks at a page, and what of it they may not see.
struct Looker<'a> {
    sight: Sight<'a>,
    snapshot: &'a Snapshot,
    eyes: &'a mut Eyes,
    ignored: Vec<UserNum>,
}

impl Presenter {
    /// The bundles of some events of one room.
    pub async fn bundles(&self, snapshot: &Snapshot, eyes: &mut Eyes, events: &[Arc<Stored>]) -> Result<Bundles> {
        let mut bundles = Bundles::default();
        let found = raw(snapshot, eyes, events).await?;
        if found.is_empty() {
            return Ok(bundles);
        }
        let ignored = ignored(snapshot, eyes.user_num()).await?;
        let mut looker = Looker { sight: self.sight(), snapshot, eyes, ignored };
        looker.fill(&mut bundles, events, found).await?;
        let mut latest: Vec<_> = bundles
            .of
            .values()
            .filter_map(|bundle| bundle.thread.as_ref())
            .map(|thread| Arc::clone(&thread.latest))
            .collect();
        latest.retain(|event| bundles.of(event.event_num).is_none());
        if !latest.is_empty() {
            // A reply is no root, so this is as deep as it gets.
            let found = raw(snapshot, looker.eyes, &latest).await?;
            looker.fill(&mut bundles, &latest, found).await?;
        }
        Ok(bundles)
    }
}

/// What the database has about the children of events. Most pages have none, which one look at an index tells.
async fn raw(snapshot: &Snapshot, eyes: &Eyes, events: &[Arc<Stored>]) -> Result<Vec<(EventNum, Aggregate)>> {
    let by_id: HashMap<Bytes, &Arc<Stored>> = events
        .iter()
        .filter(|event| !event.pdu.is_state())
        .map(|event| (event_id::to_bytes(event.event_id()), event))
        .collect();
    let Some(room_num) = by_id.values().next().map(|event| event.room.room_num) else { return Ok(Vec::new()) };
    let parents = relations::parents(snapshot, room_num, by_id.keys().cloned()).await?;
    let parents: Vec<EventNum> = parents.iter().filter_map(|id| by_id.get(id)).map(|event| event.event_num).collect();
    if parents.is_empty() {
        return Ok(Vec::new());
    }
    let reader = (eyes.user_num(), eyes.until());
    let mut found = relations::aggregates(snapshot, parents.iter().copied(), reader, ROWS).await?;
    // One event with a great many children does not hide those of the others.
    if i64::try_from(found.len()).unwrap_or(ROWS) >= ROWS {
        found.clear();
        for parent in parents {
            found.extend(relations::aggregates(snapshot, [parent], reader, ROWS).await?);
        }
    }
    Ok(found)
}

impl Looker<'_> {
    async fn sees(&mut self, event: &Stored) -> Result<bool> {
        Ok(!self.ignored.contains(&event.sender_num) && self.eyes.sees(&self.sight, self.snapshot, event).await?)
    }

    async fn fill(
        &mut self,
        bundles: &mut Bundles,
        events: &[Arc<Stored>],
        found: Vec<(EventNum, Aggregate)>,
    ) -> Result<()> {
        let parents: HashMap<EventNum, &Arc<Stored>> = events.iter().map(|event| (event.event_num, event)).collect();
        let wanted: HashSet<EventNum> = found.iter().map(|(_, aggregate)| child(aggregate)).collect();
        let mut wanted: Vec<EventNum> = wanted.into_iter().collect();
        wanted.sort_unstable();
        let children = self.sight.events.load(self.snapshot, &wanted).await?;
        let children: HashMap<EventNum, Arc<Stored>> =
            children.into_iter().map(|event| (event.event_num, event)).collect();
        let mut found = found;
        found.sort_unstable_by_key(|(_, aggregate)| child(aggregate));
        for (parent_num, aggregate) in found {
            let (Some(parent), Some(child)) = (parents.get(&parent_num), children.get(&child(&aggregate))) else {
                continue;
            };
            match aggregate {
                Aggregate::Reference(_) => {
                    if self.sees(child).await? {
                        let references = &mut bundles.of.entry(parent_num).or_default().references;
                        if references.len() < REFERENCES {
                            references.push(child.event_id().to_owned());
                        }
                    }
                }
                Aggregate::Edit(_) => {
                    // What a redacted message once became is not told.
                    if parent.redacted_by.is_none() && self.sees(child).await? {
                        let edit = &mut bundles.of.entry(parent_num).or_default().edit;
                        if edit.as_ref().is_none_or(|known| known.event_id() < child.event_id()) {
                            *edit = Some(Arc::clone(child));
                        }
                    }
                }
                Aggregate::Thread { replies, participated, .. } => {
                    let participated = participated || parent.sender_num == self.eyes.user_num();
                    if let Some((replies, latest)) = self.thread(parent_num, replies, child).await? {
                        let thread = ThreadSummary { latest, replies, participated };
                        bundles.of.entry(parent_num).or_default().thread = Some(thread);
                    }
                }
            }
        }
        Ok(())
    }

    /// A thread without what its reader does not see: how many replies, and the newest of them.
    async fn thread(
        &mut self,
        root_num: EventNum,
        replies: i64,
        latest: &Arc<Stored>,
    ) -> Result<Option<(i64, Arc<Stored>)>> {
        let until = self.eyes.until();
        if self.ignored.is_empty() && until == Position(i64::MAX) {
            let seen = self.sees(latest).await?;
            return Ok(seen.then(|| (replies, Arc::clone(latest))));
        }
        let found = threads::without(self.snapshot, root_num, until, &self.ignored).await?;
        let Some((replies, latest)) = found else { return Ok(None) };
        match self.sight.events.load(self.snapshot, &[latest]).await?.into_iter().next() {
            Some(latest) if self.sees(&latest).await? => Ok(Some((replies, latest))),
            _ => Ok(None),
        }
    }
}

/// The event that an aggregate tells of.
fn child(aggregate: &Aggregate) -> EventNum {
    match aggregate {
        Aggregate::Reference(num) | Aggregate::Edit(num) | Aggregate::Thread { latest: num, .. } => *num,
    }
}
