//! What an event adds to the room's running totals of notifications, and for whom it counts differently.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, UserNum};
use domicile_room::{
    event::Pdu,
    push_rules::{Outcome, PushEvent, RoomFacts, evaluate_user, split},
};
use domicile_store::table::threads;
use ruma::push::Ruleset;

use super::{Sender, Staging};
use crate::{
    Result,
    push::{Totals, classes::RoomClasses},
};

/// Threads of a room whose totals are kept in memory.
const THREADS: usize = 64;

/// An event that counts differently for a user than for their class: the user, and the differences in notifications and highlights.
pub(super) type OwnCount = (UserNum, i64, i64);

/// What is stored with an event.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The totals after it, in stored form, if they are not empty.
    pub(super) totals: Option<Bytes>,
    /// The totals of its thread after it, in stored form.
    pub(super) thread_totals: Bytes,
    /// For whom it counts differently.
    pub(super) own: Vec<OwnCount>,
}

impl Sender {
    /// Adds an event to the totals of the copy. Rules are asked once for each class, and for the few whose own rules may speak.
    pub(super) async fn count(
        &self,
        staging: &mut Staging,
        pdu: &Pdu,
        thread_num: Option<EventNum>,
    ) -> Result<Counted> {
        let info = std::sync::Arc::clone(&staging.info);
        if pdu.membership().is_some() {
            self.push.forget(info.room_num);
        }
        let classes = self.push.of_room(info.room_num, &info.room_id).await?;
        let mut in_thread = match thread_num {
            Some(root_num) => self.thread_totals(staging, root_num).await?,
            None => Totals::default(),
        };
        // An event that cannot be asked about notifies nobody.
        let Ok(event) = PushEvent::new(pdu, &info.room_id) else {
            return Ok(Counted { thread_totals: in_thread.encode(), ..Counted::default() });
        };
        let joined = u64::try_from(staging.view.joined).unwrap_or(u64::MAX);
        let facts = RoomFacts::new(&info.room_id, joined, pdu.sender(), &staging.view.facts.power_levels);
        let outcomes: Vec<(i64, Outcome)> =
            classes.classes.iter().map(|(class_num, class)| (*class_num, class.evaluate(&event, &facts))).collect();
        for (class_num, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.notify) {
            staging.view.totals.add(*class_num, outcome.highlight, thread_num.is_some());
            in_thread.add(*class_num, outcome.highlight, true);
        }
        let own = self.own_counts(staging, &classes, &outcomes, &event, &facts).await?;
        staging.notifies |=
            own.iter().any(|(_, notify, _)| *notify > 0) || outcomes.iter().any(|(_, outcome)| outcome.notify);
        let totals = staging.view.totals.encode();
        let thread_totals = in_thread.encode();
        if let Some(root_num) = thread_num {
            if staging.view.threads.len() >= THREADS {
                staging.view.threads.clear();
            }
            staging.view.threads.insert(root_num, in_thread);
        }
        Ok(Counted { totals: (!totals.is_empty()).then_some(totals), thread_totals, own })
    }

    /// The totals of a thread before its next reply: from the copy, or once from disk.
    async fn thread_totals(&self, staging: &Staging, root_num: EventNum) -> Result<Totals> {
        if let Some(totals) = staging.view.threads.get(&root_num) {
            return Ok(totals.clone());
        }
        let newest = Position(i64::MAX);
        let read =
            self.store.read(move |snapshot| async move { threads::totals_at(&snapshot, root_num, newest).await });
        Ok(read.await?.map_or_else(Totals::default, |bytes: bytes::Bytes| Totals::decode(&bytes)))
    }

    async fn own_counts(
        &self,
        staging: &Staging,
        classes: &RoomClasses,
        outcomes: &[(i64, Outcome)],
        event: &PushEvent,
        facts: &RoomFacts,
    ) -> Result<Vec<OwnCount>> {
        let mut own = Vec::new();
        let mut judge = |user_num: UserNum, exact: &Outcome| {
            let class_num = classes.class_of(user_num);
            let class = outcomes.iter().find(|(known, _)| *known == class_num).map(|(_, outcome)| outcome);
            let (notify, highlight) = class.map_or((false, false), |class| (class.notify, class.highlight));
            let difference =
                (i64::from(exact.notify) - i64::from(notify), i64::from(exact.highlight) - i64::from(highlight));
            if difference != (0, 0) {
                own.push((user_num, difference.0, difference.1));
            }
        };
        // Whoever ignores the sender is not notified, whatever their rules say.
        let ignoring = classes.ignored_by.get(event.sender()).map(Vec::as_slice).unwrap_or_default();
        for user_num in ignoring {
            judge(*user_num, &Outcome::default());
        }
        for user_id in event.addressed() {
            if !self.users.is_local(user_id) || user_id == event.sender() {
                continue;
            }
            let Some(user_num) = self.users.num(user_id).await? else { continue };
            if !staging.view.is_joined(user_num) || classes.own.contains_key(&user_num) || ignoring.contains(&user_num)
            {
                continue;
            }
            let rules = Ruleset::server_default(user_id);
            if split(&rules, user_id, &staging.info.room_id).personal.may_match(event, "") {
                judge(user_num, &evaluate_user(&rules, user_id, "", event, facts));
            }
        }
        for (user_num, rules) in classes.own.iter().filter(|(user_num, _)| !ignoring.contains(user_num)) {
            let user_id = self.users.id(*user_num).await?;
            if user_id != event.sender() && rules.personal.may_match(event, user_id.localpart()) {
                judge(*user_num, &evaluate_user(&rules.rules, &user_id, user_id.localpart(), event, facts));
            }
        }
        Ok(own)
    }
}
