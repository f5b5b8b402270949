//! A test server on new disks, from a backup.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::{path::Path, sync::Arc};

use domicile_app::admin::WantedBackup;
use domicile_core::{
    clock::{Clock as _, ManualClock},
    rng::{OsRng, SeededRng},
};
use domicile_http::router::Apis;
pub use domicile_store::backup::Backup;
use domicile_store::{
    StoreError,
    backup::{self, Identity, RestoreOptions},
    table::users,
};
use ruma::UserId;

use super::{TestServer, wire};

/// The key of the operator's drawer, which opens all backups of tests.
pub fn drawer() -> Identity {
    Identity::generate(&SeededRng::new(5))
}

impl TestServer {
    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A backup of the server as it is now.
    pub async fn back_up(&self, folder: &Path) -> Backup {
        let recipients = vec![drawer().recipient().to_string()];
        let wanted = WantedBackup { folder: folder.to_owned(), recipients, keep_days: Some(30), place: None };
        self.admin.backups.create(wanted).await.expect("a backup")
    }

    /// Whether somebody was erased here.
    pub async fn is_erased(&self, user_id: &UserId) -> bool {
        let wanted = user_id.to_string();
        let read = self.store.read(move |snapshot| async move { users::is_erased(&snapshot, &wanted).await });
        read.await.expect("the user can be read")
    }

    /// How many vaults are kept here of people who have left, and how many files of theirs.
    pub async fn kept(&self) -> (i64, i64) {
        let read = self.store.read(|snapshot| async move {
            let vaults = snapshot.query_one("SELECT COUNT(*) FROM kept_vaults", &[]).await?.int(0)?;
            let files = snapshot.query_one("SELECT COUNT(*) FROM kept_files", &[]).await?.int(0)?;
            Ok::<_, StoreError>((vaults, files))
        });
        read.await.expect("they can be counted")
    }

    /// The same server on new disks, from a backup. It is fenced until its restorer has done what is to be done; users are to be asked for anew.
    pub async fn restored(self, backup: &Backup) -> Self {
        let Self { clock, mut users, stopping, telling, settings, front, .. } = self;
        drop(stopping);
        if let Some(telling) = telling {
            telling.await.expect("the telling of others ends");
        }
        let (folder, database) = (tempfile::tempdir().expect("a temporary folder"), wire::database());
        let (store, keystore_into) = wire::places(folder.path(), database.as_ref());
        let options = RestoreOptions {
            data: backup.data.clone(),
            keystore: Some(backup.keystore.clone()),
            identity: drawer(),
            store,
            keystore_into,
            media: folder.path().join("media"),
            work: folder.path().to_owned(),
            now_ms: clock.now_ms(),
        };
        backup::restore(options, Arc::new(OsRng), Arc::new(|_| {})).await.expect("it is restored");
        let (store, keystore) = wire::open(folder.path(), database.as_ref(), &clock).await;
        let own_clock = Arc::<ManualClock>::clone(&clock);
        let (wired, stopping, telling) =
            wire::wire(folder.path(), store, Arc::clone(&keystore), own_clock, (*settings).clone()).await;
        let router = domicile_http::router::api(wired.services.clone(), Apis::ALL);
        for user in users.values_mut() {
            user.router = router.clone();
        }
        if let Some(front) = &front {
            front.show(router.clone());
        }
        Self {
            router,
            services: wired.services,
            admin: wired.admin,
            jobs: wired.jobs,
            moves: wired.moves,
            link: wired.link,
            store: wired.store,
            keystore,
            clock,
            gateways: wired.gateways,
            outbound: wired.outbound,
            ingest: wired.ingest,
            completion: wired.completion,
            telling,
            users,
            stopping,
            settings,
            front,
            folder,
            database,
        }
    }
}
