//! The moment in which the database says already that somebody's home is another cell, and this one in memory not yet.

use domicile_store::{
    Batch, params,
    table::{arrivals, media},
};

use super::{TestServer, TestUser};

impl TestServer {
    /// Lets the database say that somebody has their account here, or has not.
    pub async fn set_local(&self, user: &TestUser, is_local: bool) {
        let mut batch = Batch::new();
        batch.push("UPDATE users SET is_local = $2 WHERE user_id = $1", params![user.id(), is_local]);
        self.store.write(batch).await.expect("a row of users is written");
    }

    /// Loses the list of the files that have come with somebody who is on the way here.
    pub async fn lose_files_of(&self, user: &TestUser) {
        let mut batch = Batch::new();
        arrivals::forget_media(&mut batch, user.id());
        self.store.write(batch).await.expect("rows of arrived_media are removed");
    }

    /// Whether a file is one of this server's own.
    pub async fn has_file(&self, media_id: &str) -> bool {
        let wanted = media_id.to_owned();
        let read = self.store.read(move |snapshot| async move { media::by_id(&snapshot, &wanted).await });
        read.await.expect("rows of media are read").is_some()
    }
}
