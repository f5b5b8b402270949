//! The classes of push rules in each room: nearly everybody in a room has the same, so an event is judged once and not for each member.

use std::{collections::HashMap, sync::Arc};

use domicile_core::ids::{RoomNum, UserNum};
use domicile_room::{
    event::Pdu,
    push_rules::{Asked, Class, ClassKey, Outcomes, Personal, QuietOutcomes, split},
};
use domicile_store::{Batch, Changes, Snapshot, Store, numbers::Sequence, table::push};
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use ruma::{OwnedUserId, RoomId, UserId, push::Ruleset};

use crate::{Result, account_data::ignored::IgnoredUsers, accounts::Users};

/// Rooms whose classes are kept.
const ROOMS: usize = 20_000;
/// Classes whose numbers are kept.
const CLASSES: usize = 20_000;

/// A member who changed their rules.
#[derive(Debug)]
pub struct OwnRules {
    /// Their class.
    pub class_num: i64,
    /// When their own rules may say something else.
    pub personal: Personal,
    /// Their rules.
    pub rules: Ruleset,
}

/// The classes of a room's members.
#[derive(Debug)]
pub struct RoomClasses {
    /// Each class once: its number and its rules. The first is that of who changed nothing.
    pub classes: Vec<(i64, Arc<Class>)>,
    /// Those who changed something.
    pub own: HashMap<UserNum, OwnRules>,
    /// By whom somebody is ignored: nothing of theirs counts there.
    pub ignored_by: HashMap<OwnedUserId, Vec<UserNum>>,
    /// What their rules ask about an event.
    asked: Arc<Asked>,
    /// Whether somebody's own rules may speak of events that address nobody.
    watched: bool,
    quiet: Mutex<QuietOutcomes>,
}

impl RoomClasses {
    /// The class of a member.
    pub fn class_of(&self, user_num: UserNum) -> i64 {
        let default = self.classes.first().map_or(0, |class| class.0);
        self.own.get(&user_num).map_or(default, |own| own.class_num)
    }

    /// Whether nobody's rules ask about the content of an event. It addresses nobody, and what the classes say about it is the same for all
    /// such events of its type.
    pub fn is_quiet(&self, pdu: &Pdu) -> bool {
        !self.watched && self.asked.is_quiet(pdu)
    }

    /// What the classes said about another quiet event like this one, in a room with so many joined members.
    pub fn remembered(&self, pdu: &Pdu, joined: u64) -> Option<Outcomes> {
        self.quiet.lock().get(pdu.kind(), joined)
    }

    /// Remembers what the classes say about a quiet event.
    pub fn remember(&self, pdu: &Pdu, joined: u64, outcomes: &Outcomes) {
        self.quiet.lock().remember(pdu.kind(), joined, outcomes);
    }
}

/// The classes.
pub struct PushClasses {
    store: Store,
    users: Arc<Users>,
    default: Arc<Class>,
    /// What the default rules ask, for the many rooms that have no others.
    default_asked: Arc<Asked>,
    nums: Cache<ClassKey, i64>,
    rooms: Cache<RoomNum, Arc<RoomClasses>>,
    /// Of people's rules, of whom they ignore, and of who is where.
    changes: Changes,
}

impl PushClasses {
    /// Over a store.
    pub fn new(store: Store, users: Arc<Users>) -> Self {
        let default = Arc::new(Class::server_default());
        let default_asked = Arc::new(Asked::by([&*default]));
        let (nums, rooms, changes) = (Cache::new(CLASSES), Cache::new(ROOMS), store.changes());
        Self { store, users, default, default_asked, nums, rooms, changes }
    }

    /// Forgets what is known of all rooms: somebody changed their rules. Call it after the write.
    pub fn forget_all(&self) {
        self.changes.note();
        self.rooms.clear();
    }

    /// Forgets what is known of a room: somebody came or went. Call it after the write.
    pub fn forget(&self, room_num: RoomNum) {
        self.changes.note();
        self.rooms.remove(&room_num);
    }

