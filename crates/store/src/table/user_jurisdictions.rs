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
}

fn jurisdiction(row: &Row) -> Result<UserJurisdiction, StoreError> {
    let stated = match (row.opt_text(0)?, row.opt_text(1)?, row.opt_int(2)?) {
        (Some(code), Some(source), Some(at)) => Some((code.to_owned(), source.to_owned(), at)),
        _ => None,
    };
    let corrected = row.opt_text(3)?.map(str::to_owned).zip(row.opt_int(4)?);
    Ok(UserJurisdiction { stated, corrected })
}

/// What is noted for a user.
pub async fn of_user(snapshot: &Snapshot, user_num: UserNum) -> Result<UserJurisdiction, StoreError> {
    let row = snapshot
        .query_opt(
            "SELECT stated, stated_source, stated_ts, corrected, corrected_ts FROM user_jurisdictions WHERE user_num = $1",
            &params![user_num],
        )
        .await?;
    row.as_ref().map_or_else(|| Ok(UserJurisdiction::default()), jurisdiction)
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
