//! A deployment in this process: several cells under one name, each a whole server, with a border between them that a test can close.
//!
//! ```text
//! let cluster = Cluster::of(&["eu", "ru"]).await.with_user("eu1", "alice").await.with_user("ru1", "bob").await;
//! cluster.cut();
//! ```
//!
//! The cells' clocks go as everybody's does, and jump when a test says so: whoever was not reached once is tried again in a second or two, whenever
//! that happened.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

mod between;
mod border;
mod clocks;
mod directory;
mod documents;
mod forger;
mod liar;
mod outside;
mod thefts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use domicile_app::accounts::rate_limits::Rate;
use domicile_core::{
    clock::{MINUTE_MS, SECOND_MS},
    locality::CellName,
    region::Region,
    rng::OsRng,
};
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
use domicile_store::backup::Backup;
use ruma::{OwnedServerName, ServerName, server_name};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::server::{Settings, TestServer, TestUser};

pub use between::{Between, Manner};
use border::Border;
pub use forger::{Forger, Request};
pub use liar::Liar;
use outside::Outside;

/// The name of every cluster that other servers do not reach.
pub fn deployment_name() -> &'static ServerName {
    server_name!("example.org")
}

/// More than a cell is left alone that was not reached.
const LONGEST_REST_MS: i64 = 31 * SECOND_MS;

/// What a test makes of a cell's settings, by its name.
type Own = Box<dyn Fn(&str, Settings) -> Settings + Send + Sync>;

