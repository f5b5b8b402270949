//! A deployment in this process: several cells under one name, each a whole server, with a border between them that a test can close.
//!
//! ```text
//! let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
//! cluster.cut();
//! ```

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

mod border;
mod forger;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use domicile_core::{clock::MINUTE_MS, locality::CellName, region::Region, rng::OsRng};
use domicile_http::{
    forwarded::Proxies,
    listener::{Bound, Certificate},
    router,
};
use domicile_residency::deployment::{
    SecretKey,
    edit::{self, NewCell},
    sign,
};
use ruma::{ServerName, server_name};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::server::{Settings, TestServer, TestUser};

use border::Border;
pub use forger::{Forger, Request};

/// The name of every cluster.
pub fn deployment_name() -> &'static ServerName {
    server_name!("example.org")
}

/// Several cells.
pub struct Cluster {
    cells: BTreeMap<String, TestServer>,
    borders: BTreeMap<String, Border>,
    keys: BTreeMap<String, SecretKey>,
    root: SecretKey,
    document: String,
    /// Ends the listeners.
    listening: BTreeMap<String, DropGuard>,
    folder: tempfile::TempDir,
}

impl Cluster {
    /// A cell in each region, called like the region and `1`, between which encrypted messages cross, and receipts and typing. The first cell
    /// decides whose a name is.
    pub async fn of(regions: &[&str]) -> Self {
        Self::with_flow(regions, "encrypted_only").await
    }

    /// The same with another rule between all regions.
    pub async fn with_flow(regions: &[&str], rule: &str) -> Self {
        let names: Vec<(String, &str)> = regions.iter().map(|region| (format!("{region}1"), *region)).collect();
        let cells: Vec<(&str, &str)> = names.iter().map(|(name, region)| (name.as_str(), *region)).collect();
        Self::of_cells(&cells, rule).await
    }

    /// Cells, each with its region; a region may have several.
    pub async fn of_cells(cells: &[(&str, &str)], rule: &str) -> Self {
        let mut cluster = Self::begin(cells, rule).await;
        for (name, _) in cells {
            cluster.start(name).await;
        }
        cluster
    }

