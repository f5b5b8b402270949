//! Backup and restore on both engines: a running cell comes back, and what was used or revoked does not.

use std::{fs, path::Path, sync::Arc};

use domicile_core::{
    ids::UserNum,
    rng::{OsRng, SeededRng},
};
use domicile_store::{
    Batch, BlobId, Blobs, Keystore, KeystoreOptions, KeystorePlace, MasterSource, Store, StoreError,
    backup::{self, BackupError, BackupOptions, Identity, OnProgress, RestoreOptions, Restored},
    params,
};
use tempfile::TempDir;

use crate::fixture::{Place, get_now, on_both, put};

/// A cell with its three stores.
struct Cell {
    folder: TempDir,
    place: Place,
}

impl Cell {
    fn new(place: Place) -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder"), place }
    }

    /// Of the same engine.
    fn another(&self) -> Self {
        Self::new(match self.place {
            Place::Sqlite(_) => Place::sqlite(),
            Place::Postgres(_) => Place::postgres(),
        })
    }

    fn keystore_options(&self) -> KeystoreOptions {
        let place = match &self.place {
            Place::Sqlite(folder) => KeystorePlace::Sqlite { path: folder.path().join("keystore.db") },
            Place::Postgres(database) => KeystorePlace::Postgres { url: database.address() },
        };
        KeystoreOptions { place, master: MasterSource::File(self.folder.path().join("master.key")), cached: 4 }
    }

    async fn open(&self) -> (Store, Keystore, Blobs) {
        let keystore = Keystore::open(self.keystore_options(), Arc::new(OsRng), 0).await.expect("the keystore opens");
        let blobs = Blobs::open(self.folder.path().join("media")).await.expect("the media open");
        (self.place.open().await, keystore, blobs)
    }

    async fn backup(&self, to: &Path, identity: &Identity) -> backup::Backup {
        let (store, keystore, blobs) = self.open().await;
        let backup = backup_of(&store, &keystore, &blobs, self, to, identity, 0).await;
        store.close().await;
        keystore.close().await;
        backup.expect("the backup is made")
    }

    async fn restore(&self, backup: &backup::Backup, identity: Identity) -> Result<Restored, BackupError> {
        let options = RestoreOptions {
            data: backup.data.clone(),
            keystore: Some(backup.keystore.clone()),
            identity,
            store: self.place.options(),
            keystore_into: self.keystore_options(),
            media: self.folder.path().join("media"),
            work: self.folder.path().to_owned(),
            now_ms: 0,
        };
        backup::restore(options, Arc::new(OsRng), quiet()).await
    }
}

fn quiet() -> OnProgress {
    Arc::new(|_| {})
}

async fn backup_of(
    store: &Store,
    keystore: &Keystore,
    blobs: &Blobs,
    cell: &Cell,
    to: &Path,
    identity: &Identity,
    now_ms: i64,
) -> Result<backup::Backup, BackupError> {
    let options = BackupOptions {
        folder: to.to_owned(),
        work: cell.folder.path().to_owned(),
        recipients: vec![identity.recipient()],
        server_name: "example.org".to_owned(),
        now_ms,
        expires_ts: None,
    };
    backup::create(store, keystore, blobs, options, Arc::new(OsRng), quiet()).await
}

/// The same secret, as the operator has it in a drawer.
fn identity() -> Identity {
    Identity::generate(&SeededRng::new(5))
}

async fn upload(keystore: &Keystore, blobs: &Blobs, user_num: UserNum, content: &[u8]) -> BlobId {
    let key = keystore.create(user_num).await.expect("a key");
    let mut writer = blobs.writer(&key, 1_000_000).await.expect("a writer");
    writer.write(content).await.expect("it is written");
    writer.finish().await.expect("it is whole").0
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    let row = store.read(move |snapshot| async move { snapshot.query_one(sql, &[]).await?.int(0) });
    row.await.map_err(|error: StoreError| error).expect("it can be counted")
}

fn life(batch: &mut Batch) {
    let position = batch.position();
    batch.push(
        "INSERT INTO to_device_messages (device_num, position, part, content) VALUES (1, $1, 0, 'waits')",
        vec![position],
    );
    batch.push("INSERT INTO access_tokens (token_hash, device_num) VALUES ($1, 1)", params![vec![1_u8; 32]]);
    batch.push("INSERT INTO refresh_tokens (token_hash, device_num) VALUES ($1, 1)", params![vec![2_u8; 32]]);
    batch.push("INSERT INTO registration_tokens (token, created_ts) VALUES ('planted-token', 0)", params![]);
    batch.push(
        "INSERT INTO one_time_keys (user_num, device_id, algorithm, key_id, key_data, ordinal) VALUES (1, 'D', 'a', 'k', 'planted-key', 1)",
        params![],
    );
    let position = batch.position();
    batch.push("INSERT INTO device_list_changes (user_num, viewer_num, position) VALUES (1, 0, $1)", vec![position]);
    put(batch, "kept", "yes");
}

