//! What an event adds to the room's running totals of notifications, and for whom it counts differently.

use bytes::Bytes;
use domicile_core::ids::{EventNum, Position, UserNum};
use domicile_room::{
    event::Pdu,
    push_rules::{Outcome, Outcomes, PushEvent, RoomFacts, evaluate_user, split},
};
use domicile_store::table::threads;
use ruma::{UserId, push::Ruleset};

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
        let classes = self.push.of_room(info.room_num, &info.room_id).await?;
        let mut in_thread = match thread_num {
            Some(root_num) => self.thread_totals(staging, root_num).await?,
            None => Totals::default(),
        };
        // An event that cannot be asked about notifies nobody.
        let judged = if pdu.is_dummy() { None } else { self.judge(staging, &classes, pdu).await? };
        let Some((outcomes, own)) = judged else {
            // What was unread before it still is.
            let totals = staging.view.totals.encode();
            let totals = (!totals.is_empty()).then_some(totals);
            return Ok(Counted { totals, thread_totals: in_thread.encode(), ..Counted::default() });
        };
        for (class_num, outcome) in outcomes.iter().filter(|(_, outcome)| outcome.notify) {
            staging.view.totals.add(*class_num, outcome.highlight, thread_num.is_some());
            in_thread.add(*class_num, outcome.highlight, true);
        }
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

    /// What each class says about an event, and whose own rules say something else; none for an event that cannot be asked about.
    async fn judge(
        &self,
        staging: &Staging,
        classes: &RoomClasses,
        pdu: &Pdu,
    ) -> Result<Option<(Outcomes, Vec<OwnCount>)>> {
        let joined = u64::try_from(staging.view.joined_at_least()).unwrap_or(u64::MAX);
        let quiet = classes.is_quiet(pdu);
        if quiet && let Some(outcomes) = classes.remembered(pdu, joined) {
            let own = ignoring(classes, &outcomes, pdu.sender());
            return Ok(Some((outcomes, own)));
        }
        let info = &staging.info;
        let Ok(event) = PushEvent::new(pdu, &info.room_id) else { return Ok(None) };
        let facts = RoomFacts::new(&info.room_id, joined, pdu.sender(), &staging.view.facts.power_levels);
        let outcomes: Outcomes =
            classes.classes.iter().map(|(class_num, class)| (*class_num, class.evaluate(&event, &facts))).collect();
        if quiet {
            classes.remember(pdu, joined, &outcomes);
        }
        let own = self.own_counts(staging, classes, &outcomes, &event, &facts).await?;
        Ok(Some((outcomes, own)))
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
        let mut own = ignoring(classes, outcomes, event.sender());
        let ignoring = classes.ignored_by.get(event.sender()).map(Vec::as_slice).unwrap_or_default();
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
                own.extend(difference(classes, outcomes, user_num, &evaluate_user(&rules, user_id, "", event, facts)));
            }
        }
        for (user_num, rules) in classes.own.iter().filter(|(user_num, _)| !ignoring.contains(user_num)) {
            let user_id = self.users.id(*user_num).await?;
            if user_id != event.sender() && rules.personal.may_match(event, user_id.localpart()) {
                let exact = evaluate_user(&rules.rules, &user_id, user_id.localpart(), event, facts);
                own.extend(difference(classes, outcomes, *user_num, &exact));
            }
        }
        Ok(own)
    }
}

/// Whoever ignores the sender is not notified, whatever their rules say.
fn ignoring(classes: &RoomClasses, outcomes: &[(i64, Outcome)], sender: &UserId) -> Vec<OwnCount> {
    let ignoring = classes.ignored_by.get(sender).into_iter().flatten();
    ignoring.filter_map(|user_num| difference(classes, outcomes, *user_num, &Outcome::default())).collect()
}

/// How a user's outcome differs from that of their class, if it does.
fn difference(
    classes: &RoomClasses,
    outcomes: &[(i64, Outcome)],
    user_num: UserNum,
    exact: &Outcome,
) -> Option<OwnCount> {
    let class_num = classes.class_of(user_num);
    let class = outcomes.iter().find(|(known, _)| *known == class_num).map(|(_, outcome)| outcome);
    let (notify, highlight) = class.map_or((false, false), |class| (class.notify, class.highlight));
    let difference = (i64::from(exact.notify) - i64::from(notify), i64::from(exact.highlight) - i64::from(highlight));
    (difference != (0, 0)).then_some((user_num, difference.0, difference.1))
}
