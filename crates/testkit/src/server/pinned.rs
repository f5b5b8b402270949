//! What a cell remembers of the keys of other cells' people.

use domicile_store::{
    StoreError,
    table::{pinned_keys, unsigned_devices, users},
};

use super::TestServer;

impl TestServer {
    /// The master key that is pinned of somebody, and the devices of theirs that are known to be unsigned.
    pub async fn pinned(&self, user_id: &str) -> (Option<String>, Vec<String>) {
        let user_id = user_id.to_owned();
        let read = self.store.read(move |snapshot| async move {
            let Some(user) = users::by_id(&snapshot, &user_id).await? else { return Ok((None, Vec::new())) };
            let pin = pinned_keys::of_users(&snapshot, [user.user_num]).await?.into_iter().next();
            let devices = unsigned_devices::of_users(&snapshot, [user.user_num]).await?;
            let devices = devices.into_iter().map(|device| device.device_id).collect();
            Ok::<_, StoreError>((pin.map(|pin| pin.master_key), devices))
        });
        read.await.expect("what is pinned")
    }
}
