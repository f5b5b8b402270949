//! Changes of a document that keep its comments: a new one, a cell more, a cell revoked, a new key of a cell or for other servers. Each raises the serial and takes the
//! signature away, which the root key then makes anew.

use domicile_core::{
    config::{Problem, Problems},
    locality::CellName,
    region::Region,
};
use ruma::ServerName;
use toml_edit::{Array, ArrayOfTables, DocumentMut, Item, Table, value};
use url::Url;

use super::{Deployment, PublicKey, parse, sign};

/// A cell that is to be added.
#[derive(Clone, Debug)]
pub struct NewCell<'c> {
    /// Its name.
    pub name: &'c CellName,
    /// Its region, which is added, untrusted and with no flow, if it is not there.
    pub region: &'c Region,
    /// Where its people's clients find it.
    pub client_url: &'c Url,
    /// Where other cells find it.
    pub inner_url: &'c Url,
    /// Its key.
    pub key: &'c PublicKey,
}

/// The document of a new deployment, whose first cell decides whose a name is.
pub fn begin(server_name: &ServerName, cell: &NewCell<'_>) -> String {
    let region = cell.region.as_str();
    format!(
        "# The deployment document of {server_name}. It is the same in every cell, and holds only with the root key's signature as its\n\
         # last line: after each change raise `serial`, and run `domicile deployment sign` where the root key is kept.\n\
         serial = 1\n\
         server_name = \"{server_name}\"\n\n\
         # The cell that decides whose a name is.\n\
         [directory]\n\
         decider = \"{name}\"\n\
         term = 1\n\n\
         [[region]]\n\
         code = \"{region}\"\n\
         jurisdictions = []\n\
         # Whether its cells may hold outer keys and the directory.\n\
         trusted = true\n\
         # What its people share with other people's servers: allow, encrypted_only, forbid, or a list of servers.\n\
         outer = \"forbid\"\n\n\
         {cell}",
        name = cell.name.as_str(),
        cell = cell_text(cell, true),
    )
}

fn cell_text(cell: &NewCell<'_>, directory: bool) -> String {
    format!(
        "[[cell]]\nname = \"{}\"\nregion = \"{}\"\nclient_url = \"{}\"\ninner_url = \"{}\"\nkey = \"{}\"\ndirectory = {directory}\n",
        cell.name.as_str(),
        cell.region.as_str(),
        bare(cell.client_url),
        bare(cell.inner_url),
        cell.key,
    )
}

