//! The keystore on both engines: keys last, are destroyed for good, and survive a change of the master key.

use std::{fs, sync::Arc};

use domicile_core::{ids::UserNum, rng::OsRng};
use domicile_store::{Keystore, KeystoreOptions, KeystorePlace, MasterSource, StoreError};

use crate::fixture::{Place, on_both};

fn options(place: &Place, master: MasterSource) -> KeystoreOptions {
    let place = match place {
        Place::Sqlite(folder) => KeystorePlace::Sqlite { path: folder.path().join("keystore.db") },
        Place::Postgres(database) => KeystorePlace::Postgres { url: database.address() },
    };
    KeystoreOptions { place, master, cached: 4 }
}

async fn open(place: &Place, master: &MasterSource) -> Result<Keystore, StoreError> {
    Keystore::open(options(place, master.clone()), Arc::new(OsRng), 1_000).await
}

on_both! {
    async fn keys_last_and_are_destroyed_for_good(place: Place) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let master = MasterSource::File(folder.path().join("master.key"));
        let keystore = open(&place, &master).await.expect("the keystore opens");
        let mut sealed = Vec::new();
        for number in 1..20 {
            let key = keystore.create(UserNum(number)).await.expect("a key");
            sealed.push(key.seal("test", b"secret").expect("it is sealed"));
        }
        assert!(keystore.key_of(UserNum(99)).await.is_err());
        let again = keystore.create(UserNum(1)).await.expect("the same key");
        assert_eq!(again.open("test", &sealed[0]).expect("it opens"), b"secret");
        let index = keystore.blind_index("mail", b"a@example.org");
        keystore.destroy(UserNum(2)).await.expect("the key is destroyed");
        assert!(matches!(keystore.key_of(UserNum(2)).await, Err(StoreError::Sealed(_))));
        keystore.close().await;
        let keystore = open(&place, &master).await.expect("the keystore opens again");
        assert_eq!(keystore.blind_index("mail", b"a@example.org"), index);
        for number in (1..20).filter(|number| *number != 2) {
            let key = keystore.key_of(UserNum(number)).await.expect("the key is there");
            let at = usize::try_from(number - 1).expect("small");
            assert_eq!(key.open("test", &sealed[at]).expect("it opens"), b"secret");
        }
        assert!(keystore.key_of(UserNum(2)).await.is_err());
        let other = keystore.create(UserNum(2)).await.expect("a new key");
        assert!(other.open("test", &sealed[1]).is_err(), "a new key must not be the old one");
    }

    async fn the_master_key_is_replaced(place: Place) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("master.key");
        let master = MasterSource::File(path.clone());
        let keystore = open(&place, &master).await.expect("the keystore opens");
        let sealed = keystore.create(UserNum(1)).await.expect("a key").seal("test", b"secret").expect("it is sealed");
        let old = fs::read_to_string(&path).expect("the master key");
        keystore.rotate(2_000).await.expect("the master key is replaced");
        assert_eq!(keystore.master_created_ts(), Some(2_000));
        assert_eq!(keystore.key_of(UserNum(1)).await.expect("a key").open("test", &sealed).expect("it opens"), b"secret");
        let after = keystore.create(UserNum(2)).await.expect("a key").seal("test", b"later").expect("it is sealed");
        let new = fs::read_to_string(&path).expect("the master key");
        assert_eq!(new.lines().count(), 1);
        assert!(!new.contains(old.trim()));
        keystore.close().await;

        // The old master key opens nothing any more.
        rewrite(&path, &old);
        assert!(open(&place, &master).await.is_err());
        // Interrupted between the two: both are in the file, some keys are wrapped under the old one.
        rewrite(&path, &format!("{old}{new}"));
        let keystore = open(&place, &master).await.expect("the change is finished");
        assert_eq!(keystore.key_of(UserNum(2)).await.expect("a key").open("test", &after).expect("it opens"), b"later");
        assert_eq!(fs::read_to_string(&path).expect("the master key"), old);
        keystore.close().await;
        rewrite(&path, &new);
        assert!(open(&place, &master).await.is_err());
        // And without any there is a clear word, and no new one that would lock everybody out.
        fs::remove_file(&path).expect("the file is there");
        let error = open(&place, &master).await.err().expect("it must be refused").to_string();
        assert!(error.contains("missing"), "{error}");
        assert!(!path.exists());
    }

    async fn a_master_key_is_given(place: Place) {
        let keystore = open(&place, &MasterSource::Given(vec![[1; 32]])).await.expect("the keystore opens");
        let sealed = keystore.create(UserNum(1)).await.expect("a key").seal("test", b"secret").expect("it is sealed");
        assert!(keystore.rotate(1).await.is_err());
        keystore.close().await;
        assert!(open(&place, &MasterSource::Given(vec![[2; 32]])).await.is_err());
        let keystore = open(&place, &MasterSource::Given(vec![[2; 32], [1; 32]])).await.expect("it is replaced");
        keystore.close().await;
        let keystore = open(&place, &MasterSource::Given(vec![[2; 32]])).await.expect("the keystore opens");
        assert_eq!(keystore.key_of(UserNum(1)).await.expect("a key").open("test", &sealed).expect("it opens"), b"secret");
    }
}

/// Changes the file and keeps who may read it.
fn rewrite(path: &std::path::Path, text: &str) {
    fs::write(path, text).expect("the file can be written");
}

#[cfg(unix)]
#[tokio::test]
async fn a_master_key_that_others_may_read_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::sqlite();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("master.key");
    let master = MasterSource::File(path.clone());
    open(&place, &master).await.expect("the keystore opens").close().await;
    assert_eq!(fs::metadata(&path).expect("the file").permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("the mode is set");
    let error = open(&place, &master).await.err().expect("it must be refused").to_string();
    assert!(error.contains("chmod 600"), "{error}");
}
