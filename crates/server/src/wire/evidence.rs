//! Evidence: where its documents lie, and what the operator declares.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use domicile_app::{
    accounts::{Accounts, Devices, Users},
    evidence::{
        AccessLog, Audits, AuditsParts, Declared, Documents, Erasures, ErasuresParts, Exports, ExportsParts, Ledger,
        Witness, WitnessParts, ledger::OuterTally, program::Place,
    },
    jobs::Jobs,
    media::SealedBlobs,
    residency::Localities,
    standing::{self, KeptEvidence},
};
use domicile_core::{config::Config, region::Region};
use domicile_http::admin;
use domicile_store::{Blobs, Store};

use super::{Surroundings, deployment::OwnLink};

/// The folder of signed documents, in the data folder.
const FOLDER: &str = "evidence";
/// The file of the key that signs them.
const KEY: &str = "audit.key";

/// The services of evidence that need no other service.
pub(super) struct Evidence {
    pub(super) audits: Arc<Audits>,
    pub(super) witness: Arc<Witness>,
    pub(super) access_log: Arc<AccessLog>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) documents: Arc<Documents>,
}

/// What the others need.
pub(super) type People = (Arc<Users>, Arc<Devices>, Arc<Accounts>, Arc<Jobs>);

impl Evidence {
    /// What papers for authorities rest on.
    pub(super) fn kept(&self, surroundings: &Surroundings) -> Arc<dyn standing::Evidence> {
        Arc::new(KeptEvidence::new(Arc::clone(&self.documents), Arc::clone(&surroundings.clock)))
    }

    /// All of it, with what is done with all that is held about one person. Files have `largest_file` bytes at most.
    pub(super) async fn of_people(
        &self,
        store: &Store,
        (users, devices, accounts, jobs): People,
        largest_file: u64,
        surroundings: &Surroundings,
    ) -> anyhow::Result<admin::Evidence> {
        let files = Blobs::open(surroundings.media.clone()).await.context("cannot open the folder of media")?;
        let keystore = || Arc::clone(&surroundings.keystore);
        let exports = Exports::new(ExportsParts {
            store: store.clone(),
            keystore: keystore(),
            blobs: Arc::new(SealedBlobs::new(files.clone(), keystore(), largest_file)),
            users,
            devices,
            access_log: Arc::clone(&self.access_log),
            documents: Arc::clone(&self.documents),
            clock: Arc::clone(&surroundings.clock),
            rng: Arc::clone(&surroundings.rng),
        });
        let erasures = Erasures::new(ErasuresParts {
            store: store.clone(),
            keystore: keystore(),
            files,
            accounts,
            jobs,
            access_log: Arc::clone(&self.access_log),
            documents: Arc::clone(&self.documents),
        });
        Ok(admin::Evidence {
            audits: Arc::clone(&self.audits),
            witness: Arc::clone(&self.witness),
            access_log: Arc::clone(&self.access_log),
            exports: Arc::new(exports),
            erasures: Arc::new(erasures),
            ledger: Arc::clone(&self.ledger),
        })
    }
}

pub(super) fn wire(
    declared: Declared,
    store: &Store,
    localities: &Arc<Localities>,
    (cells, told): (Option<&OwnLink>, &Arc<OuterTally>),
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
    let clock = || Arc::clone(&surroundings.clock);
    let access_log = Arc::new(AccessLog::new(store.clone(), Arc::clone(&surroundings.keystore), clock()));
    let region = cells.map_or_else(Region::only, |cells| cells.own.region().clone());
    let (region, basis) = (region.as_str().to_owned(), declared.outer_basis.clone());
    let among_others = cells.map(|cells| (Arc::clone(&cells.own), Arc::clone(&cells.link)));
    let ledger = Arc::new(Ledger::new(store.clone(), clock(), region, basis, among_others, Arc::clone(told)));
    let audits = Arc::new(Audits::new(AuditsParts {
        access_log: Arc::clone(&access_log),
        ledger: Arc::clone(&ledger),
        store: store.clone(),
        keystore: Arc::clone(&surroundings.keystore),
        localities: Arc::clone(localities),
        documents: Arc::clone(&documents),
        declared,
        clock: Arc::clone(&surroundings.clock),
        rng: Arc::clone(&surroundings.rng),
    }));
    let witness = Arc::new(Witness::new(WitnessParts {
        store: store.clone(),
        documents: Arc::clone(&documents),
        ledger: Arc::clone(&ledger),
        localities: Arc::clone(localities),
        clock: clock(),
        link: cells.map(|cells| Arc::clone(&cells.link)),
    }));
    Evidence { audits, witness, access_log, ledger, documents }
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
        processors: config.evidence.processors.clone(),
        outer_basis: config.evidence.outer_basis.clone(),
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
