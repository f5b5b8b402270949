//! An audit of a cell in whose database rows of another cell's people are: those that a thief or a mistake could bring, copied from their home.

use std::path::Path;

use domicile_core::ids::{DeviceNum, Position, RoomNum, UserNum};
use domicile_store::{
    Batch, Snapshot, Store, StoreError, params,
    table::{account_data, devices, users},
};
use domicile_testkit::plays::cells::{Cell, Deployment, Plan};
use serde_json::{Value, json};

use super::{super::PROGRAM, opened, rows, text};
use crate::person::{Client, Person};

const CLIENT: Client = Client { from: "192.0.2.1", agent: "a client", device: "telephone" };
const PASSWORD: &str = "correct horse battery staple";
const KIND: &str = "org.example.contact";
/// A number of which a cell with so few people has none.
pub(super) const FREE: i64 = 9_000;

/// What a home has of somebody.
pub(super) struct Vault {
    pub(super) user: users::User,
    content: String,
    position: Position,
    device: devices::Device,
}

impl Vault {
    pub(super) async fn of(home: &Cell, id: &str) -> Self {
        let (store, id) = (store(home).await, id.to_owned());
        let read = async move |snapshot: Snapshot| {
            let user = users::by_id(&snapshot, &id).await?.unwrap();
            let (content, position) = account_data::get_at(&snapshot, user.user_num, RoomNum(0), KIND).await?.unwrap();
            let device = devices::of_user(&snapshot, user.user_num).await?.remove(0);
            Ok::<_, StoreError>(Self { user, content, position, device })
        };
        let vault = store.read(read).await.unwrap();
        store.close().await;
        vault
    }

    /// Writes it into another cell's database, under the number that the person has there, if they have been met there.
    pub(super) async fn plant(&self, cell: &Cell, is_met: bool, number: i64) {
        let (store, id) = (store(cell).await, self.user.user_id.clone());
        let known = store.read(async move |snapshot: Snapshot| users::by_id(&snapshot, &id).await).await.unwrap();
        assert_eq!(known.is_some(), is_met, "{}", self.user.user_id);
        let mut batch = Batch::new();
        let user_num = known.map_or(UserNum(number), |user| user.user_num);
        if !is_met {
            let user = users::User { user_num, is_local: false, password_hash: None, ..self.user.clone() };
            users::insert(&mut batch, &user);
        }
        account_data::set(&mut batch, user_num, RoomNum(0), KIND, &self.content, self.position.0.into());
        let device = devices::Device { device_num: DeviceNum(number), user_num, ..self.device.clone() };
        devices::insert(&mut batch, &device);
        store.write(batch).await.unwrap();
        store.close().await;
    }
}

pub(super) async fn store(cell: &Cell) -> Store {
    opened(cell.database_address(), &cell.data()).await
}

/// An audit: whether it passed, by how the command ended, and what it says.
pub(super) fn audited(cell: &Cell) -> (bool, Value) {
    let output = cell.run(&["audit", "--json"]).unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["body"]["passed"], output.status.success(), "{report}");
    (output.status.success(), report)
}

/// The audit fails, and names each row and whose it is.
fn named(cell: &Cell, vaults: &[Vault]) {
    let (passed, report) = audited(cell);
    let found = report["body"]["foreign"]["named"].as_array().unwrap();
    assert!(!passed && found.len() == 2 * vaults.len(), "{found:?}");
    let shown = cell.run(&["audit"]).unwrap();
    let words = String::from_utf8(shown.stdout).unwrap();
    assert!(!shown.status.success() && String::from_utf8_lossy(&shown.stderr).contains("must not be here"), "{words}");
    for vault in vaults {
        for (table, key) in [("account_data", KIND), ("devices", &vault.device.device_id)] {
            let is_it = |one: &&Value| text(one, "table") == table && text(one, "user") == vault.user.user_id;
            let row =
                found.iter().find(is_it).unwrap_or_else(|| panic!("{table} of {}: {found:?}", vault.user.user_id));
            assert!(text(row, "key").contains(key), "{key}: {row}");
            let line = |line: &str| line.contains(table) && line.contains(&vault.user.user_id);
            assert!(words.lines().any(line), "{table} of {}: {words}", vault.user.user_id);
        }
    }
    for table in ["account_data", "devices"] {
        assert_eq!(usize::try_from(rows(&report, table).2), Ok(vaults.len()), "{report}");
    }
}

/// Bob, whom somebody at eu1 has met, and carol, whom nobody there has. Both are at home at ru1.
pub(super) fn populate(deployment: &Deployment) -> [Person; 2] {
    let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
    let alice = CLIENT.register(eu, Some("alice"), PASSWORD);
    let people = ["bob", "carol"].map(|name| CLIENT.register(ru, Some(name), PASSWORD));
    for person in &people {
        let contact = format!("user/{}/account_data/{KIND}", person.id);
        person.does("PUT", &contact, &json!({ "mail": "somebody@example.net" }));
    }
    let room = alice.makes_room(&json!({ "preset": "private_chat", "invite": [people[0].id] }));
    people[0].does("POST", &format!("join/{room}"), &json!({}));
    people
}

fn rows_of_another_cell(postgres: bool) {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { cells: &[("eu1", "eu"), ("ru1", "ru")], rule: "allow", postgres, ..Plan::default() };
    let mut deployment = Deployment::found(Path::new(PROGRAM), folder.path(), &plan).unwrap();
    let people = populate(&deployment);
    for (name, cell) in deployment.cells() {
        assert!(audited(cell).0, "{name} is clean");
    }
    for cell in ["eu1", "ru1"] {
        deployment.cell_mut(cell).unwrap().stop().unwrap();
    }
    let (eu, ru) = (deployment.cell("eu1").unwrap(), deployment.cell("ru1").unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let vaults = people.map(|person| runtime.block_on(Vault::of(ru, &person.id)));
    runtime.block_on(async {
        vaults[0].plant(eu, true, FREE).await;
        vaults[1].plant(eu, false, FREE + 1).await;
    });
    // Without a server, beside one, and beside one that reaches the home.
    named(eu, &vaults);
    deployment.cell_mut("eu1").unwrap().start().unwrap();
    named(deployment.cell("eu1").unwrap(), &vaults);
    deployment.cell_mut("ru1").unwrap().start().unwrap();
    named(deployment.cell("eu1").unwrap(), &vaults);
    assert!(audited(deployment.cell("ru1").unwrap()).0, "they are where they belong");
    // Without them all is well.
    deployment.cell_mut("eu1").unwrap().stop().unwrap();
    let eu = deployment.cell("eu1").unwrap();
    runtime.block_on(async {
        let store = store(eu).await;
        let mut batch = Batch::new();
        batch.push("DELETE FROM devices WHERE device_num >= $1", params![FREE]);
        batch.push("DELETE FROM account_data WHERE kind = $1", params![KIND]);
        store.write(batch).await.unwrap();
        store.close().await;
    });
    assert!(audited(eu).0, "it is clean again");
}

#[test]
fn rows_of_another_cells_people_are_named_on_sqlite() {
    rows_of_another_cell(false);
}

#[test]
fn rows_of_another_cells_people_are_named_on_postgres() {
    rows_of_another_cell(true);
}