    /// The classes of a room.
    pub async fn of_room(&self, room_num: RoomNum, room_id: &RoomId) -> Result<Arc<RoomClasses>> {
        if let Some(classes) = self.rooms.get(&room_num) {
            return Ok(classes);
        }
        let begun = self.changes.now();
        let changed =
            self.store.read(move |snapshot| async move { push::changed_rules(&snapshot, room_num).await }).await?;
        let default_num = self.class_num(&self.default).await?;
        let mut classes = vec![(default_num, Arc::clone(&self.default))];
        let mut own = HashMap::new();
        for (user_num, content) in changed {
            let user_id = self.users.id(user_num).await?;
            let rules = parse(&content, &user_id);
            let parts = split(&rules, &user_id, room_id);
            let class_num = self.class_num(&parts.class).await?;
            if !classes.iter().any(|(known, _)| *known == class_num) {
                classes.push((class_num, Arc::new(parts.class)));
            }
            own.insert(user_num, OwnRules { class_num, personal: parts.personal, rules });
        }
        let mut ignored_by: HashMap<OwnedUserId, Vec<UserNum>> = HashMap::new();
        let lists = self.store.read(move |snapshot| async move { push::ignoring(&snapshot, room_num).await }).await?;
        for (user_num, content) in lists {
            for user_id in IgnoredUsers::parse(&content).iter() {
                ignored_by.entry(user_id.clone()).or_default().push(user_num);
            }
        }
        let asked = match &classes[..] {
            [_] => Arc::clone(&self.default_asked),
            _ => Arc::new(Asked::by(classes.iter().map(|(_, class)| &**class))),
        };
        let watched = own.values().any(|own| own.personal.watchful());
        let classes = Arc::new(RoomClasses { classes, own, ignored_by, asked, watched, quiet: Mutex::default() });
        let keep = || self.rooms.insert(room_num, Arc::clone(&classes));
        self.changes.keep(begun, keep, || drop(self.rooms.remove(&room_num)));
        Ok(classes)
    }

    /// The class of a member, if the room's classes are in memory; else that of who changed nothing, unless the snapshot says otherwise.
    pub async fn class_of(
        &self,
        snapshot: &Snapshot,
        room_num: RoomNum,
        room_id: &RoomId,
        user_num: UserNum,
    ) -> Result<i64> {
        if let Some(classes) = self.rooms.get(&room_num) {
            return Ok(classes.class_of(user_num));
        }
        let user_id = self.users.load_id(snapshot, user_num).await?;
        let rules = super::rules::load(snapshot, user_num, &user_id).await?;
        let class = split(&rules, &user_id, room_id).class;
        let key = class.key();
        if let Some(class_num) = self.nums.get(&key) {
            return Ok(class_num);
        }
        // A class that has no number yet has counted nothing yet.
        Ok(push::class(snapshot, &key).await?.unwrap_or(0))
    }

    async fn class_num(&self, class: &Class) -> Result<i64> {
        let key = class.key();
        loop {
            if let Some(class_num) = self.nums.get(&key) {
                return Ok(class_num);
            }
            let found = self.store.read(move |snapshot| async move { push::class(&snapshot, &key).await }).await?;
            if let Some(class_num) = found {
                self.nums.insert(key, class_num);
                return Ok(class_num);
            }
            let class_num: i64 = self.store.number(Sequence::PushClass).await?;
            let mut batch = Batch::new();
            push::insert_class(&mut batch, class_num, &key, &class.to_json());
            match self.store.write(batch).await {
                Ok(_) => {}
                // Somebody else added the same class.
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn parse(content: &str, user_id: &UserId) -> Ruleset {
    #[derive(serde::Deserialize)]
    struct Content {
        global: Ruleset,
    }
    let mut rules = serde_json::from_str::<Content>(content)
        .map_or_else(|_| Ruleset::server_default(user_id), |content| content.global);
    rules.update_with_server_default(Ruleset::server_default(user_id));
    rules
}
