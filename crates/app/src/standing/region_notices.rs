//! Tells people in their clients that a copy of a room in which they are goes to another region, before it does: one message for all rooms of which that is
//! so at once. Nobody is told whose home is there; who comes in then can be seen.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use domicile_core::ids::{RoomNum, UserNum};
use domicile_store::{
    Batch, Store,
    table::{
        memberships,
        new_regions::{self, Due},
    },
};
use tokio_util::sync::CancellationToken;

use super::{Language, Teller, teller::in_one_message};
use crate::{
    Error, Result,
    events::Events,
    rooms::{Membership, RoomView, Rooms, StateKeys, given_name},
};

/// How often it is looked beside when it is noted that there is somebody to tell.
const PAUSE: Duration = Duration::from_secs(20);
/// What kind of server notice it is.
const NOTICE_TYPE: &str = "org.domicile.region";
/// Rooms of which people are told in one go.
const AT_ONCE: i64 = 200;
/// People in one room who are told.
const AUDIENCE: i64 = 5_000;
/// Members that stand for a room without a name.
const MEMBERS: usize = 3;

/// Tells people of new regions.
pub struct RegionNotices {
    store: Store,
    teller: Teller,
    rooms: Arc<Rooms>,
    keys: Arc<StateKeys>,
    events: Arc<Events>,
}

/// A room and the region to which it goes.
struct Line {
    called: Called,
    region: String,
}

/// What people call a room.
enum Called {
    /// By its name.
    Name(String),
    /// By who else is in it.
    Members(Vec<(UserNum, String)>),
}

impl RegionNotices {
    /// Over the services that it uses.
    pub fn new(store: Store, teller: Teller, (rooms, keys, events): (Arc<Rooms>, Arc<StateKeys>, Arc<Events>)) -> Self {
        Self { store, teller, rooms, keys, events }
    }

    /// Tells those who have not been told. Gives how many messages were written.
    pub async fn look(&self) -> Result<usize> {
        let due = self.store.read(|snapshot| async move { new_regions::due(&snapshot, AT_ONCE).await }).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let mut lines = Vec::with_capacity(due.len());
        let mut readers: BTreeMap<UserNum, Vec<usize>> = BTreeMap::new();
        for (index, one) in due.iter().enumerate() {
            lines.push(Line { called: self.called(one.room_num).await?, region: one.region.clone() });
            for reader in self.audience(one).await? {
                readers.entry(reader).or_default().push(index);
            }
        }
        let says = |reader, concerned: &[usize], language| {
            let concerns: Vec<&Line> = concerned.iter().filter_map(|index| lines.get(*index)).collect();
            said(&concerns, reader, language)
        };
        let reached = &due;
        let note = |upto, more: Vec<i64>| async move {
            let mut batch = Batch::new();
            for (due, more) in reached.iter().zip(more) {
                new_regions::reach(&mut batch, due, upto, more);
            }
            self.store.write(batch).await?;
            Ok(())
        };
        let told = self.teller.tell_all((NOTICE_TYPE, due.len()), &readers, says, note).await?;
        let mut batch = Batch::new();
        for one in &due {
            new_regions::set_told(&mut batch, one);
        }
        self.store.write(batch).await?;
        if let Some(cells) = self.teller.users.localities().cells() {
            cells.new_regions.told();
        }
        Ok(told)
    }

    /// The people here who are in a room and have not been told in this round.
    async fn audience(&self, due: &Due) -> Result<Vec<UserNum>> {
        let room_num = due.room_num;
        let read =
            self.store.read(move |snapshot| async move { memberships::some_here(&snapshot, room_num, AUDIENCE).await });
        let mut people = read.await?;
        people.retain(|user_num| *user_num > due.told_upto);
        people.sort_unstable();
        Ok(people)
    }

    async fn called(&self, room_num: RoomNum) -> Result<Called> {
        let Ok(room) = self.rooms.by_num(room_num).await else { return Ok(Called::Members(Vec::new())) };
        let view: Arc<RoomView> = room.view();
        if let Some(name) = given_name(&view, &self.keys, &self.events).await? {
            return Ok(Called::Name(name));
        }
        let joined = view.members.iter().filter(|(_, member)| member.membership == Membership::Join);
        let mut nums: Vec<UserNum> = joined.map(|(user_num, _)| *user_num).take(MEMBERS + 1).collect();
        nums.sort_unstable();
        let mut members = Vec::with_capacity(nums.len());
        for user_num in nums {
            match self.teller.users.id(user_num).await {
                Ok(user_id) => members.push((user_num, user_id.to_string())),
                Err(error @ Error::Store(_)) => return Err(error),
                // Erased: nobody that people know any more.
                Err(_) => {}
            }
        }
        Ok(Called::Members(members))
    }

