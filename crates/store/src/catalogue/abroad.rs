//! Tables whose rows may be about people whose home is not here: a short list, each with its reason. It may only shrink.
//!
//! A table that belongs to a user and is not in the list is a part of the vault: a row of somebody whose home is elsewhere is a finding.

/// Which rows about somebody whose home is elsewhere may be here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abroad {
    /// None: it is a part of the vault.
    Never,
    /// Those of which this does not hold: a condition over the row, which is called `t`.
    Unless(&'static str),
    /// All, for as long as the person shares a room with somebody whose home is here.
    WhileMet,
}

/// A table whose rows may be about people whose home is elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Admitted {
    /// The table.
    pub table: &'static str,
    /// Which rows.
    pub rows: Abroad,
    /// Why.
    pub reason: &'static str,
}

const fn admit(table: &'static str, rows: Abroad, reason: &'static str) -> Admitted {
    Admitted { table, rows, reason }
}

/// All of them.
pub const ADMITTED: &[Admitted] = &[
    admit(
        "users",
        Abroad::Unless("t.password_hash IS NOT NULL OR t.locked_ts IS NOT NULL OR t.suspended_ts IS NOT NULL"),
        "whoever is met gets a number, which stands for their Matrix id; credentials and standings stay at home",
    ),
    admit(
        "receipts",
        Abroad::Unless("t.kind = 'm.read.private'"),
        "public receipts are shown to those who share the room; private ones stay at home",
    ),
    admit(
        "waiting_receipts",
        Abroad::WhileMet,
        "a public receipt for an event that is not here yet becomes one when it comes, or goes within a day",
    ),
    admit(
        "device_keys",
        Abroad::WhileMet,
        "messages cannot be encrypted to somebody without their devices' public keys",
    ),
    admit("cross_signing_keys", Abroad::WhileMet, "nobody can verify somebody without their public identity keys"),
    admit("device_list_copies", Abroad::WhileMet, "it tells how good the copy of somebody's devices is"),
    admit(
        "pinned_keys",
        Abroad::WhileMet,
        "that somebody's identity key is another one is seen only by who remembers it",
    ),
    admit("unsigned_devices", Abroad::WhileMet, "that somebody has a device that they did not sign is told once"),
    admit(
        "key_incidents",
        Abroad::Unless("t.kind NOT IN ('master_changed', 'unsigned_device', 'uninvited_join')"),
        "what was noticed is kept for the operator for 90 days, also of somebody who came in by no invitation and is met no more",
    ),
    admit("device_list_changes", Abroad::WhileMet, "it tells those here that somebody's devices have changed"),
];

/// Which rows of a table may be about people whose home is elsewhere.
pub fn abroad(table: &str) -> Abroad {
    ADMITTED.iter().find(|admitted| admitted.table == table).map_or(Abroad::Never, |admitted| admitted.rows)
}
