//! Events that others made, once they are checked: on the copy, like one's own, or aside.

use std::sync::Arc;

use domicile_core::ids::{EventNum, KeyNum, NodeNum};
use domicile_room::event::Pdu;
use domicile_store::{numbers::Sequence, table::events::Status};
use ruma::UserId;

use super::{
    Aside, Sender, Staging,
    follow::{Changes, remove_fact},
    persist::Placed,
};
use crate::{
    Error, Result,
    rooms::{Member, Membership},
};

/// An event of another server that is part of the room.
pub struct Accepted {
    /// The event.
    pub pdu: Arc<Pdu>,
    /// Its number, if it is known as an outlier.
    pub known: Option<EventNum>,
    /// The state before it by the events that it names.
    pub graph_state: NodeNum,
    /// The events that allow it.
    pub auths: Vec<EventNum>,
    /// The room's state with it, where others than the event itself change; none where the event is simply added to the room's state.
    pub resolved: Option<Resolved>,
    /// Whether other servers hear of it from here: it came to this server alone.
    pub tell: bool,
}

/// A room's state as resolution gives it.
pub struct Resolved {
    /// Its root. The event itself is in it by the number that [`Sender::new_event_num`] gave.
    pub root: NodeNum,
    /// The number of the event.
    pub event_num: EventNum,
    /// What differs from the room's state before.
    pub changes: Vec<(KeyNum, Option<EventNum>)>,
}

/// An event of another server that is not part of the room, and is remembered as such.
pub struct Refused {
    /// The event.
    pub pdu: Arc<Pdu>,
    /// Its number, if it is known as an outlier.
    pub known: Option<EventNum>,
    /// The state before it by the events that it names.
    pub graph_state: NodeNum,
    /// The events that were to allow it.
    pub auths: Vec<EventNum>,
    /// How it stands.
    pub status: Status,
}

impl Sender {
    /// A number for an event.
    pub async fn new_event_num(&self) -> Result<EventNum> {
        Ok(self.store.number(Sequence::Event).await?)
    }

    /// Puts an event of another server on the copy. Gives its number.
    pub async fn accept(&self, staging: &mut Staging, accepted: Accepted) -> Result<EventNum> {
        let Accepted { pdu, known, graph_state, auths, resolved, tell } = accepted;
        let state_before = staging.view.state_root;
        let had_destinations = !staging.view.destinations.is_empty();
        let event_num = match (&resolved, known) {
            (Some(resolved), _) => resolved.event_num,
            (None, Some(event_num)) => event_num,
            (None, None) => self.new_event_num().await?,
        };
        let mut changes = Changes::default();
        let key_num = match pdu.state_key() {
            Some(state_key) => Some(self.keys.intern(&pdu.kind().to_string(), state_key).await?),
            None => None,
        };
        match resolved {
            Some(resolved) => self.put_resolved(staging, &mut changes, &pdu, resolved).await?,
            None => {
                if let (Some(key_num), Some(state_key)) = (key_num, pdu.state_key()) {
                    let root = self.trees.insert(&mut staging.batch, state_before, key_num, event_num).await?;
                    staging.view.state_root = root;
                    staging.view.state.insert(key_num, event_num);
                    self.follow(staging, &mut changes, event_num, &pdu, state_key).await?;
                }
            }
        }
        let tell = tell && (had_destinations || changes.concern_others());
        let graph_state = (graph_state != state_before).then_some(graph_state);
        let place = Placed { event_num, state_before, graph_state, key_num, auths, tell, known: known.is_some() };
        self.add(staging, pdu, place, changes).await?;
        Ok(event_num)
    }

    /// The room's state as resolution gives it.
    async fn put_resolved(
        &self,
        staging: &mut Staging,
        changes: &mut Changes,
        pdu: &Arc<Pdu>,
        resolved: Resolved,
    ) -> Result<()> {
        staging.view.state_root = resolved.root;
        for (key_num, event_num) in resolved.changes {
            let before = match event_num {
                Some(event_num) => staging.view.state.insert(key_num, event_num),
                None => staging.view.state.remove(&key_num),
            };
            let event = match event_num {
                Some(event_num) if event_num == resolved.event_num => Arc::clone(pdu),
                Some(event_num) => self.event_on(staging, event_num).await?,
                None => {
                    let Some(before) = before else { continue };
                    let gone = self.event_on(staging, before).await?;
                    self.take_away(staging, changes, &gone, before).await?;
                    continue;
                }
            };
            let (Some(event_num), Some(state_key)) = (event_num, event.state_key()) else { continue };
            if state_key.is_empty() {
                staging.resolved.push(event.kind().to_string());
            }
            self.follow(staging, changes, event_num, &event, state_key).await?;
        }
        Ok(())
    }

    /// A pair that the state has no more: who had a membership by it has left.
    async fn take_away(
        &self,
        staging: &mut Staging,
        changes: &mut Changes,
        gone: &Pdu,
        event_num: EventNum,
    ) -> Result<()> {
        let state_key = gone.state_key().unwrap_or_default();
        if state_key.is_empty() {
            staging.resolved.push(gone.kind().to_string());
            remove_fact(staging, gone.kind());
        }
        if gone.membership().is_some()
            && let Ok(user_id) = <&UserId>::try_from(state_key)
        {
            let member = Member { membership: Membership::Leave, event_num };
            self.set_member(staging, changes, user_id, member).await?;
        }
        Ok(())
    }

    /// Keeps an event that is not part of the room. Gives its number.
    pub async fn refuse(&self, staging: &mut Staging, refused: Refused) -> Result<EventNum> {
        let Refused { pdu, known, graph_state, auths, status } = refused;
        let event_num = match known {
            Some(event_num) => event_num,
            None => self.new_event_num().await?,
        };
        let key_num = match pdu.state_key() {
            Some(state_key) => Some(self.keys.intern(&pdu.kind().to_string(), state_key).await?),
            None => None,
        };
        let sender_num = self.sender_num(&pdu).await?;
        let known = known.is_some();
        staging.aside.push(Aside { event_num, pdu, sender_num, graph_state, key_num, auths, status, known });
        Ok(event_num)
    }

    /// An event of the copy or one that is on disk.
    pub(crate) async fn event_on(&self, staging: &Staging, event_num: EventNum) -> Result<Arc<Pdu>> {
        match staging.pdu(event_num) {
            Some(pdu) => Ok(pdu),
            None => self.events.get(event_num).await.map(|event| Arc::clone(&event.pdu)).map_err(Error::internal),
        }
    }
}