on_both! {
    async fn a_cell_comes_back(place: Place) {
        let cell = Cell::new(place);
        let files = tempfile::tempdir().expect("a temporary folder");
        let content = b"planted-picture".repeat(20_000);
        let (store, keystore, blobs) = cell.open().await;
        let blob = upload(&keystore, &blobs, UserNum(1), &content).await;
        let sealed = keystore.key_of(UserNum(1)).await.expect("a key").seal("test", b"phone").expect("it is sealed");
        let index = keystore.blind_index("mail", b"a@example.org");
        let mut batch = Batch::new();
        life(&mut batch);
        let last = store.write(batch).await.expect("the rows are new").last();
        // A running cell, which goes on writing.
        let (writer, go_on) = (store.clone(), Arc::new(std::sync::atomic::AtomicBool::new(true)));
        let still = Arc::clone(&go_on);
        let writing = tokio::spawn(async move {
            let mut number = 0;
            while still.load(std::sync::atomic::Ordering::SeqCst) {
                let mut batch = Batch::new();
                put(&mut batch, &format!("left {number}"), "1");
                put(&mut batch, &format!("right {number}"), "1");
                writer.write(batch).await.expect("the rows are new");
                number += 1;
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        });
        let backup = backup_of(&store, &keystore, &blobs, &cell, files.path(), &identity(), 0).await.expect("the backup is made");
        go_on.store(false, std::sync::atomic::Ordering::SeqCst);
        writing.await.expect("the writer ends");
        assert_eq!(backup.media_files, 1);
        assert!(backup.manifest.classes.contains(&"keys".to_owned()));
        store.close().await;
        for path in [&backup.data, &backup.keystore] {
            let bytes = fs::read(path).expect("the backup");
            assert!(bytes.starts_with(b"age-encryption.org/v1\n"));
            assert!(!bytes.windows(7).any(|window| window == b"planted"));
        }
        assert_eq!(fs::read_dir(files.path()).expect("the folder").count(), 2);
        let left: Vec<_> = fs::read_dir(cell.folder.path()).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("backup")), "{left:?}");

        let other = cell.another();
        let restored = other.restore(&backup, identity()).await.expect("it is restored");
        assert_eq!((restored.media_files, restored.keys), (1, 2));
        let (store, keystore, blobs) = other.open().await;
        assert_eq!(get_now(&store, "kept").await.as_deref(), Some("yes"));
        assert_eq!(count(&store, "SELECT COUNT(*) FROM to_device_messages").await, 1);
        let halves = "SELECT COUNT(*) FROM meta WHERE name LIKE 'left %'";
        let others = "SELECT COUNT(*) FROM meta WHERE name LIKE 'right %'";
        assert_eq!(count(&store, halves).await, count(&store, others).await, "a batch was cut in two");
        for gone in [
            "SELECT COUNT(*) FROM access_tokens",
            "SELECT COUNT(*) FROM refresh_tokens",
            "SELECT COUNT(*) FROM registration_tokens",
            "SELECT COUNT(*) FROM one_time_keys",
        ] {
            assert_eq!(count(&store, gone).await, 0, "{gone}");
        }
        // Whatever was given out before lies behind; everybody's devices count as changed.
        let head = count(&store, "SELECT position FROM stream_head").await;
        assert!(head > last.0 + 100_000_000);
        assert_eq!(count(&store, "SELECT position FROM device_list_changes").await, head);
        let fence = get_now(&store, "fence").await.expect("a restored cell is fenced");
        assert!(fence.starts_with("{\"backup_ts\":0,\"restored_ts\":0,\"upto\":") && fence.ends_with('}'), "{fence}");
        assert!(get_now(&store, "incarnation").await.is_some_and(|incarnation| incarnation.len() == 22));
        let mut batch = Batch::new();
        batch.position();
        put(&mut batch, "new", "1");
        assert_eq!(store.write(batch).await.expect("it goes on").last().0, head + 1);
        let key = keystore.key_of(UserNum(1)).await.expect("the key is back");
        assert_eq!(key.open("test", &sealed).expect("it opens"), b"phone");
        assert_eq!(keystore.blind_index("mail", b"a@example.org"), index);
        let reader = blobs.reader(&key, blob).await.expect("the picture is back");
        assert_eq!(reader.read_all().await.expect("it opens"), content);
    }

    async fn it_is_refused_where_it_would_do_harm(place: Place) {
        let cell = Cell::new(place);
        let files = tempfile::tempdir().expect("a temporary folder");
        let backup = cell.backup(files.path(), &identity()).await;
        let refused = async |cell: &Cell, backup: &backup::Backup, identity: Identity| {
            let Err(error) = cell.restore(backup, identity).await else { panic!("it must be refused") };
            error.to_string()
        };
        // Over a cell that is there.
        let text = refused(&cell, &backup, identity()).await;
        assert!(text.contains("already"), "{text}");
        // With another key.
        let text = refused(&cell.another(), &backup, Identity::generate(&SeededRng::new(6))).await;
        assert!(text.contains("another key"), "{text}");
        // With the files confused.
        let confused = backup::Backup { data: backup.keystore.clone(), ..backup.clone() };
        refused(&cell.another(), &confused, identity()).await;
        // Cut short, and changed.
        let whole = fs::read(&backup.data).expect("the backup");
        let damaged = backup::Backup { data: files.path().join("damaged.age"), ..backup.clone() };
        fs::write(&damaged.data, &whole[..whole.len() - 20_000]).expect("a file");
        refused(&cell.another(), &damaged, identity()).await;
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        fs::write(&damaged.data, changed).expect("a file");
        let other = cell.another();
        refused(&other, &damaged, identity()).await;
        // What failed leaves no database that a server would start on.
        if let Place::Sqlite(folder) = &other.place {
            assert!(!folder.path().join("domicile.db").exists());
        }
    }
}

#[tokio::test]
async fn a_backup_needs_somebody_who_can_open_it() {
    let cell = Cell::new(Place::sqlite());
    let (store, keystore, blobs) = cell.open().await;
    let options = BackupOptions {
        folder: cell.folder.path().join("backups"),
        work: cell.folder.path().to_owned(),
        recipients: Vec::new(),
        server_name: "example.org".to_owned(),
        now_ms: 0,
        expires_ts: None,
    };
    let refused = backup::create(&store, &keystore, &blobs, options, Arc::new(OsRng), quiet()).await;
    assert!(refused.expect_err("it must be refused").to_string().contains("public key"));
}
