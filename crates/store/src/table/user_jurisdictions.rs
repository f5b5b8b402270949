//! `user_jurisdictions`: the country under whose law somebody lives, as it was told. Nothing here is guessed.

use domicile_core::ids::UserNum;

use crate::{Batch, Row, Snapshot, StoreError, params};

/// A row of `user_jurisdictions`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserJurisdiction {
    /// The code that somebody else told, where from, and when (in milliseconds since the epoch).
    pub stated: Option<(String, String, i64)>,
    /// The user's own word, and when.
    pub corrected: Option<(String, i64)>,
    /// The jurisdictions in which the user wants nothing of theirs to be, and when they said so.
    pub never_in: Option<(Vec<String>, i64)>,
}

impl UserJurisdiction {
    /// The code that counts: the user's own word, else what was told.
    pub fn counts(&self) -> Option<&str> {
        let corrected = self.corrected.as_ref().map(|(code, _)| code.as_str());
        corrected.or_else(|| self.stated.as_ref().map(|(code, ..)| code.as_str()))
    }

    /// The jurisdictions in which the user wants nothing of theirs to be.
    pub fn never(&self) -> &[String] {
        self.never_in.as_ref().map(|(codes, _)| codes.as_slice()).unwrap_or_default()
    }
}

/// An account in use, and what is noted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The user.
    pub user_num: UserNum,
    /// Their Matrix id.
    pub user_id: String,
    /// What is noted.
    pub noted: UserJurisdiction,
}

/// What is noted, from the columns that begin at `first`.
fn jurisdiction(row: &Row, first: usize) -> Result<UserJurisdiction, StoreError> {
    let stated = match (row.opt_text(first)?, row.opt_text(first + 1)?, row.opt_int(first + 2)?) {
        (Some(code), Some(source), Some(at)) => Some((code.to_owned(), source.to_owned(), at)),
        _ => None,
    };
    let corrected = row.opt_text(first + 3)?.map(str::to_owned).zip(row.opt_int(first + 4)?);
    let codes = |text: &str| text.split(' ').map(str::to_owned).collect();
    let never_in = row.opt_text(first + 5)?.map(codes).zip(row.opt_int(first + 6)?);
    Ok(UserJurisdiction { stated, corrected, never_in })
}

/// What is noted for a user.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<UserJurisdiction, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT stated, stated_source, stated_ts, corrected, corrected_ts, never_in, never_in_ts FROM user_jurisdictions
             WHERE user_num = $1",
            &params![user_num],
        )
        .await?;
    row.as_ref().map_or_else(|| Ok(UserJurisdiction::default()), |row| jurisdiction(row, 0))
}

/// Accounts in use after a number, in the order of their numbers.
pub async fn accounts(snapshot: &Snapshot, after: UserNum, limit: i64) -> Result<Vec<Account>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT u.user_num, u.user_id, j.stated, j.stated_source, j.stated_ts, j.corrected, j.corrected_ts, j.never_in,
             j.never_in_ts FROM users u LEFT JOIN user_jurisdictions j ON j.user_num = u.user_num
             WHERE u.user_num > $1 AND u.is_local = 1 AND u.deactivated_ts IS NULL ORDER BY u.user_num LIMIT $2",
            &[after.into(), limit.into()],
        )
        .await?;
    let account = |row: &Row| {
        Ok(Account { user_num: row.num(0)?, user_id: row.text(1)?.to_owned(), noted: jurisdiction(row, 2)? })
    };
    rows.iter().map(account).collect()
}

/// Accounts in use by the code that counts; an empty code for those for whom none is noted.
pub async fn counts(snapshot: &Snapshot) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT COALESCE(j.corrected, j.stated, ''), COUNT(*) FROM users u
             LEFT JOIN user_jurisdictions j ON j.user_num = u.user_num
             WHERE u.is_local = 1 AND u.deactivated_ts IS NULL GROUP BY COALESCE(j.corrected, j.stated, '')",
            &[],
        )
        .await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
}

/// Accounts in use of one of some codes after a number, in the order of their numbers: number and Matrix id.
pub async fn users_of(
    snapshot: &Snapshot,
    codes: &[String],
    after: UserNum,
    limit: i64,
) -> Result<Vec<(UserNum, String)>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT u.user_num, u.user_id FROM users u JOIN user_jurisdictions j ON j.user_num = u.user_num
             WHERE u.user_num > $1 AND u.is_local = 1 AND u.deactivated_ts IS NULL
             AND COALESCE(j.corrected, j.stated, '') IN TEXTS($2) ORDER BY u.user_num LIMIT $3",
            &[after.into(), crate::value::text_list(codes), limit.into()],
        )
        .await?;
    rows.iter().map(|row| Ok((row.num(0)?, row.text(1)?.to_owned()))).collect()
}

/// Notes what somebody else told; `None` takes it back.
pub fn state(batch: &mut Batch, user_num: UserNum, code: Option<String>, source: String, now_ms: i64) {
    batch.push(
        "INSERT INTO user_jurisdictions (user_num, stated, stated_source, stated_ts) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_num) DO UPDATE SET stated = excluded.stated, stated_source = excluded.stated_source,
         stated_ts = excluded.stated_ts",
        params![user_num, code, source, now_ms],
    );
}

/// Notes the user's own word; `None` takes it back.
pub fn correct(batch: &mut Batch, user_num: UserNum, code: Option<String>, now_ms: i64) {
    batch.push(
        "INSERT INTO user_jurisdictions (user_num, corrected, corrected_ts) VALUES ($1, $2, $3)
         ON CONFLICT (user_num) DO UPDATE SET corrected = excluded.corrected, corrected_ts = excluded.corrected_ts",
        params![user_num, code, now_ms],
    );
}

/// Notes in which jurisdictions the user wants nothing of theirs to be; without any, it is taken back.
pub fn avoid(batch: &mut Batch, user_num: UserNum, codes: &[String], now_ms: i64) {
    let never_in = Some(codes.join(" ")).filter(|codes| !codes.is_empty());
    batch.push(
        "INSERT INTO user_jurisdictions (user_num, never_in, never_in_ts) VALUES ($1, $2, $3)
         ON CONFLICT (user_num) DO UPDATE SET never_in = excluded.never_in, never_in_ts = excluded.never_in_ts",
        params![user_num, never_in, now_ms],
    );
}
