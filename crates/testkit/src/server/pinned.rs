//! What a cell knows and remembers of the keys of other cells' people.

use domicile_store::{
    StoreError,
    table::{device_list_copies, pinned_keys, unsigned_devices, users},
};

use super::TestServer;

impl TestServer {
    /// Whether all that is known of somebody's devices has been fetched.
    pub async fn has_whole_copy(&self, user_id: &str) -> bool {
        let user_id = user_id.to_owned();
        let read = self.store.read(move |snapshot| async move {
            let Some(user) = users::by_id(&snapshot, &user_id).await? else { return Ok(false) };
            let copies = device_list_copies::of_users(&snapshot, [user.user_num]).await?;
            Ok::<_, StoreError>(copies.iter().all(|copy| !copy.is_stale && copy.fetched_ts.is_some()))
        });
        read.await.expect("the copy")
    }

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
