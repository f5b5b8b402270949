//! The tables of the document, each read on its own.

use domicile_core::{locality::CellName, region::Region};
use ruma::OwnedServerName;
use toml_edit::Item;
use url::Url;

use super::{
    Cell, Decider, FrontDoor, OuterKey, Profiles, PublicKey, RegionPolicy, Retired, Revoked, Term,
    fields::{Fields, Reading, flag, number, text, texts},
};
use crate::flow::{CrossingSettings, Flow, Outer, Rule};

pub(super) fn region_name(item: &Item) -> Result<Region, String> {
    Region::try_from(text(item)?).map_err(|error| error.to_string())
}

pub(super) fn cell_name(item: &Item) -> Result<CellName, String> {
    let name = text(item)?;
    CellName::parse(&name).ok_or_else(|| {
        format!("`{name}` cannot be a cell's name: use 1 to 16 lower-case letters, digits and hyphens, such as `eu1`")
    })
}

pub(super) fn key(item: &Item) -> Result<PublicKey, String> {
    PublicKey::parse(&text(item)?).map_err(|error| error.to_string())
}

fn keys(item: &Item) -> Result<Vec<PublicKey>, String> {
    texts(item)?.iter().map(|text| PublicKey::parse(text).map_err(|error| error.to_string())).collect()
}

/// An address over TLS. A path would be thrown away by whoever puts one of Matrix's own behind it.
fn url(item: &Item) -> Result<Url, String> {
    let text = text(item)?;
    let wrong = || format!("`{text}` is no address such as \"https://n1.example.org\"");
    let url = Url::parse(&text).map_err(|_| wrong())?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    if url.scheme() == "https" && url.host_str().is_some() && plain { Ok(url) } else { Err(wrong()) }
}

fn word<T: Copy>(item: &Item, words: &[(&str, T)]) -> Result<T, String> {
    let found = text(item)?;
    let known = words.iter().find(|(word, _)| *word == found).map(|(_, value)| *value);
    known.ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("expected one of {}, found `{found}`", words.join(", "))
    })
}

fn rule(item: &Item) -> Result<Rule, String> {
    word(item, &[("allow", Rule::Allow), ("encrypted_only", Rule::EncryptedOnly), ("forbid", Rule::Forbid)])
}

fn outer(item: &Item) -> Result<Outer, String> {
    if item.is_array() {
        return texts(item).map(Outer::Only);
    }
    rule(item).map(Outer::All).map_err(|_| "expected allow, encrypted_only, forbid, or a list of servers".to_owned())
}

