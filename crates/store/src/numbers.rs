//! Numbers for new rows, taken from the database in blocks, so that a new row costs no round trip.
//!
//! A block that a stopped process did not use up is lost; numbers are unique, not dense.

use std::collections::HashMap;

use parking_lot::Mutex;

use crate::{Batch, Store, StoreError, params};

/// The sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sequence {
    /// `users.user_num`
    User,
    /// `devices.device_num`
    Device,
    /// `rooms.room_num`
    Room,
    /// `events.event_num`
    Event,
    /// `state_keys.key_num`
    Key,
    /// `state_nodes.node_num`
    Node,
    /// `push_classes.class_num`
    PushClass,
    /// `pushers.pusher_num`
    Pusher,
    /// `jobs.job_num`
    Job,
    /// `one_time_keys.ordinal`
    OneTimeKey,
    /// `reports.report_num`
    Report,
    /// `destinations.destination_num`
    Destination,
    /// `outgoing_edus.edu_num`
    OutgoingEdu,
    /// `inbound_pdus.pdu_num`
    InboundPdu,
    /// `gateway_spool.spool_num`
    GatewaySpool,
    /// `blocklist_alerts.alert_num`
    BlocklistAlert,
    /// `probe_runs.run_num`
    ProbeRun,
    /// `probe_vantages.vantage_num`
    ProbeVantage,
    /// `backups.backup_num`
    Backup,
    /// `dossier_history.entry_num`
    DossierEntry,
    /// `dossier_papers.paper_num`
    DossierPaper,
    /// `demands.demand_num`
    Demand,
    /// `incidents.incident_num`
    Incident,
    /// `incident_updates.update_num`
    IncidentUpdate,
    /// `cuts.cut_num`
    Cut,
}

impl Sequence {
    fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Device => "device",
            Self::Room => "room",
            Self::Event => "event",
            Self::Key => "key",
            Self::Node => "node",
            Self::PushClass => "push_class",
            Self::Pusher => "pusher",
            Self::Job => "job",
            Self::OneTimeKey => "one_time_key",
            Self::Report => "report",
            Self::Destination => "destination",
            Self::OutgoingEdu => "outgoing_edu",
            Self::GatewaySpool => "gateway_spool",
            Self::InboundPdu => "inbound_pdu",
            Self::BlocklistAlert => "blocklist_alert",
            Self::ProbeRun => "probe_run",
            Self::ProbeVantage => "probe_vantage",
            Self::Backup => "backup",
            Self::DossierEntry => "dossier_entry",
            Self::DossierPaper => "dossier_paper",
            Self::Demand => "demand",
            Self::Incident => "incident",
            Self::IncidentUpdate => "incident_update",
            Self::Cut => "cut",
        }
    }

    /// Numbers that are taken from the database at once.
    fn block(self) -> i64 {
        match self {
            Self::Event | Self::Node | Self::Key | Self::OneTimeKey => 4_096,
            // People see these and ask why some are missing.
            Self::Demand | Self::Incident | Self::DossierPaper => 1,
            _ => 64,
        }
    }
}

/// The blocks at hand.
#[derive(Default)]
pub struct Numbers {
    blocks: Mutex<HashMap<Sequence, (i64, i64)>>,
}

impl Numbers {
    /// `count` numbers in a row, if they are at hand; the first of them.
    fn at_hand(&self, sequence: Sequence, count: i64) -> Option<i64> {
        let mut blocks = self.blocks.lock();
        let (next, end) = blocks.get_mut(&sequence)?;
        if *next + count > *end {
            return None;
        }
        let first = *next;
        *next += count;
        Some(first)
    }
}

impl Store {
    /// A new number.
    pub async fn number<N: From<i64>>(&self, sequence: Sequence) -> Result<N, StoreError> {
        self.numbers_in_a_row(sequence, 1).await.map(N::from)
    }

    /// The first of `count` new numbers in a row.
    pub async fn numbers_in_a_row(&self, sequence: Sequence, count: usize) -> Result<i64, StoreError> {
        let count = i64::try_from(count).unwrap_or(i64::MAX / 2).max(1);
        loop {
            if let Some(first) = self.numbers().at_hand(sequence, count) {
                return Ok(first);
            }
            self.take_block(sequence, sequence.block().max(count)).await?;
        }
    }

    async fn take_block(&self, sequence: Sequence, size: i64) -> Result<(), StoreError> {
        let name = sequence.name();
        let found = self
            .read(move |snapshot| async move {
                let row = snapshot.query_opt("SELECT next FROM sequences WHERE name = $1", &params![name]).await?;
                row.map(|row| row.int(0)).transpose()
            })
            .await?;
        let mut batch = Batch::new();
        let first = found.unwrap_or(1);
        match found {
            None => batch.push("INSERT INTO sequences (name, next) VALUES ($1, $2)", params![name, first + size]),
            Some(next) => batch.guard(
                "sequences.next",
                "UPDATE sequences SET next = $2 WHERE name = $1 AND next = $3",
                params![name, next + size, next],
            ),
        };
        match self.write(batch).await {
            // Somebody else took that block: there is another one.
            Err(error) if error.is_conflict() => Ok(()),
            Err(error) => Err(error),
            Ok(_) => {
                self.numbers().blocks.lock().insert(sequence, (first, first + size));
                Ok(())
            }
        }
    }
}
