//! What another server tells beside events, told to a test server by hand, and what waits for others in their turn.

use ruma::serde::Raw;
use serde_json::{Value, json, value::to_raw_value};

use super::TestServer;

impl TestServer {
    /// Takes EDUs of another server, each of a type and with a content.
    pub async fn hear<'a>(&self, origin: &str, edus: impl IntoIterator<Item = (&'a str, Value)>) {
        let edus = edus.into_iter().map(|(edu_type, content)| {
            let edu = json!({ "edu_type": edu_type, "content": content });
            Raw::from_json(to_raw_value(&edu).expect("JSON"))
        });
        let origin = origin.try_into().expect("a server name");
        self.services.edus.receive(origin, edus.collect()).await.expect("EDUs that are taken");
    }

    /// EDUs that wait for other servers: the server, the type and the content, in order.
    pub async fn outgoing_edus(&self) -> Vec<(String, String, Value)> {
        let read = self.store.read(|snapshot| async move {
            let sql = "SELECT d.destination, e.kind, e.content FROM outgoing_edus e
                       JOIN destinations d ON d.destination_num = e.destination_num ORDER BY e.edu_num";
            let mut found = Vec::new();
            for row in snapshot.query(sql, &[]).await? {
                let content = serde_json::from_str(row.text(2)?).expect("JSON");
                found.push((row.text(0)?.to_owned(), row.text(1)?.to_owned(), content));
            }
            Ok::<_, domicile_store::StoreError>(found)
        });
        read.await.expect("what waits")
    }

    /// How many messages lie in the inboxes of a user's devices.
    pub async fn inbox_of(&self, user_id: &str) -> i64 {
        let user_id = user_id.to_owned();
        let read = self.store.read(move |snapshot| async move {
            let sql = "SELECT COUNT(*) FROM to_device_messages m JOIN devices d ON d.device_num = m.device_num
                       JOIN users u ON u.user_num = d.user_num WHERE u.user_id = $1";
            snapshot.query_one(sql, &domicile_store::params![user_id.as_str()]).await?.int(0)
        });
        read.await.expect("a count")
    }
}
