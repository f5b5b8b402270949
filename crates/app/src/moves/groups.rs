//! Moves of all who live under one law: one administrator asks for them, and another one confirms, since so many are concerned.

use domicile_core::{error::ErrorKind, ids::UserNum, rng};
use domicile_store::{
    Batch,
    table::{
        group_moves::{self, GroupMove},
        user_jurisdictions,
    },
};
use ruma::OwnedUserId;
use serde::{Deserialize, Serialize};

use super::{Forbidden, ID_LENGTH, Moves, Order, Target};
use crate::{
    Error, Result,
    admin::second,
    error::{forbidden, not_found},
    evidence::{
        AccessLog,
        access_log::{Look, Operator, What},
    },
};

/// People that are looked up at once.
const PAGE: i64 = 500;
/// Requests that are listed, and people whose reasons are.
const LISTED: i64 = 100;
const REASONS: usize = 1_000;

/// Where all of them are to move, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupWish {
    /// Where to.
    pub to: Target,
    /// Days within which each may object.
    pub notice_days: i64,
    /// Days for which the old addresses pass requests on.
    pub address_days: i64,
    /// What becomes of rooms that the rules forbid.
    pub forbidden: Forbidden,
}

/// A request, as administrators see it.
#[derive(Clone, Debug, Serialize)]
pub struct GroupRequest {
    /// Its id.
    pub id: String,
    /// The law.
    pub jurisdiction: String,
    /// Where to and how.
    pub wish: GroupWish,
    /// When it was made, in milliseconds since the epoch.
    pub created_ts: i64,
    /// Who asked.
    pub requested_by: String,
    /// Why.
    pub reason: String,
    /// Who confirmed it.
    pub confirmed_by: Option<String>,
    /// When all were ordered, in milliseconds since the epoch.
    pub confirmed_ts: Option<i64>,
}

/// What a move of all of them would do, in sums.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GroupPlan {
    /// People who would move.
    pub people: u64,
    /// Their files.
    pub files: i64,
    /// Bytes of them.
    pub bytes: i64,
    /// Their rooms, each as often as somebody of them is in it.
    pub rooms: u64,
    /// People whom the rules would not let be in some room from there.
    pub with_forbidden_rooms: u64,
    /// People who cannot move there, each with the reason; the first of them.
    pub refused: Vec<Refused>,
}

/// Somebody who does not move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refused {
    /// Who.
    pub user_id: OwnedUserId,
    /// Why.
    pub reason: String,
}

/// What became of a request that was confirmed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct GroupOrdered {
    /// People whose moves were ordered.
    pub ordered: u64,
    /// Those whose were not, the first of them.
    pub refused: Vec<Refused>,
}

impl Moves {
    /// What it would do to move all who live under a law.
    pub async fn plan_group(&self, jurisdiction: &str, wish: &GroupWish) -> Result<GroupPlan> {
        let (mut plan, mut after) = (GroupPlan::default(), UserNum(0));
        loop {
            let page = self.people_of(jurisdiction, after).await?;
            let Some((last, _)) = page.last() else { return Ok(plan) };
            after = *last;
            for (_, user_id) in page {
                let refused = match self.plan(&user_id, &wish.to).await {
                    Ok(of_one) => {
                        plan.files += of_one.files;
                        plan.bytes += of_one.bytes;
                        plan.rooms += of_one.rooms.len() as u64;
                        plan.with_forbidden_rooms += u64::from(!of_one.forbidden.is_empty());
                        of_one.barred
                    }
                    Err(Error::Matrix(error)) => Some(error.message.to_string()),
                    Err(error) => return Err(error),
                };
                match refused {
                    Some(reason) => refuse(&mut plan.refused, user_id, reason),
                    None => plan.people += 1,
                }
            }
        }
    }

