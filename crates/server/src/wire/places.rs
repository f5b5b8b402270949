//! Where a configuration keeps what.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use domicile_core::{clock::Clock, config::Config, rng};
use domicile_store::{Keystore, KeystoreOptions, KeystorePlace, MasterSource, StoreOptions};

/// Where the database of a configuration is.
pub fn store_options(config: &Config) -> StoreOptions {
    let readers = usize::try_from(config.database.readers).unwrap_or(4);
    if config.database.url.is_empty() {
        StoreOptions::Sqlite { path: Path::new(&config.server.data_dir).join("domicile.db"), readers }
    } else {
        StoreOptions::Postgres { url: config.database.url.clone(), readers }
    }
}

/// Where the media of a configuration lie.
pub fn media_folder(config: &Config) -> PathBuf {
    Path::new(&config.server.data_dir).join("media")
}

/// Where the keystore of a configuration is: a file beside the database, or a schema of it.
pub fn keystore_options(config: &Config) -> KeystoreOptions {
    let folder = Path::new(&config.server.data_dir);
    let place = if config.database.url.is_empty() {
        KeystorePlace::Sqlite { path: folder.join("keystore.db") }
    } else {
        KeystorePlace::Postgres { url: config.database.url.clone() }
    };
    KeystoreOptions { place, master: MasterSource::File(folder.join("master.key")), cached: 10_000 }
}

/// Opens the keystore of a configuration.
pub async fn keystore(config: &Config, clock: &dyn Clock) -> anyhow::Result<Arc<Keystore>> {
    let options = keystore_options(config);
    let keystore = Keystore::open(options, Arc::new(rng::OsRng), clock.now_ms()).await;
    Ok(Arc::new(keystore.context("cannot open the keystore")?))
}
