//! The moment in which the database says already that somebody's home is another cell, and this one in memory not yet.

use domicile_store::{Batch, params};

use super::{TestServer, TestUser};

impl TestServer {
    /// Lets the database say that somebody has their account here, or has not.
    pub async fn set_local(&self, user: &TestUser, is_local: bool) {
        let mut batch = Batch::new();
        batch.push("UPDATE users SET is_local = $2 WHERE user_id = $1", params![user.id(), is_local]);
        self.store.write(batch).await.expect("a row of users is written");
    }
}
