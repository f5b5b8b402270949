//! Columns of classes that stand sealed, which do not: a short list, each with its reason. It may only shrink.
//!
//! Numbers by which rows are joined or ordered need no entry: they say nothing by themselves.

/// A column that stands open although its class is sealed.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// Why, and what that tells somebody who reads the disk.
    pub reason: &'static str,
}

const fn open(table: &'static str, column: &'static str, reason: &'static str) -> Exception {
    Exception { table, column, reason }
}

/// All of them.
pub const EXCEPTIONS: &[Exception] = &[
    open(
        "devices",
        "device_id",
        "every request about a device names it; it is random letters, and stands in other people's key queries",
    ),
    open("devices", "created_ts", "old devices that never encrypted are found by it; it tells when somebody signed in"),
    open("receipts", "kind", "a private receipt must not be sent to others, whoever asks; it is one of three words"),
    open(
        "receipts",
        "thread",
        "a receipt is replaced by the next of its thread; it tells which threads somebody reads",
    ),
    open("receipts", "ts", "it is sent to others with the receipt; it tells when somebody read a message"),
    open("waiting_receipts", "thread", "it becomes a receipt of that thread when its event comes, within a day"),
    open("waiting_receipts", "ts", "it becomes the receipt's time when its event comes, within a day"),
    open("own_counts", "notify", "unread counts are added up from it in every sync"),
    open(
        "own_counts",
        "highlight",
        "unread counts are added up from it in every sync; it tells who was mentioned where",
    ),
];
