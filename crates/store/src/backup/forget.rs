//! What a restored cell must not remember, and what it must tell.

/// Left out of every backup: what can be used once, or revoked. In tables, so that `pg_dump` can leave them out too.
pub const LEFT_OUT: &[&str] = &[
    "access_tokens",
    "refresh_tokens",
    // Of these tokens alone.
    "device_doors",
    "ended_tokens",
    "login_tokens",
    "openid_tokens",
    "registration_tokens",
    "uia_sessions",
    "one_time_keys",
    // Who was let into the console may be let in no more.
    "operators",
];

/// What a restored cell begins with. Times are in milliseconds since the epoch.
#[derive(Clone, Debug)]
pub(super) struct NewLife {
    /// The name of this life of the cell.
    pub(super) incarnation: String,
    /// When the backup was made.
    pub(super) backup_ts: i64,
    /// When it was restored.
    pub(super) restored_ts: i64,
}

impl NewLife {
    /// The statements that make a restored database fit to go on, in both dialects.
    ///
    /// What clients saw after the backup was made is lost here, but not there: their sync tokens and the versions of key backups that they know
    /// lie ahead of ours. So both go on far beyond whatever was given out; and since keys may have been changed in the time that is lost,
    /// everybody's devices count as changed, and what is known of others' devices as old. People who were on the way here are brought again. The cell
    /// starts fenced: `upto` is how far its stream had come.
    pub(super) fn statements(&self) -> String {
        let Self { incarnation, backup_ts, restored_ts } = self;
        let mut sql = String::new();
        for table in LEFT_OUT {
            sql += "DELETE FROM ";
            sql += table;
            sql += ";\n";
        }
        sql.push_str(
            "DELETE FROM meta WHERE name IN ('incarnation', 'fence');
         DELETE FROM arrived_media;
         DELETE FROM arrivals WHERE state IN ('coming', 'confirmed');\n",
        );
        let begins = format!("{{\"backup_ts\":{backup_ts},\"restored_ts\":{restored_ts},\"upto\":");
        for part in [
            "INSERT INTO meta (name, value) SELECT 'fence', '",
            &begins,
            "' || CAST(position AS TEXT) || '}' FROM stream_head WHERE id = 1;\n",
        ] {
            sql += part;
        }
        sql.push_str(
            "UPDATE stream_head SET position = position + 1000000000 WHERE id = 1;
         UPDATE device_list_changes SET position = (SELECT position FROM stream_head WHERE id = 1) WHERE viewer_num = 0;
         UPDATE device_list_copies SET is_stale = 1, revision = revision + 1, attempts = 0, retry_ts = 0;
         UPDATE key_backup_versions SET etag = etag + 1000000;\n",
        );
        // Letters and digits only: it is our own random name.
        sql + "INSERT INTO meta (name, value) VALUES ('incarnation', '" + incarnation + "');\n"
    }
}
