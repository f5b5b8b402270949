//! Why each room copy is here: the member whose home is here.

use std::io::{BufWriter, Write};

use domicile_core::ids::{RoomNum, UserNum};
use domicile_store::table::audits::{self, Copy, Member};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{People, Walk, mark};
use crate::{Error, Result, evidence::marks::Marks};

/// Rooms that one step looks at.
const PAGE: i64 = 1_000;
/// Members of a room that one step looks at.
const MEMBERS: i64 = 5_000;
/// Room copies without a reason that a report names.
const NAMED: usize = 100;

/// Room copies by what justifies them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Copies {
    /// How many there are.
    pub all: i64,
    /// Somebody whose home is here is in the room.
    pub joined: i64,
    /// Somebody whose home is here was invited or asked to come.
    pub invited: i64,
    /// Somebody whose home is here was in the room, and may read what was said until then.
    pub left: i64,
    /// Nobody.
    pub nobody: i64,
    /// The first rooms of which nobody justifies the copy.
    pub without: Vec<String>,
    /// The SHA-256 of the list of all, in hexadecimal: a line of JSON for each, in the order of their numbers.
    pub list_sha256: String,
}

/// Where the list of room copies goes.
pub(in crate::evidence) struct List {
    file: Option<BufWriter<std::fs::File>>,
    hash: Sha256,
}

impl List {
    pub(super) fn into_file(file: std::fs::File) -> Self {
        Self { file: Some(BufWriter::new(file)), hash: Sha256::new() }
    }

    pub(in crate::evidence) fn nowhere() -> Self {
        Self { file: None, hash: Sha256::new() }
    }

    fn line(&mut self, line: &str) -> Result<()> {
        self.hash.update(line.as_bytes());
        self.hash.update(b"\n");
        match &mut self.file {
            Some(file) => writeln!(file, "{line}").map_err(|error| failed(&error)),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<String> {
        if let Some(file) = self.file {
            let file = file.into_inner().map_err(|error| failed(error.error()))?;
            file.sync_all().map_err(|error| failed(&error))?;
        }
        Ok(format!("{:x}", self.hash.finalize()))
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::internal(format!("the list of rooms could not be written: {error}"))
}

/// The order in which a membership justifies a copy.
fn rank(membership: &str) -> Option<u8> {
    match membership {
        "join" => Some(0),
        "invite" | "knock" => Some(1),
        "leave" | "ban" => Some(2),
        _ => None,
    }
}

impl Walk<'_> {
    /// Goes through the room copies and says for each why it is here.
    pub(super) async fn rooms(&self, people: &People, mut list: List) -> Result<(Marks, Copies)> {
        let (mut marks, mut copies, mut after) = (Marks::default(), Copies::default(), RoomNum(i64::MIN));
        loop {
            let read = self.store.read(move |snapshot| async move {
                let page = audits::copies(&snapshot, after, PAGE).await?;
                let members = audits::first_members(&snapshot, &page).await?;
                Ok::<_, Error>((page, members))
            });
            let (page, members) = read.await?;
            let Some(last) = page.last() else { break };
            after = last.room_num;
            for room in &page {
                let candidates = members.iter().filter(|member| member.room_num == room.room_num);
                let reason = match best(people, candidates) {
                    Some(reason) if reason.membership == "join" => Some(reason),
                    // The first of those whose account is ours may have moved away, and stands before others who have not.
                    _ => self.look_among_all(people, room).await?,
                };
                self.note(&mut copies, &mut list, room, reason.as_ref()).await?;
                marks.add(room.room_num.0, if reason.is_some() { mark::COPY | mark::JUSTIFIED } else { mark::COPY });
            }
        }
        copies.list_sha256 = list.end()?;
        Ok((marks, copies))
    }

    async fn note(&self, copies: &mut Copies, list: &mut List, room: &Copy, reason: Option<&Member>) -> Result<()> {
        copies.all += 1;
        match reason.and_then(|reason| rank(&reason.membership)) {
            Some(0) => copies.joined += 1,
            Some(1) => copies.invited += 1,
            Some(_) => copies.left += 1,
            None => {
                copies.nobody += 1;
                if copies.without.len() < NAMED {
                    copies.without.push(room.room_id.clone());
                }
            }
        }
        let user = match reason {
            Some(reason) => self.user_id(reason.user_num).await?,
            None => None,
        };
        let membership = reason.map(|reason| reason.membership.as_str());
        list.line(&json!({ "room": room.room_id, "for": user, "membership": membership }).to_string())
    }

    pub(super) async fn user_id(&self, user_num: UserNum) -> Result<Option<String>> {
        let read = self
            .store
            .read(move |snapshot| async move { domicile_store::table::users::by_num(&snapshot, user_num).await });
        Ok(read.await?.map(|user| user.user_id))
    }

    async fn look_among_all(&self, people: &People, room: &Copy) -> Result<Option<Member>> {
        let (room_num, mut after, mut found): (_, _, Option<Member>) = (room.room_num, UserNum(i64::MIN), None);
        loop {
            let read = self
                .store
                .read(move |snapshot| async move { audits::members(&snapshot, room_num, after, MEMBERS).await });
            let page = read.await?;
            let Some(last) = page.last() else { return Ok(found) };
            after = last.user_num;
            found = best(people, found.iter().chain(&page));
            if found.as_ref().is_some_and(|found| found.membership == "join") {
                return Ok(found);
            }
        }
    }
}

/// The member who justifies a copy best, of those whose home is here.
fn best<'a>(people: &People, members: impl Iterator<Item = &'a Member>) -> Option<Member> {
    members
        .filter(|member| people.has(member.user_num.0, mark::HERE))
        .filter_map(|member| rank(&member.membership).map(|rank| (rank, member.user_num, member)))
        .min_by_key(|(rank, user_num, _)| (*rank, *user_num))
        .map(|(.., member)| member.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_lives_here_justifies_a_copy() {
        let mut people = People::default();
        people.add(1, mark::SERVER);
        people.add(2, mark::HERE);
        people.add(3, mark::HERE);
        let member = |user_num: i64, membership: &str| Member {
            room_num: RoomNum(1),
            user_num: UserNum(user_num),
            membership: membership.to_owned(),
        };
        let found = |members: &[Member]| best(&people, members.iter()).map(|member| member.user_num.0);
        assert_eq!(found(&[member(1, "join")]), None);
        assert_eq!(found(&[member(1, "join"), member(2, "leave"), member(3, "join")]), Some(3));
        assert_eq!(found(&[member(2, "ban"), member(3, "knock")]), Some(3));
    }
}
