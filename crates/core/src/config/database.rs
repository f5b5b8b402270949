//! The database.

use super::section::section;

section! {
    /// The database.
    Database = "database" {
        /// Empty: SQLite in the data folder. Or PostgreSQL: `postgres://user:password@host/database`.
        @secret url: String = String::new();
        /// Readers at once.
        readers: u32 = 4;
    }
}
