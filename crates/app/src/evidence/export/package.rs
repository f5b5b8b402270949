//! Filling the file: rows are read here, and written by a thread of its own, so that no more than a few pieces are in memory.

use std::{io::Read, path::PathBuf};

use bytes::Bytes;
use domicile_core::ids::UserNum;
use domicile_store::{
    backup::{BackupError, Package, Packed, Recipient},
    catalogue::{self, Owner, Table},
    table::{export_requests::ExportRequest, media},
    walk::rows::{Whole, of_user},
};
use futures::StreamExt;
use ruma::UserId;
use serde::Serialize;
use tokio::sync::mpsc;

use super::{Exports, index, rows::Names};
use crate::{Error, Result};

/// Rows of a file.
const PAGE: i64 = 1_000;
/// Pieces that wait for the disk.
const WAITING: usize = 4;

/// The rows of one table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TableFiles {
    pub(super) table: String,
    pub(super) about: String,
    pub(super) class: &'static str,
    pub(super) rows: i64,
    pub(super) files: Vec<String>,
}

/// A file that is whole.
pub(super) struct Filled {
    pub(super) packed: Packed,
    pub(super) tables: Vec<TableFiles>,
    pub(super) media_files: i64,
}

/// What the writing thread is told.
enum Part {
    /// A file.
    Whole(String, Vec<u8>),
    /// A file that comes piece by piece, of a size in bytes.
    Pieces(String, u64, mpsc::Receiver<Bytes>),
    /// Nothing else comes.
    End,
}

/// Pieces as something to read.
struct Pieces {
    from: mpsc::Receiver<Bytes>,
    held: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        while self.held.is_empty() {
            match self.from.blocking_recv() {
                Some(piece) => self.held = piece,
                None => return Ok(0),
            }
        }
        let piece = self.held.split_to(self.held.len().min(into.len()));
        into.get_mut(..piece.len()).unwrap_or_default().copy_from_slice(&piece);
        Ok(piece.len())
    }
}

fn write(mut package: Package, mut parts: mpsc::Receiver<Part>) -> Result<Packed, BackupError> {
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Whole(name, bytes) => package.add(&name, bytes.len() as u64, bytes.as_slice())?,
            Part::Pieces(name, size, from) => package.add(&name, size, Pieces { from, held: Bytes::new() })?,
            Part::End => return package.finish(),
        }
    }
    Err(BackupError::Wrong("the export was broken off".to_owned()))
}

fn told(error: BackupError) -> Error {
    match error {
        BackupError::Store(error) => error.into(),
        other => domicile_core::error::ErrorKind::BadRequest.with(format!("The export was not made: {other}")).into(),
    }
}

impl Exports {
    /// Writes everything that is held about a person.
    pub(super) async fn fill(&self, user_id: &UserId, request: &ExportRequest) -> Result<Filled> {
        let recipient = Recipient::parse(&request.recipient).map_err(told)?;
        let now_ms = self.parts.clock.now_ms();
        let package =
            Package::begin(&PathBuf::from(&request.file), recipient, now_ms, &*self.parts.rng).map_err(told)?;
        let (parts, from) = mpsc::channel(WAITING);
        let writer = tokio::task::spawn_blocking(move || write(package, from));
        let sent = self.send(user_id, request.user_num, &parts).await;
        let writer_ended = parts.is_closed();
        drop(parts);
        let packed = writer.await.map_err(Error::internal)?.map_err(told);
        match (packed, sent) {
            (Ok(packed), Ok((tables, media_files))) => Ok(Filled { packed, tables, media_files }),
            // What went wrong with the file says more than that nobody took what was read.
            (Err(error), _) if writer_ended => Err(error),
            (_, Err(error)) | (Err(error), Ok(_)) => Err(error),
        }
    }

    async fn send(
        &self,
        user_id: &UserId,
        user_num: UserNum,
        parts: &mpsc::Sender<Part>,
    ) -> Result<(Vec<TableFiles>, i64)> {
        let mut names = Names::new(&self.parts.store, &self.parts.users, &self.parts.keystore);
        let mut told = Vec::new();
        for table in catalogue::tables() {
            if matches!(table.owner, Owner::User(_) | Owner::Through { .. }) {
                told.push(self.table(table, user_num, None, &mut names, parts).await?);
            }
            if let Some(second) = table.second {
                told.push(self.table(table, user_num, Some(second), &mut names, parts).await?);
            }
        }
        told.retain(|table| table.rows > 0);
        let media_files = self.media(user_num, parts).await?;
        let (readable, machine) = index::of(user_id, &told, media_files, self.parts.clock.now_ms());
        send(parts, Part::Whole("index.html".to_owned(), readable.into_bytes())).await?;
        send(parts, Part::Whole("index.json".to_owned(), machine.into_bytes())).await?;
        send(parts, Part::End).await?;
        Ok((told, media_files))
    }

    async fn table(
        &self,
        table: &'static Table,
        user_num: UserNum,
        second: Option<&'static str>,
        names: &mut Names<'_>,
        parts: &mpsc::Sender<Part>,
    ) -> Result<TableFiles> {
        let mut told = TableFiles {
            table: table.name.to_owned(),
            about: table.about.to_owned(),
            class: table.class.name(),
            rows: 0,
            files: Vec::new(),
        };
        let mut after: Option<Whole> = None;
        loop {
            let page = of_user(&self.parts.store, table, user_num, second, after.as_ref(), PAGE).await?;
            if page.is_empty() {
                return Ok(told);
            }
            told.rows += i64::try_from(page.len()).unwrap_or_default();
            let lines = names.lines(table, user_num, &page).await?;
            let suffix = if second.is_some() { "-as-other" } else { "" };
            let name = format!("data/{}{suffix}-{:04}.jsonl", table.name, told.files.len() + 1);
            send(parts, Part::Whole(name.clone(), lines)).await?;
            told.files.push(name);
            after = page.into_iter().last();
        }
    }

    /// The files that the person uploaded, opened.
    async fn media(&self, user_num: UserNum, parts: &mpsc::Sender<Part>) -> Result<i64> {
        let (mut after, mut files) = (String::new(), 0);
        loop {
            let from = after.clone();
            let read = self
                .parts
                .store
                .read(move |snapshot| async move { media::of_user(&snapshot, user_num, &from, PAGE).await });
            let page: Vec<media::Media> = read.await?;
            let Some(last) = page.last() else { return Ok(files) };
            after.clone_from(&last.media_id);
            for row in page {
                let Some(hash) = row.content_hash else { continue };
                let Some(mut content) = self.parts.blobs.open(user_num, hash).await? else { continue };
                let (pieces, from) = mpsc::channel(WAITING);
                let size = u64::try_from(row.byte_size).unwrap_or_default();
                send(parts, Part::Pieces(format!("media/{}", row.media_id), size, from)).await?;
                files += 1;
                while let Some(piece) = content.next().await {
                    if pieces.send(piece.map_err(Error::internal)?).await.is_err() {
                        break;
                    }
                }
            }
        }
    }
}

async fn send(parts: &mpsc::Sender<Part>, part: Part) -> Result<()> {
    parts.send(part).await.map_err(|_| Error::internal("the export's file could not be written"))
}