    /// Asks to move all who live under a law. Gives the request, which somebody else confirms.
    pub async fn ask_group(
        &self,
        jurisdiction: String,
        wish: GroupWish,
        (by, reason): (Operator, String),
    ) -> Result<GroupRequest> {
        let invalid = |text: &str| Error::from(ErrorKind::InvalidParam.with(text.to_owned()));
        if reason.trim().is_empty() {
            return Err(invalid("Give a reason: the people read it."));
        }
        if jurisdiction.is_empty() || !jurisdiction.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(invalid("A jurisdiction is a code such as RU or EU."));
        }
        // Where there is no such place, nobody needs to be asked.
        self.cell_of(&wish.to)?;
        let row = GroupMove {
            group_id: rng::name(&*self.rng, ID_LENGTH),
            jurisdiction,
            wanted: serde_json::to_string(&wish).map_err(Error::internal)?,
            created_ts: self.clock.now_ms(),
            requested_by: by.name,
            requested_uid: by.uid.map(i64::from),
            reason,
            confirmed_by: None,
            confirmed_ts: None,
        };
        let mut batch = Batch::new();
        group_moves::insert(&mut batch, row.clone());
        self.store.write(batch).await?;
        request_of(row)
    }

    /// The latest requests.
    pub async fn groups(&self) -> Result<Vec<GroupRequest>> {
        let read = self.store.read(|snapshot| async move { group_moves::latest(&snapshot, LISTED).await });
        read.await?.into_iter().map(request_of).collect()
    }

    /// Orders the moves of a request that somebody else has made. Whoever confirms again what ended in the middle orders the rest.
    pub async fn confirm_group(&self, group_id: &str, by: &Operator, log: &AccessLog) -> Result<GroupOrdered> {
        let wanted = group_id.to_owned();
        let read = self.store.read(move |snapshot| async move { group_moves::by_id(&snapshot, &wanted).await });
        let row = read.await?;
        let row = row.ok_or_else(|| not_found(format!("There is no request {group_id} to move people.")))?;
        let asked = (row.requested_by.as_str(), row.requested_uid.and_then(|uid| u32::try_from(uid).ok()));
        second::check((asked, row.created_ts), (by, self.clock.now_ms()), "these moves")?;
        if row.confirmed_by.is_some() {
            return Err(forbidden("The request was confirmed already: ask again."));
        }
        let GroupRequest { jurisdiction, wish, requested_by, reason, .. } = request_of(row)?;
        let (mut ordered, mut after) = (GroupOrdered::default(), UserNum(0));
        loop {
            let page = self.people_of(&jurisdiction, after).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (user_num, user_id) in page {
                let look = Look { by: by.clone(), what: What::MoveOrdered, reason: Some(reason.clone()) };
                log.note(user_num, look).await?;
                let order = Order {
                    user_id: user_id.clone(),
                    to: wish.to.clone(),
                    by: format!("{requested_by}, confirmed by {}", by.name),
                    reason: reason.clone(),
                    notice_days: wish.notice_days,
                    address_days: wish.address_days,
                    forbidden: wish.forbidden,
                };
                match self.order(order).await {
                    Ok(_) => ordered.ordered += 1,
                    Err(Error::Matrix(error)) => refuse(&mut ordered.refused, user_id, error.message.to_string()),
                    Err(error) => return Err(error),
                }
            }
        }
        let mut batch = Batch::new();
        group_moves::confirm(&mut batch, group_id, &by.name, self.clock.now_ms());
        match self.store.write(batch).await {
            Err(error) if error.is_conflict() => Err(forbidden("Somebody else has confirmed the request meanwhile.")),
            written => written.map(|_| ordered).map_err(Error::from),
        }
    }

    /// Accounts in use of people who live under a law, after a number.
    async fn people_of(&self, jurisdiction: &str, after: UserNum) -> Result<Vec<(UserNum, OwnedUserId)>> {
        let codes = self.rules.laws.codes(jurisdiction);
        let read = self
            .store
            .read(move |snapshot| async move { user_jurisdictions::users_of(&snapshot, &codes, after, PAGE).await });
        let people = read.await?.into_iter();
        people.map(|(num, id)| Ok((num, OwnedUserId::try_from(id).map_err(Error::internal)?))).collect()
    }
}

fn refuse(refused: &mut Vec<Refused>, user_id: OwnedUserId, reason: String) {
    if refused.len() < REASONS {
        refused.push(Refused { user_id, reason });
    }
}

fn request_of(row: GroupMove) -> Result<GroupRequest> {
    Ok(GroupRequest {
        wish: serde_json::from_str(&row.wanted).map_err(Error::internal)?,
        id: row.group_id,
        jurisdiction: row.jurisdiction,
        created_ts: row.created_ts,
        requested_by: row.requested_by,
        reason: row.reason,
        confirmed_by: row.confirmed_by,
        confirmed_ts: row.confirmed_ts,
    })
}
