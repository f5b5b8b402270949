//! `public_rooms`: what the public directory shows of each room in it, in an order of size that pages can go on from.

use domicile_core::ids::RoomNum;

use crate::{Batch, Row, Snapshot, StoreError, params, value::text_list};

/// A room as the directory shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicRoom {
    /// The number.
    pub room_num: RoomNum,
    /// How many are joined.
    pub joined: i64,
    /// The name.
    pub name: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// The canonical alias.
    pub canonical_alias: Option<String>,
    /// The address of the avatar.
    pub avatar_url: Option<String>,
    /// The word of the join rule.
    pub join_rule: String,
    /// The type; empty for a room of none.
    pub room_type: String,
    /// Whether all the world reads it.
    pub world_readable: bool,
    /// Whether guests may join.
    pub guest_can_join: bool,
    /// All its text in small letters.
    pub search: String,
}

/// Where a page begins: beside the room of this size and number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The size.
    pub joined: i64,
    /// The number.
    pub room_num: RoomNum,
}

impl Place {
    /// Before the largest room.
    pub const START: Self = Self { joined: i64::MAX, room_num: RoomNum(0) };
}

/// Which rooms are wanted.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// The types, none being the empty text; nothing is all of them.
    pub room_types: Option<Vec<&'a str>>,
    /// A part of the text, in small letters; empty is any.
    pub search: &'a str,
}

impl Wanted<'_> {
    /// The pattern of `LIKE`, with `!` before what is meant as it stands.
    fn pattern(&self) -> String {
        let mut pattern = String::with_capacity(self.search.len() + 2);
        pattern.push('%');
        for letter in self.search.chars() {
            if matches!(letter, '%' | '_' | '!') {
                pattern.push('!');
            }
            pattern.push(letter);
        }
        pattern.push('%');
        pattern
    }
}

fn found(row: &Row) -> Result<(String, PublicRoom), StoreError> {
    let text = |index| Ok::<_, StoreError>(row.opt_text(index)?.map(str::to_owned));
    let room = PublicRoom {
        room_num: row.num(1)?,
        joined: row.int(2)?,
        name: text(3)?,
        topic: text(4)?,
        canonical_alias: text(5)?,
        avatar_url: text(6)?,
        join_rule: row.text(7)?.to_owned(),
        room_type: row.text(8)?.to_owned(),
        world_readable: row.flag(9)?,
        guest_can_join: row.flag(10)?,
        search: String::new(),
    };
    Ok((row.text(0)?.to_owned(), room))
}

/// At most `limit` rooms smaller than a place, the largest first: Matrix id and row.
pub async fn after(
    snapshot: &Snapshot,
    place: Place,
    wanted: &Wanted<'_>,
    limit: i64,
) -> Result<Vec<(String, PublicRoom)>, StoreError> {
    let any_type = wanted.room_types.is_none();
    let types = text_list(wanted.room_types.clone().unwrap_or_default());
    let rows = snapshot
        .query(
            "SELECT r.room_id, p.room_num, p.joined, p.name, p.topic, p.canonical_alias, p.avatar_url, p.join_rule, p.room_type,
             p.world_readable, p.guest_can_join FROM public_rooms p JOIN rooms r ON r.room_num = p.room_num
             WHERE p.joined > 0 AND p.joined <= $1 AND (p.joined < $1 OR p.room_num > $2)
             AND (CAST($3 AS BIGINT) = 1 OR p.room_type IN TEXTS($4)) AND p.search LIKE $5 ESCAPE '!'
             ORDER BY p.joined DESC, p.room_num LIMIT $6",
            &params![place.joined, place.room_num, any_type, types, wanted.pattern(), limit],
        )
        .await?;
    rows.iter().map(found).collect()
}

/// At most `limit` rooms larger than a place, the smallest first: Matrix id and row.
pub async fn before(
    snapshot: &Snapshot,
    place: Place,
    wanted: &Wanted<'_>,
    limit: i64,
) -> Result<Vec<(String, PublicRoom)>, StoreError> {
    let any_type = wanted.room_types.is_none();
    let types = text_list(wanted.room_types.clone().unwrap_or_default());
    let rows = snapshot
        .query(
            "SELECT r.room_id, p.room_num, p.joined, p.name, p.topic, p.canonical_alias, p.avatar_url, p.join_rule, p.room_type,
             p.world_readable, p.guest_can_join FROM public_rooms p JOIN rooms r ON r.room_num = p.room_num
             WHERE p.joined > 0 AND p.joined >= $1 AND (p.joined > $1 OR p.room_num < $2)
             AND (CAST($3 AS BIGINT) = 1 OR p.room_type IN TEXTS($4)) AND p.search LIKE $5 ESCAPE '!'
             ORDER BY p.joined, p.room_num DESC LIMIT $6",
            &params![place.joined, place.room_num, any_type, types, wanted.pattern(), limit],
        )
        .await?;
    rows.iter().map(found).collect()
}

/// How many rooms there are that somebody is in.
pub async fn count(snapshot: &Snapshot) -> Result<i64, StoreError> {
    snapshot.query_one("SELECT COUNT(*) FROM public_rooms WHERE joined > 0", &[]).await?.int(0)
}

/// Whether a room is in the list, by its Matrix id.
pub async fn has(snapshot: &Snapshot, room_id: &str) -> Result<bool, StoreError> {
    let found = snapshot
        .query_opt(
            "SELECT 1 FROM public_rooms p JOIN rooms r ON r.room_num = p.room_num WHERE r.room_id = $1 AND p.joined > 0",
            &params![room_id],
        )
        .await?;
    Ok(found.is_some())
}

/// Shows a room, or shows it as it is now.
pub fn put(batch: &mut Batch, room: PublicRoom) {
    batch.push(
        "INSERT INTO public_rooms (room_num, joined, name, topic, canonical_alias, avatar_url, join_rule, room_type, world_readable,
         guest_can_join, search) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (room_num) DO UPDATE SET joined = excluded.joined, name = excluded.name, topic = excluded.topic,
         canonical_alias = excluded.canonical_alias, avatar_url = excluded.avatar_url, join_rule = excluded.join_rule,
         room_type = excluded.room_type, world_readable = excluded.world_readable, guest_can_join = excluded.guest_can_join,
         search = excluded.search",
        params![
            room.room_num,
            room.joined,
            room.name,
            room.topic,
            room.canonical_alias,
            room.avatar_url,
            room.join_rule,
            room.room_type,
            room.world_readable,
            room.guest_can_join,
            room.search
        ],
    );
}

/// Sets how many are joined.
pub fn set_joined(batch: &mut Batch, room_num: RoomNum, joined: i64) {
    batch.push("UPDATE public_rooms SET joined = $2 WHERE room_num = $1", params![room_num, joined]);
}

/// Takes a room out.
pub fn remove(batch: &mut Batch, room_num: RoomNum) {
    batch.push("DELETE FROM public_rooms WHERE room_num = $1", params![room_num]);
}