/// Several cells.
pub struct Cluster {
    cells: BTreeMap<String, TestServer>,
    borders: BTreeMap<String, Border>,
    keys: BTreeMap<String, SecretKey>,
    former_keys: BTreeMap<String, SecretKey>,
    root: SecretKey,
    document: String,
    name: OwnedServerName,
    /// Where other servers reach the cell that is their gateway.
    outside: Option<Outside>,
    /// What a test wants to be otherwise in a cell.
    own: Own,
    /// Whether its clocks go only when they are moved.
    held: clocks::Held,
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
        Self::with_own(cells, rule, str::to_owned, |_, settings| settings).await
    }

    /// The same with a document of the test's own, which `document` makes of the text that there is, and with settings that `own` makes of those
    /// that there are, for a cell's name. What a deployment needs of these is set afterwards.
    pub async fn with_own(
        cells: &[(&str, &str)],
        rule: &str,
        document: impl FnOnce(&str) -> String,
        own: impl Fn(&str, Settings) -> Settings + Send + Sync + 'static,
    ) -> Self {
        let mut cluster = Self::begin(cells, rule, deployment_name()).await;
        cluster.document = document(&cluster.document);
        cluster.own = Box::new(own);
        for (name, _) in cells {
            cluster.start(name).await;
        }
        cluster
    }

    /// Cells that other servers reach through the first one, under a name that leads to it: to them the deployment is one server. `outer` is what
    /// each region shares with them.
    pub async fn with_gateway(regions: &[&str], rule: &str, outer: &str) -> Self {
        let outside = Outside::open().await;
        let names: Vec<(String, &str)> = regions.iter().map(|region| (format!("{region}1"), *region)).collect();
        let cells: Vec<(&str, &str)> = names.iter().map(|(name, region)| (name.as_str(), *region)).collect();
        let mut cluster = Self::begin(&cells, rule, &outside.name()).await;
        let all: Vec<String> = regions.iter().map(|region| format!("\"{region}\"")).collect();
        let carries = format!("directory = true\ngateway_for = [{}]\n", all.join(", "));
        cluster.document = cluster.document.replace("directory = true\n", &carries);
        cluster.document = cluster.document.replace("outer = \"forbid\"", &format!("outer = \"{outer}\""));
        cluster.outside = Some(outside);
        for (name, _) in &cells {
            cluster.start(name).await;
        }
        cluster.name_outer_key(cells[0].0).await;
        cluster
    }

    /// The name under which others know the deployment.
    pub fn name(&self) -> &ServerName {
        &self.name
    }

    async fn begin(cells: &[(&str, &str)], rule: &str, server_name: &ServerName) -> Self {
        let (mut borders, mut keys, mut document) = (BTreeMap::new(), BTreeMap::new(), String::new());
        let regions: BTreeSet<&str> = cells.iter().map(|(_, region)| *region).collect();
        for (name, region) in cells {
            let name = (*name).to_owned();
            let (border, key) = (Border::open().await, SecretKey::new(&OsRng));
            let (cell, public) = (CellName::parse(&name).expect("a cell's name"), key.public());
            let region = Region::try_from((*region).to_owned()).expect("a region's name");
            let inner_url = Url::parse(&format!("https://{}", border.address())).expect("an address");
            let client_url = Url::parse(&format!("https://{name}.example.org")).expect("an address");
            let new =
                NewCell { name: &cell, region: &region, client_url: &client_url, inner_url: &inner_url, key: &public };
            document = if document.is_empty() {
                edit::begin(server_name, &new)
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
        Self {
            cells: BTreeMap::new(),
            borders,
            keys,
            former_keys: BTreeMap::new(),
            root,
            document,
            name: server_name.to_owned(),
            outside: None,
            own: Box::new(|_, settings| settings),
            held: clocks::Held::default(),
            listening: BTreeMap::new(),
            folder,
        }
    }

    /// The settings of a cell, with the files that they name.
    fn settings(&self, name: &str) -> Settings {
        let file = self.file(name);
        let key_file = self.folder.path().join(format!("{name}.key"));
        fs::write(&file, sign::sign(&self.document, &self.root)).expect("a file");
        write_key(&key_file, &self.keys[name]);
        let settings = (self.own)(name, Settings::default());
        let mut settings = Settings { server_name: self.name.clone(), tells: true, ..settings };
        settings.rate_limits.tokens_elsewhere = Some(Rate { per_second: 1.0, burst: 100 });
        if let Some(outside) = &self.outside {
            settings.egress = outside.egress();
        }
        let deployment = &mut settings.config.deployment;
        deployment.file = file.display().to_string();
        name.clone_into(&mut deployment.cell);
        deployment.root_key = self.root.public().to_string();
        deployment.key_file = key_file.display().to_string();
        deployment.former_key_files = self.former_key_files(name);
        settings
    }

    /// The text of the document by which its cells work, without a signature.
    pub fn document(&self) -> &str {
        &self.document
    }

    /// The root key.
    pub fn root(&self) -> &SecretKey {
        &self.root
    }

    /// The key of a cell.
    pub fn key(&self, cell: &str) -> &SecretKey {
        &self.keys[cell]
    }

    /// Starts a cell that does not run yet.
    async fn start(&mut self, name: &str) {
        let settings = self.settings(name);
        let front = self.outside.as_mut().and_then(Outside::take_front);
        let server = match front {
            Some(front) => TestServer::behind(settings, front).await,
            None => TestServer::with_settings(settings).await,
        };
        self.listen(name, &server).await;
        clocks::start(&server.clock, &self.held);
        self.cells.insert(name.to_owned(), server);
    }

    async fn listen(&mut self, name: &str, server: &TestServer) {
        let link = server.link.as_ref().expect("a cell of a deployment");
        let certificate = Certificate::of_cell(link.admission());
        let bound = Bound::bind("127.0.0.1:0", 0, Some(certificate), Proxies::default()).await.expect("a port");
        self.borders[name].lead_to(bound.address().expect("an address"));
        let stopping = CancellationToken::new();
        tokio::spawn(bound.serve(router::inner_api(server.services.clone()), stopping.clone()));
        self.listening.insert(name.to_owned(), stopping.drop_guard());
    }

    /// Believes a cell no more. It goes on as it was, as one that was stolen would.
    pub async fn revoke(&mut self, cell: &str) {
        Box::pin(self.change(|document| Self::without(document, cell))).await;
    }

    /// Takes a cell that was emptied out of the deployment; another answers for what it left.
    pub async fn retire(&mut self, cell: &str, heir: &str) {
        let [name, heir] = [cell, heir].map(|name| CellName::parse(name).expect("a cell's name"));
        Box::pin(self.change(|document| edit::retire_cell(document, &name, &heir).expect("one cell less"))).await;
        self.cells.remove(cell);
        self.listening.remove(cell);
    }

    /// Changes the document, of which `change` gets the text without a signature; all cells of it start again with the new one.
    pub async fn change(&mut self, change: impl FnOnce(&str) -> String) {
        self.document = change(&self.document);
        for name in self.cells.keys().cloned().collect::<Vec<_>>() {
            // One that is not in it any more goes on as it was, as a stolen one would.
            if self.document.contains(&format!("[[cell]]\nname = \"{name}\"")) {
                self.renew(&name).await;
            }
        }
    }

    /// The file in which a cell looks for its document.
    pub fn file(&self, cell: &str) -> PathBuf {
        self.folder.path().join(format!("{cell}.toml"))
    }

    /// Puts the newest document into a cell's file. What the cell makes of it is its own matter.
    pub fn hand_to(&self, cell: &str) {
        fs::write(self.file(cell), self.signed()).expect("a file");
    }

    /// How many connections have crossed the border to a cell so far.
    pub fn crossings(&self, cell: &str) -> usize {
        self.borders[cell].crossings()
    }

    /// A cell of which nobody hears any more.
    fn stopped(&mut self, name: &str) -> TestServer {
        drop(self.listening.remove(name));
        self.borders[name].lead_nowhere();
        self.cells.remove(name).expect("a cell")
    }

    /// Starts a cell again with the newest document.
    pub async fn renew(&mut self, name: &str) {
        let server = self.stopped(name);
        let server = Box::pin(server.restart_with(self.settings(name))).await;
        self.listen(name, &server).await;
        self.cells.insert(name.to_owned(), server);
    }

    /// Stops a cell and starts it again: what is on disk is as it was, what was in memory is gone.
    pub async fn restart(&mut self, name: &str) {
        let server = self.stopped(name);
        let server = Box::pin(server.restart()).await;
        self.listen(name, &server).await;
        self.cells.insert(name.to_owned(), server);
    }

    /// Stops a cell, and starts it on new disks from a backup. It is fenced until its restorer has done what is to be done.
    pub async fn restore(&mut self, name: &str, backup: &Backup) {
        let server = self.stopped(name);
        let server = Box::pin(server.restored(backup)).await;
        self.listen(name, &server).await;
        self.cells.insert(name.to_owned(), server);
    }

    /// Writes something else into the document, with the next serial; all cells start again with it.
    pub async fn rewrite(&mut self, from: &str, to: &str) {
        Box::pin(self.change(|document| Self::raised(&document.replacen(from, to, 1)))).await;
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

    /// The same for the border of one cell: others do not reach it, and it reaches them.
    pub fn cut_off(&self, cell: &str) {
        self.borders[cell].set_open(false);
    }

    /// Opens the borders again. Time passes meanwhile, so that whoever was left alone is tried again; and a little once more, since an attempt that
    /// was under way may fail yet, and is followed by a rest of its own.
    pub fn heal(&self) {
        self.borders.values().for_each(|border| border.set_open(true));
        self.pass(30 * MINUTE_MS);
        let clocks: Vec<_> = self.cells.values().map(|cell| Arc::clone(&cell.clock)).collect();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            for clock in clocks {
                clock.advance(LONGEST_REST_MS);
            }
        });
    }

    /// Lets more time pass everywhere, in milliseconds.
    pub fn pass(&self, ms: i64) {
        self.cells.values().for_each(|cell| cell.clock.advance(ms));
    }

    /// From now on clocks go only when the test moves them: for what is counted by fractions of a second.
    pub fn hold(&self) {
        *self.held.lock() = true;
    }

    /// Somebody who has a cell's key, or one that they made up, and asks another cell in the name of whomever they like.
    pub fn forger(&self, key: Option<&str>, to: &str) -> Forger {
        let key = key.map_or_else(|| SecretKey::new(&OsRng), |cell| self.keys[cell].clone());
        let url = format!("https://{}", self.borders[to].address());
        Forger::new(&self.name, key, to, &url, &self.keys[to].public())
    }
}

fn serial(document: &str) -> u32 {
    let serial = document.lines().find_map(|line| line.strip_prefix("serial = ")).expect("a serial");
    serial.parse().expect("a number")
}

fn write_key(path: &Path, key: &SecretKey) {
    fs::write(path, &*key.to_secret_text()).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("permissions");
}
