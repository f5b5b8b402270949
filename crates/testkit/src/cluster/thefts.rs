//! What somebody writes into the database of a cell that they stole, and a cell that takes connections and says nothing.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use domicile_store::{Batch, params};
use tokio::net::TcpListener;

use super::Cluster;

impl Cluster {
    /// Lets an alias that is another cell's lead to the room of one of the cell's own, behind the directory's back.
    pub async fn pretend_alias(&self, cell: &str, alias: &str, own: &str) {
        let mut batch = Batch::new();
        batch.push(
            "INSERT INTO aliases (alias, room_num, creator_num) SELECT $1, room_num, creator_num FROM aliases WHERE alias = $2",
            params![alias, own],
        );
        self.cell(cell).store.write(batch).await.expect("a write");
    }

    /// Makes all tokens of the cell, with which people prove who they are, somebody else's.
    pub async fn pretend_tokens(&self, cell: &str, user_id: &str) {
        let mut batch = Batch::new();
        batch.push(
            "UPDATE openid_tokens SET user_num = (SELECT user_num FROM users WHERE user_id = $1)",
            params![user_id],
        );
        self.cell(cell).store.write(batch).await.expect("a write");
    }

    /// From now on the border of a cell takes connections, and nobody behind it says anything, for as long as what this gives is held.
    pub async fn silence(&self, cell: &str) -> TcpListener {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        self.borders[cell].lead_to(listener.local_addr().expect("an address"));
        listener
    }
}