fn bare(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// The document with one cell more. If its region is new, so is that, untrusted and without a flow.
pub fn add_cell(text: &str, cell: &NewCell<'_>) -> Result<String, Problems> {
    let (found, mut document) = open(text)?;
    let name = cell.name.as_str();
    if found.cells.contains_key(cell.name) {
        return Err(wrong(format!("there is a cell {name} already: `domicile cell rotate` gives it a new key")));
    }
    if found.retired.contains_key(cell.name) || found.revoked.contains_key(cell.name) {
        return Err(wrong(format!("there was a cell {name}, and its name is not used again")));
    }
    raise(&mut document, &found)?;
    let mut added = String::new();
    if !found.regions.contains_key(cell.region) {
        added = format!(
            "\n[[region]]\ncode = \"{}\"\njurisdictions = []\ntrusted = false\nouter = \"forbid\"\n",
            cell.region.as_str()
        );
    }
    added.push('\n');
    added.push_str(&cell_text(cell, false));
    let mut text = document.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push_str(&added);
    close(text)
}

/// The document without a cell: from now on nothing new that it signs counts, and if it was a gateway, its keys for other servers end at `now_ms`, in
/// milliseconds since 1970. `heir` answers for what it left.
pub fn revoke_cell(text: &str, name: &CellName, heir: Option<&CellName>, now_ms: i64) -> Result<String, Problems> {
    let (found, mut document) = open(text)?;
    let cell = found.cells.get(name).ok_or_else(|| wrong(format!("there is no cell {} at work", name.as_str())))?;
    if found.decider.cell == *name {
        return Err(wrong(format!(
            "{} decides whose a name is: name another `decider` and a higher `term` under [directory] first, with this one in `before`",
            name.as_str()
        )));
    }
    raise(&mut document, &found)?;
    remove(&mut document, "cell", name);
    let mut table = Table::new();
    table.insert("name", value(name.as_str()));
    let keys: Array = std::iter::once(&cell.key).chain(&cell.old_keys).map(ToString::to_string).collect();
    table.insert("keys", value(keys));
    table.insert("serial", value(i64::from(found.serial) + 1));
    table.insert("region", value(cell.region.as_str()));
    if let Some(heir) = heir {
        table.insert("heir", value(heir.as_str()));
    }
    let tables = document.entry("revoked").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    tables.as_array_of_tables_mut().ok_or_else(|| wrong("`revoked` is no list of tables".to_owned()))?.push(table);
    let ended: Vec<&String> = found.outer_keys_of(name).collect();
    let tables = document.get_mut("outer_key").and_then(Item::as_array_of_tables_mut);
    for table in tables.into_iter().flat_map(ArrayOfTables::iter_mut) {
        let id = table.get("id").and_then(Item::as_str);
        if ended.iter().any(|ended| Some(ended.as_str()) == id) {
            table.insert("cell", value(name.as_str()));
            table.insert("expired_ts", value(now_ms));
        }
    }
    close(document.to_string())
}

/// The document without a cell that was emptied: what it signed still counts, and `heir` answers for what it left.
pub fn retire_cell(text: &str, name: &CellName, heir: &CellName) -> Result<String, Problems> {
    let (found, mut document) = open(text)?;
    let cell = found.cells.get(name).ok_or_else(|| wrong(format!("there is no cell {} at work", name.as_str())))?;
    if found.decider.cell == *name {
        return Err(wrong(format!(
            "{} decides whose a name is: name another `decider` and a higher `term` under [directory] first, with this one in `before`",
            name.as_str()
        )));
    }
    if heir == name || !found.cells.contains_key(heir) {
        return Err(wrong(format!("{} cannot be the heir: name another cell that is at work", heir.as_str())));
    }
    raise(&mut document, &found)?;
    remove(&mut document, "cell", name);
    let mut table = Table::new();
    table.insert("name", value(name.as_str()));
    let keys: Array = std::iter::once(&cell.key).chain(&cell.old_keys).map(ToString::to_string).collect();
    table.insert("keys", value(keys));
    table.insert("heir", value(heir.as_str()));
    let tables = document.entry("retired").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    tables.as_array_of_tables_mut().ok_or_else(|| wrong("`retired` is no list of tables".to_owned()))?.push(table);
    close(document.to_string())
}

/// The document with a new key of a cell. What was signed with the one before still counts.
pub fn rotate_key(text: &str, name: &CellName, key: &PublicKey) -> Result<String, Problems> {
    let (found, mut document) = open(text)?;
    let cell = found.cells.get(name).ok_or_else(|| wrong(format!("there is no cell {} at work", name.as_str())))?;
    raise(&mut document, &found)?;
    let old: Array = cell.old_keys.iter().chain([&cell.key]).map(ToString::to_string).collect();
    let tables = document.get_mut("cell").and_then(Item::as_array_of_tables_mut);
    let table = tables.into_iter().flat_map(ArrayOfTables::iter_mut).find(|table| is_called(table, name));
    let table = table.ok_or_else(|| wrong(format!("there is no [[cell]] {}", name.as_str())))?;
    table.insert("key", value(key.to_string()));
    table.insert("old_keys", value(old));
    close(document.to_string())
}

/// The document with a key that speaks for the deployment to other servers from now on: a gateway's, which is named where there are several.
pub fn add_outer_key(
    text: &str,
    (id, key): (&str, &PublicKey),
    gateway: Option<&CellName>,
) -> Result<String, Problems> {
    let (found, mut document) = open(text)?;
    if found.outer_keys.contains_key(id) {
        return Err(wrong(format!("there is an [[outer_key]] {id} already")));
    }
    raise(&mut document, &found)?;
    let mut text = document.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let gateway = gateway.map(|gateway| format!("cell = \"{}\"\n", gateway.as_str())).unwrap_or_default();
    let added = format!("\n[[outer_key]]\nid = \"{id}\"\nkey = \"{key}\"\n{gateway}");
    text.push_str(&added);
    close(text)
}

/// The document with another key of a gateway's for other servers. What the one before signed until `expired_ts`, in milliseconds since 1970, counts for
/// good.
pub fn rotate_outer_key(text: &str, old: &str, new: (&str, &PublicKey), expired_ts: i64) -> Result<String, Problems> {
    let (found, mut document) = open(text)?;
    match found.outer_keys.get(old) {
        None => return Err(wrong(format!("there is no [[outer_key]] {old}, so no other server knows it"))),
        Some(known) if known.expired_ts.is_some() => {
            return Err(wrong(format!("[[outer_key]] {old} has ended already: there is nothing to change")));
        }
        Some(_) => {}
    }
    let (id, key) = new;
    if found.outer_keys.contains_key(id) {
        return Err(wrong(format!("there is an [[outer_key]] {id} already")));
    }
    raise(&mut document, &found)?;
    let tables = document.get_mut("outer_key").and_then(Item::as_array_of_tables_mut);
    let tables = tables.ok_or_else(|| wrong("`outer_key` is no list of tables".to_owned()))?;
    let table = tables.iter_mut().find(|table| table.get("id").and_then(Item::as_str) == Some(old));
    let table = table.ok_or_else(|| wrong(format!("there is no [[outer_key]] {old}")))?;
    table.insert("expired_ts", value(expired_ts));
    let mut added = Table::new();
    added.insert("id", value(id));
    added.insert("key", value(key.to_string()));
    if let Some(cell) = found.outer_keys.get(old).and_then(|old| old.cell.as_ref()) {
        added.insert("cell", value(cell.as_str()));
    }
    tables.push(added);
    close(document.to_string())
}

fn open(text: &str) -> Result<(Deployment, DocumentMut), Problems> {
    let text = sign::unsigned(text);
    let found = parse::read("the document", text)?;
    let document = text.parse::<DocumentMut>().map_err(|error| wrong(error.message().to_owned()))?;
    Ok((found, document))
}

/// What came of it, if it is right in itself.
fn close(text: String) -> Result<String, Problems> {
    parse::read("the changed document", &text)?;
    Ok(text)
}

fn raise(document: &mut DocumentMut, found: &Deployment) -> Result<(), Problems> {
    let next = found.serial.checked_add(1).ok_or_else(|| wrong("the serial cannot be raised".to_owned()))?;
    let serial = document.get_mut("serial").and_then(Item::as_value_mut);
    let serial = serial.ok_or_else(|| wrong("there is no `serial`".to_owned()))?;
    let decor = serial.decor().clone();
    *serial = i64::from(next).into();
    *serial.decor_mut() = decor;
    Ok(())
}

fn remove(document: &mut DocumentMut, kind: &str, name: &CellName) {
    if let Some(tables) = document.get_mut(kind).and_then(Item::as_array_of_tables_mut) {
        tables.retain(|table| !is_called(table, name));
    }
}

fn is_called(table: &Table, name: &CellName) -> bool {
    table.get("name").and_then(Item::as_str) == Some(name.as_str())
}

fn wrong(what: String) -> Problems {
    let mut problems = Problems::default();
    problems.push(Problem::about("deployment", what));
    problems
}
