//! What stands in a cell's files, in those of its database server, and in a backup; and how much of media it keeps.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use domicile_core::rng::OsRng;
use domicile_store::backup::{Identity, unpack};
use domicile_testkit::{
    plays::{cells::Cell, plaintext},
    postgres::server::programs,
};
use serde_json::Value;

use super::text;

/// Tables with a row for each file.
const MEDIA_TABLES: [&str; 4] = ["media", "media_thumbnails", "remote_media", "arrived_media"];
/// Folders with sealed files, beside the database.
const MEDIA_FOLDERS: [&str; 2] = ["media", "remote-media"];
/// Pieces of a file that are looked for, and their bytes.
const PIECES: usize = 8;
const PIECE: usize = 32;

/// What is looked for.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) texts: Vec<String>,
    /// Files, by what they are called here.
    pub(super) files: Vec<(&'static str, Vec<u8>)>,
}

impl Wanted {
    pub(super) fn texts<'t>(texts: impl IntoIterator<Item = &'t str>) -> Self {
        Self { texts: texts.into_iter().map(str::to_owned).collect(), files: Vec::new() }
    }

    /// What of it stands where in a folder that has some files.
    pub(super) fn in_folder(&self, folder: &Path) -> Vec<String> {
        let findings = plaintext::search_exactly(folder, &self.texts).unwrap();
        assert!(findings.files > 0, "no files in {}", folder.display());
        let mut all = findings.found;
        for (name, content) in &self.files {
            // Wherever it is cut in two, that is not in the middle of each of them.
            let pieces: Vec<&[u8]> = content.chunks_exact(content.len() / PIECES).map(|part| &part[..PIECE]).collect();
            all.extend(plaintext::search_pieces(folder, name, &pieces).unwrap().found);
        }
        all.iter().map(|(path, text)| format!("{text} in {}", path.display())).collect()
    }

    /// The same in all files of a cell, and in those of its database server.
    pub(super) fn in_cell(&self, cell: &Cell) -> Vec<String> {
        if let Some(address) = cell.database_address() {
            // What it has in memory is on disk from then on, in the tables as in what is written ahead.
            let psql = programs().unwrap().join("psql");
            let done = Command::new(psql).arg("-qc").arg("CHECKPOINT").arg(format!("--dbname={address}")).status();
            assert!(done.unwrap().success());
        }
        let folders = std::iter::once(cell.folder().to_owned()).chain(cell.database_folder());
        folders.flat_map(|folder| self.in_folder(&folder)).collect()
    }
}

/// Rows of tables by the audit, beside a running cell. Nothing must be where it must not be.
pub(super) fn audited(cell: &Cell) -> Value {
    let audit = cell.json(&["audit"]).unwrap();
    assert_eq!(audit["body"]["passed"], true, "{}", audit["body"]["foreign"]);
    audit["body"]["tables"]["all"].clone()
}

/// Tables with rows of people whose home is another cell.
pub(super) fn with_others(tables: &Value) -> Vec<&str> {
    let all = tables.as_array().unwrap().iter();
    all.filter(|table| table["elsewhere"].as_i64().unwrap() > 0).map(|table| text(table, "table")).collect()
}

/// How much of media a cell keeps.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) files: usize,
    pub(super) bytes: u64,
    pub(super) rows: i64,
}

impl Kept {
    /// Of a cell that runs.
    pub(super) fn by(cell: &Cell) -> Self {
        let tables = audited(cell);
        let of_media = |table: &&Value| MEDIA_TABLES.contains(&text(table, "table"));
        let of_media: Vec<&Value> = tables.as_array().unwrap().iter().filter(of_media).collect();
        assert_eq!(of_media.len(), MEDIA_TABLES.len(), "{tables}");
        let rows = of_media.iter().map(|table| table["rows"].as_i64().unwrap()).sum();
        let mut kept = Self { rows, ..Self::default() };
        for folder in MEDIA_FOLDERS {
            kept.add(cell.data().join(folder));
        }
        kept
    }

    fn add(&mut self, path: PathBuf) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.add(entry.unwrap().path());
            }
        } else if let Ok(about) = path.metadata() {
            self.files += 1;
            self.bytes += about.len();
        }
    }
}

/// The contents of a backup that is made now, in a folder.
pub(super) fn back_up(cell: &Cell, to: &Path) {
    let identity = Identity::generate(&OsRng);
    fs::create_dir_all(to).unwrap();
    let recipient = identity.recipient().to_string();
    let made = cell.json(&["backup", "create", "--to", to.to_str().unwrap(), "--for", &recipient]).unwrap();
    let mut opened = 0;
    // The keys are in a file of their own, which holds nothing else.
    let file = PathBuf::from(text(&made, "data"));
    for (name, content) in unpack(&file, &identity).unwrap_or_else(|error| panic!("{made}: {error}")) {
        opened += 1;
        let is_dump = content.starts_with(b"PGDMP");
        let opened = to.join(format!("{opened}-{}", name.replace('/', "-")));
        fs::write(&opened, content).unwrap();
        if is_dump {
            // What PostgreSQL dumps is compressed.
            let program = programs().unwrap().join("pg_restore");
            let text = Command::new(program).arg("--file=-").arg(&opened).output().unwrap();
            assert!(text.status.success(), "{}", String::from_utf8_lossy(&text.stderr));
            fs::write(&opened, text.stdout).unwrap();
        }
    }
    fs::remove_file(file).unwrap();
    assert!(opened > 0, "{made}");
}