    /// Looks from time to time, and when it is noted that there is somebody to tell, until the server stops.
    pub async fn run(self: Arc<Self>, stopping: CancellationToken) {
        let trouble = "people could not be told that a room goes to another region";
        self.teller.look_when((PAUSE, trouble), stopping, || self.look(), |cells| cells.new_regions.noted()).await;
    }
}

impl Called {
    /// The name between the language's own quotation marks, or who else than the reader is there.
    fn text(&self, reader: UserNum, [open, close]: [&str; 2], with: impl FnOnce(&str) -> String) -> String {
        match self {
            Self::Name(name) => format!(" {open}{name}{close}"),
            Self::Members(members) => {
                let others = members.iter().filter(|(user_num, _)| *user_num != reader).take(MEMBERS);
                let others: Vec<&str> = others.map(|(_, user_id)| user_id.as_str()).collect();
                if others.is_empty() { String::new() } else { with(&others.join(", ")) }
            }
        }
    }
}

impl Line {
    fn in_language(&self, reader: UserNum, language: Language) -> String {
        let region = &self.region;
        match language {
            Language::En => {
                let room = self.called.text(reader, ["\"", "\""], |others| format!(" with {others}"));
                format!(
                    "A copy of the room{room} will be kept in the region {region}, too: somebody from there comes in, or a member moves there."
                )
            }
            Language::De => {
                let room = self.called.text(reader, ["„", "“"], |others| format!(" mit {others}"));
                format!(
                    "Eine Kopie des Raums{room} wird nun auch in der Region {region} aufbewahrt: Jemand von dort kommt herein, oder ein Mitglied zieht dorthin um."
                )
            }
            Language::Ru => {
                let room = self.called.text(reader, ["«", "»"], |others| format!(" с участием {others}"));
                format!(
                    "Копия комнаты{room} теперь будет храниться и в регионе {region}: оттуда приходит новый участник, или кто-то из комнаты переезжает туда."
                )
            }
            Language::Zh => {
                let room = self.called.text(reader, ["“", "”"], |others| format!("（成员：{others}）"));
                let room = room.trim_start();
                format!("房间{room}的副本今后也将保存在区域 {region}：有人从该区域加入，或有成员迁往该区域。")
            }
        }
    }
}

/// What is said to one person.
fn said(lines: &[&Line], reader: UserNum, language: Language) -> String {
    in_one_message(
        lines,
        |line| line.in_language(reader, language),
        |left| match language {
            Language::En => format!("The same holds for {left} more rooms."),
            Language::De => format!("Dasselbe gilt für {left} weitere Räume."),
            Language::Ru => format!("То же относится и к другим комнатам: {left}."),
            Language::Zh => format!("另有 {left} 个房间情况相同。"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::{super::teller::LINES, *};

    #[test]
    fn every_language_names_the_room_and_the_region() {
        let line = |called| Line { called, region: "north".to_owned() };
        let members = vec![(UserNum(1), "@anna:example.org".to_owned()), (UserNum(2), "@bob:example.org".to_owned())];
        let (named, unnamed) = (line(Called::Name("Tea".to_owned())), line(Called::Members(members)));
        for language in Language::ALL {
            let text = said(&[&named, &unnamed], UserNum(1), language);
            assert!(text.contains("Tea") && text.contains("@bob:example.org"), "{text}");
            assert_eq!(text.matches("north").count(), 2, "{text}");
            assert!(!text.contains("@anna"), "they are told who else is there: {text}");
        }
    }

    #[test]
    fn one_message_says_all_and_ends() {
        let line = Line { called: Called::Members(Vec::new()), region: "north".to_owned() };
        let text = said(&vec![&line; LINES + 7], UserNum(1), Language::En);
        assert_eq!(text.matches("north").count(), LINES);
        assert!(text.ends_with("The same holds for 7 more rooms."), "{text}");
    }
}