    async fn begin(cells: &[(&str, &str)], rule: &str) -> Self {
        let (mut borders, mut keys, mut document) = (BTreeMap::new(), BTreeMap::new(), String::new());
        let regions: BTreeSet<&str> = cells.iter().map(|(_, region)| *region).collect();
        for (name, region) in cells {
            let name = (*name).to_owned();
            let (border, key) = (Border::open().await, SecretKey::new(&OsRng));
            let cell = CellName::parse(&name).expect("a cell's name");
            let region = Region::try_from((*region).to_owned()).expect("a region's name");
            let inner_url = Url::parse(&format!("https://{}", border.address())).expect("an address");
            let client_url = Url::parse(&format!("https://{name}.example.org")).expect("an address");
            let public = key.public();
            let new =
                NewCell { name: &cell, region: &region, client_url: &client_url, inner_url: &inner_url, key: &public };
            document = if document.is_empty() {
                edit::begin(deployment_name(), &new)
            } else {
                edit::add_cell(&document, &new).expect("one cell more")
            };
            borders.insert(name.clone(), border);
            keys.insert(name, key);
        }
        let crossing = "crossing = { receipts = \"cross\", typing = \"cross\" }\n";
        document = document.replace("outer = \"forbid\"\n", &format!("outer = \"forbid\"\n{crossing}"));
        for (from, to) in regions.iter().flat_map(|from| regions.iter().map(move |to| (from, to))) {
            if from != to {
                document = format!("{document}\n[[flow]]\nfrom = \"{from}\"\nto = \"{to}\"\nrule = \"{rule}\"\n");
            }
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = SecretKey::new(&OsRng);
        Self { cells: BTreeMap::new(), borders, keys, root, document, listening: BTreeMap::new(), folder }
    }

    /// The settings of a cell, with the files that they name.
    fn settings(&self, name: &str) -> Settings {
        let file = self.folder.path().join(format!("{name}.toml"));
        let key_file = self.folder.path().join(format!("{name}.key"));
        fs::write(&file, sign::sign(&self.document, &self.root)).expect("a file");
        write_key(&key_file, &self.keys[name]);
        let mut settings = Settings { server_name: deployment_name().to_owned(), tells: true, ..Settings::default() };
        let deployment = &mut settings.config.deployment;
        deployment.file = file.display().to_string();
        name.clone_into(&mut deployment.cell);
        deployment.root_key = self.root.public().to_string();
        deployment.key_file = key_file.display().to_string();
        settings
    }

    /// Starts a cell that does not run yet.
    async fn start(&mut self, name: &str) {
        let server = TestServer::with_settings(self.settings(name)).await;
        self.listen(name, &server).await;
        self.cells.insert(name.to_owned(), server);
    }

    async fn listen(&mut self, name: &str, server: &TestServer) {
        let link = server.link.as_ref().expect("a cell of a deployment");
        let certificate = Certificate::of_cell(link.server_config().expect("a key"));
        let bound = Bound::bind("127.0.0.1:0", 0, Some(certificate), Proxies::default()).await.expect("a port");
        self.borders[name].lead_to(bound.address().expect("an address"));
        let stopping = CancellationToken::new();
        tokio::spawn(bound.serve(router::inner_api(server.services.clone()), stopping.clone()));
        self.listening.insert(name.to_owned(), stopping.drop_guard());
    }

    /// Believes a cell no more. It goes on as it was, as one that was stolen would.
    pub async fn revoke(&mut self, cell: &str) {
        let name = CellName::parse(cell).expect("a cell's name");
        Box::pin(self.change(|document| edit::revoke_cell(document, &name, None).expect("one cell less"))).await;
    }

    /// Changes the document, of which `change` gets the text without a signature; all cells of it start again with the new one.
    pub async fn change(&mut self, change: impl FnOnce(&str) -> String) {
        self.document = change(&self.document);
        for name in self.cells.keys().cloned().collect::<Vec<_>>() {
            let Some(server) = self.cells.remove(&name) else { continue };
            if !self.document.contains(&format!("[[cell]]\nname = \"{name}\"")) {
                // It goes on as it was, as a stolen one would.
                self.cells.insert(name, server);
                continue;
            }
            drop(self.listening.remove(&name));
            let server = Box::pin(server.restart_with(self.settings(&name))).await;
            self.listen(&name, &server).await;
            self.cells.insert(name, server);
        }
    }

    /// One account more in a cell.
    #[must_use]
    pub async fn with_user(mut self, cell: &str, localpart: &str) -> Self {
        let server = self.cells.remove(cell).expect("a cell").with_user(localpart).await;
        self.cells.insert(cell.to_owned(), server);
        self
    }

    /// A cell.
    pub fn cell(&self, name: &str) -> &TestServer {
        &self.cells[name]
    }

    /// Somebody in a cell.
    pub fn user(&self, cell: &str, localpart: &str) -> TestUser {
        self.cell(cell).user(localpart)
    }

    /// Closes every border: connections break, and no new one comes about.
    pub fn cut(&self) {
        self.borders.values().for_each(|border| border.set_open(false));
    }

    /// Opens the borders again. Time passes meanwhile, so that whoever was left alone is tried again.
    pub fn heal(&self) {
        self.borders.values().for_each(|border| border.set_open(true));
        self.pass(30 * MINUTE_MS);
    }

    /// Lets time pass everywhere, in milliseconds.
    pub fn pass(&self, ms: i64) {
        self.cells.values().for_each(|cell| cell.clock.advance(ms));
    }

    /// Somebody who has a cell's key, or one that they made up, and asks another cell in the name of whomever they like.
    pub fn forger(&self, key: Option<&str>, to: &str) -> Forger {
        let key = key.map_or_else(|| SecretKey::new(&OsRng), |cell| self.keys[cell].clone());
        let url = format!("https://{}", self.borders[to].address());
        Forger::new(key, to, &url, &self.keys[to].public())
    }
}

fn write_key(path: &Path, key: &SecretKey) {
    fs::write(path, &*key.to_secret_text()).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
}
