//! What a restored cell must not remember, and what it must tell.

/// Left out of every backup: what can be used once, or revoked. In tables, so that `pg_dump` can leave them out too.
pub(super) const LEFT_OUT: &[&str] = &[
    "access_tokens",
    "refresh_tokens",
    "login_tokens",
    "openid_tokens",
    "registration_tokens",
    "uia_sessions",
    "one_time_keys",
];

/// The statements that make a restored database fit to go on, in both dialects.
///
/// What clients saw after the backup was made is lost here, but not there: their sync tokens and the versions of key backups that they know
/// lie ahead of ours. So both go on far beyond whatever was given out; and since keys may have been changed in the time that is lost,
/// everybody's devices count as changed.
pub(super) fn statements(incarnation: &str) -> String {
    let mut sql = String::new();
    for table in LEFT_OUT {
        sql += "DELETE FROM ";
        sql += table;
        sql += ";\n";
    }
    sql.push_str(
        "UPDATE stream_head SET position = position + 1000000000 WHERE id = 1;
         UPDATE device_list_changes SET position = (SELECT position FROM stream_head WHERE id = 1) WHERE viewer_num = 0;
         UPDATE key_backup_versions SET etag = etag + 1000000;
         DELETE FROM meta WHERE name = 'incarnation';\n",
    );
    // Letters and digits only: it is our own random name.
    sql + "INSERT INTO meta (name, value) VALUES ('incarnation', '" + incarnation + "');\n"
}
