//! Evidence: where its documents lie, and what the operator declares.

use std::{path::Path, sync::Arc};

use domicile_app::{
    evidence::{Audits, AuditsParts, Declared, Documents, program::Place},
    residency::Localities,
};
use domicile_core::config::Config;
use domicile_store::Store;

use super::Surroundings;

/// The folder of signed documents, in the data folder.
const FOLDER: &str = "evidence";
/// The file of the key that signs them.
const KEY: &str = "audit.key";

/// The services of evidence.
pub(super) struct Evidence {
    pub(super) audits: Arc<Audits>,
}

pub(super) fn wire(
    declared: Declared,
    store: &Store,
    localities: &Arc<Localities>,
    surroundings: &Surroundings,
) -> Evidence {
    let data = surroundings.media.parent().unwrap_or(Path::new("."));
    let documents = Arc::new(Documents::new(
        data.join(FOLDER),
        data.join(KEY),
        localities.server_name().to_string(),
        Arc::clone(&surroundings.clock),
        Arc::clone(&surroundings.rng),
    ));
    let audits = Arc::new(Audits::new(AuditsParts {
        store: store.clone(),
        keystore: Arc::clone(&surroundings.keystore),
        localities: Arc::clone(localities),
        documents: Arc::clone(&documents),
        declared,
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
    }));
    Evidence { audits }
}

/// What a configuration declares of the places of data.
pub(super) fn declared(config: &Config) -> Declared {
    let data = Path::new(&config.server.data_dir);
    let shown = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    let place = |what: &str, place: String, classes: &[&str]| Place {
        what: what.to_owned(),
        place,
        classes: classes.iter().map(|class| (*class).to_owned()).collect(),
    };
    let all = &["account", "profile", "device", "keys", "activity", "content", "room", "directory", "operational"];
    let on_sqlite = config.database.url.is_empty();
    let (database, keystore) = if on_sqlite {
        (shown(&data.join("domicile.db")), shown(&data.join("keystore.db")))
    } else {
        let address = without_credentials(&config.database.url);
        (address.clone(), format!("{address} (schema keystore)"))
    };
    Declared {
        engine: if on_sqlite { "sqlite" } else { "postgresql" },
        storage: vec![
            place("database", database, all),
            place("keystore: keys of people's own, wrapped", keystore, &["keys"]),
            place("master key of the keystore", shown(&data.join("master.key")), &["keys"]),
            place("media, sealed", shown(&super::media_folder(config)), &["media"]),
            place("cache of other servers' media, sealed", shown(&data.join("remote-media")), &["media"]),
            place("signed documents", shown(&data.join(FOLDER)), &["operational"]),
            place("log", "standard error of the process".to_owned(), &["operational"]),
        ],
    }
}

/// A database's address without user name and password, whichever of the two ways it is written in.
fn without_credentials(url: &str) -> String {
    if let Some((scheme, rest)) = url.split_once("://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // Parameters may hold a password, too.
        let path = path.split('?').next().unwrap_or_default();
        return format!("{scheme}://{host}/{path}");
    }
    let told =
        url.split_whitespace().filter(|pair| ["host=", "port=", "dbname="].iter().any(|key| pair.starts_with(key)));
    told.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_credentials() {
        for (url, shown) in [
            (
                "postgres://user:s3cret@db.example.org:5432/domicile?password=s3cret",
                "postgres://db.example.org:5432/domicile",
            ),
            ("postgresql://db/domicile", "postgresql://db/domicile"),
            ("host=/run/postgresql user=x password=s3cret dbname=domicile", "host=/run/postgresql dbname=domicile"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