pub(super) fn region(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<(Region, RegionPolicy)> {
    let code = fields.required(reading, "code", region_name);
    if let Some(code) = &code {
        fields.call(format!("[[region]] {}", code.as_str()));
    }
    let policy = RegionPolicy {
        jurisdictions: fields.optional(reading, "jurisdictions", texts).unwrap_or_default(),
        trusted: fields.required(reading, "trusted", flag).unwrap_or_default(),
        front_door: fields
            .optional(reading, "front_door", |item| {
                word(item, &[("home_only", FrontDoor::HomeOnly), ("any", FrontDoor::Any)])
            })
            .unwrap_or(FrontDoor::HomeOnly),
        provider: fields.optional(reading, "provider", provider),
        profiles: fields
            .optional(reading, "profiles", |item| {
                word(item, &[("in_rooms", Profiles::InRooms), ("withheld", Profiles::Withheld)])
            })
            .unwrap_or(Profiles::InRooms),
        outer: fields.required(reading, "outer", outer).unwrap_or(Outer::All(Rule::Forbid)),
        crossing: crossing(fields, reading),
    };
    Some((code?, policy))
}

/// A name that people type into a client, and that has a `/.well-known/matrix/client`.
fn provider(item: &Item) -> Result<String, String> {
    let name = text(item)?;
    match OwnedServerName::try_from(name.as_str()) {
        Ok(server) if server.port().is_none() && !server.is_ip_literal() => Ok(name),
        _ => Err(format!("expected a name such as north.example.org, found `{name}`")),
    }
}

fn crossing(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> CrossingSettings {
    let Some(item) = fields.item("crossing") else { return CrossingSettings::default() };
    let Some(table) = item.as_table_like() else {
        fields.wrong(reading, "crossing", "expected a table such as { typing = \"cross\" }");
        return CrossingSettings::default();
    };
    let mut inner = Fields::new("`crossing`".to_owned(), table, item.span());
    let mut set = |key| {
        let read = |item: &Item| word(item, &[("cross", true), ("withhold", false)]);
        inner.optional(reading, key, read).unwrap_or_default()
    };
    let settings = CrossingSettings {
        reactions: set("reactions"),
        topics: set("topics"),
        custom_state: set("custom_state"),
        calls: set("calls"),
        reasons: set("reasons"),
        receipts: set("receipts"),
        typing: set("typing"),
    };
    inner.end(reading);
    settings
}

pub(super) fn flow(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<((Region, Region), Flow)> {
    let from = fields.required(reading, "from", region_name);
    let to = fields.required(reading, "to", region_name);
    if let (Some(from), Some(to)) = (&from, &to) {
        fields.call(format!("[[flow]] from {} to {}", from.as_str(), to.as_str()));
    }
    let rule = fields.required(reading, "rule", rule);
    let basis = fields.optional(reading, "basis", text).unwrap_or_default();
    Some(((from?, to?), Flow { rule: rule?, basis }))
}

fn named(fields: &mut Fields<'_>, reading: &mut Reading<'_>, table: &str) -> Option<CellName> {
    let name = fields.required(reading, "name", cell_name)?;
    fields.call(format!("[[{table}]] {}", name.as_str()));
    Some(name)
}

pub(super) fn cell(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<(CellName, Cell)> {
    let name = named(fields, reading, "cell");
    let region = fields.required(reading, "region", region_name);
    let client_url = fields.required(reading, "client_url", url);
    let inner_url = fields.required(reading, "inner_url", url);
    let key = fields.required(reading, "key", key);
    let old_keys = fields.optional(reading, "old_keys", keys).unwrap_or_default();
    let gateway_for = fields.optional(reading, "gateway_for", |item| {
        let names = texts(item)?.into_iter();
        names.map(|name| Region::try_from(name).map_err(|error| error.to_string())).collect::<Result<_, _>>()
    });
    let directory = fields.optional(reading, "directory", flag).unwrap_or_default();
    let gateway_for = gateway_for.unwrap_or_default();
    let (region, client_url, inner_url, key) = (region?, client_url?, inner_url?, key?);
    Some((name?, Cell { region, client_url, inner_url, key, old_keys, gateway_for, directory }))
}

pub(super) fn retired(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<(CellName, Retired)> {
    let name = named(fields, reading, "retired");
    let keys = fields.required(reading, "keys", keys);
    let heir = fields.required(reading, "heir", cell_name);
    Some((name?, Retired { keys: keys?, heir: heir? }))
}

pub(super) fn revoked(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<(CellName, Revoked)> {
    let name = named(fields, reading, "revoked");
    let keys = fields.required(reading, "keys", keys);
    let serial = fields.required(reading, "serial", number);
    let heir = fields.optional(reading, "heir", cell_name);
    let region = fields.optional(reading, "region", region_name);
    Some((name?, Revoked { keys: keys?, serial: serial?, heir, region }))
}

pub(super) fn outer_key(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<(String, OuterKey)> {
    let id = fields.required(reading, "id", |item| {
        let id = text(item)?;
        let version = id.strip_prefix("ed25519:").unwrap_or_default();
        let fits = !version.is_empty()
            && version.len() <= 64
            && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !super::keys::is_cell_key_id(&id);
        if fits { Ok(id) } else { Err(format!("`{id}` is no id of a server's key, such as ed25519:a1B2c3")) }
    });
    let key = fields.required(reading, "key", key);
    let expired_ts = fields.optional(reading, "expired_ts", |item| {
        let expected = || "expected milliseconds since 1970, such as 1790000000000".to_owned();
        item.as_integer().filter(|ts| *ts > 0).ok_or_else(expected)
    });
    let cell = fields.optional(reading, "cell", cell_name);
    Some((id?, OuterKey { key: key?, cell, expired_ts }))
}

pub(super) fn decider(fields: &mut Fields<'_>, reading: &mut Reading<'_>) -> Option<Decider> {
    let cell = fields.required(reading, "decider", cell_name);
    let term = fields.required(reading, "term", number);
    let before = fields.optional(reading, "before", |item| {
        let expected = || "expected a list such as [{ term = 1, cell = \"m1\" }]".to_owned();
        let list = item.as_array().ok_or_else(expected)?;
        let terms = list.iter().map(|entry| {
            let table = entry.as_inline_table().filter(|table| table.len() == 2).ok_or_else(expected)?;
            let term = table.get("term").and_then(toml_edit::Value::as_integer);
            let term = term.and_then(|term| u32::try_from(term).ok()).filter(|term| *term > 0).ok_or_else(expected)?;
            let cell = table.get("cell").and_then(toml_edit::Value::as_str).and_then(CellName::parse);
            Ok::<_, String>(Term { term, cell: cell.ok_or_else(expected)? })
        });
        terms.collect::<Result<Vec<_>, _>>()
    });
    Some(Decider { cell: cell?, term: term?, before: before.unwrap_or_default() })
}
