//! The record of processing activities (GDPR, article 30) and the skeleton of a transfer assessment, written from the catalogue of tables: what is
//! in no table is not in them, and a table that is added is in them at once.

use std::{collections::BTreeMap, sync::Arc};

use domicile_core::{calendar::day, clock::Clock};
use domicile_residency::standing::words::Kind;
use domicile_store::catalogue::{self, Class, Holds, Owner, Table};

use super::{
    Duties, Evidence, StatusPage,
    dossiers::paper::{Block, Paper, Section},
    evidence::stale,
};
use crate::Result;

/// What leaves the server, as the operator configured it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Whether people of other servers can be talked to.
    pub federation: bool,
    /// Hosts of servers that carry calls.
    pub turn: Vec<String>,
    /// The host that is told of alerts.
    pub alerts: bool,
}

/// Writes both.
pub struct Processing {
    clock: Arc<dyn Clock>,
    duties: Arc<Duties>,
    status: Arc<StatusPage>,
    evidence: Arc<dyn Evidence>,
    service: String,
    recipients: Recipients,
}

/// What is said of a class in a record of processing.
struct Purpose {
    why: &'static str,
    whom: &'static str,
    kept: &'static str,
}

impl Processing {
    /// Over what it writes about.
    pub fn new(
        clock: Arc<dyn Clock>,
        duties: Arc<Duties>,
        status: Arc<StatusPage>,
        evidence: Arc<dyn Evidence>,
        service: String,
        recipients: Recipients,
    ) -> Self {
        Self { clock, duties, status, evidence, service, recipients }
    }

    /// The record of processing activities.
    pub fn record(&self) -> Paper {
        let settings = self.duties.settings();
        let mut fields = vec![("Service".to_owned(), self.service.clone())];
        let operator = settings.operator.clone().unwrap_or_else(|| "not stated: set standing.operator".to_owned());
        fields.push(("Controller".to_owned(), operator));
        for (role, address) in self.status.contacts() {
            fields.push((role.replace('_', " "), address));
        }
        let mut sections =
            vec![Section { title: "Controller (article 30(1)(a))".to_owned(), blocks: vec![Block::Fields(fields)] }];
        let mut classes: BTreeMap<Class, Vec<&Table>> = BTreeMap::new();
        for table in catalogue::tables() {
            classes.entry(table.class).or_default().push(table);
        }
        classes.remove(&Class::Operational);
        sections.extend(classes.into_iter().map(|(class, tables)| self.class(class, &tables)));
        sections.push(Section {
            title: "Security (article 30(1)(g), article 32)".to_owned(),
            blocks: vec![Block::List(
                [
                    "Private rooms are encrypted between devices unless the operator decided otherwise; the server holds no key to a message.",
                    "Addresses, devices and activity stand sealed under a key of the person's own, which is destroyed with the account.",
                    "Passwords are kept as Argon2id hashes, tokens as hashes.",
                    "Backups are encrypted to a key that need not be on the machine.",
                ]
                .map(str::to_owned)
                .to_vec(),
            )],
        });
        let under = vec![
            format!("{}, {}", self.service, day(self.clock.now_ms())),
            "Article 30 of the General Data Protection Regulation.".to_owned(),
        ];
        Paper { title: "Record of processing activities".to_owned(), under, sections }
    }

    fn class(&self, class: Class, tables: &[&Table]) -> Section {
        let purpose = purpose(class);
        let fields = vec![
            ("Purpose".to_owned(), purpose.why.to_owned()),
            ("People concerned".to_owned(), purpose.whom.to_owned()),
            ("Recipients".to_owned(), self.recipients_of(class)),
            ("Kept".to_owned(), purpose.kept.to_owned()),
        ];
        let rows = tables.iter().map(|table| {
            let sealed = table.columns.iter().any(|column| column.holds == Holds::Sealed);
            let encrypted = table.columns.iter().any(|column| column.holds == Holds::Encrypted);
            let protection = match (sealed, encrypted) {
                (_, true) => "encrypted by the person's clients",
                (true, _) => "sealed",
                _ => "",
            };
            vec![table.about.to_owned(), table.name.to_owned(), owner(&table.owner).to_owned(), protection.to_owned()]
        });
        let head = ["data", "table", "whose", "protection"].map(str::to_owned).to_vec();
        let title = format!("Data of the class {}", class.name());
        Section { title, blocks: vec![Block::Fields(fields), Block::Table(head, rows.collect())] }
    }

    fn recipients_of(&self, class: Class) -> String {
        let mut found = vec!["members of the same rooms"];
        if self.recipients.federation
            && matches!(
                class,
                Class::Room | Class::Content | Class::Profile | Class::Keys | Class::Media | Class::Directory
            )
        {
            found.push("servers of members of the same rooms");
        }
        match class {
            Class::Account | Class::Contact | Class::Activity => return "none".to_owned(),
            Class::Device => found.push("push gateways that the person's apps name"),
            _ => {}
        }
        found.join("; ")
    }

    /// The skeleton of a transfer assessment.
    pub async fn transfers(&self) -> Result<Paper> {
        let (settings, now_ms) = (self.duties.settings(), self.clock.now_ms());
        let ages = self.evidence.ages().await?;
        let places: Vec<String> = settings.stored_in.iter().cloned().collect();
        let stored =
            if places.is_empty() { "not stated: set standing.stored_in".to_owned() } else { places.join(", ") };
        let mut flows = vec![vec![
            "storage".to_owned(),
            stored,
            "everything in the record of processing".to_owned(),
            String::new(),
            String::new(),
        ]];
        let mut flow = |name: &str, to: &str, what: &str, law: &str| {
            flows.push([name, to, what, law, ""].map(str::to_owned).to_vec());
        };
        if self.recipients.federation {
            flow(
                "other servers",
                "where their operators are: wherever a member of a room has an account",
                "events of shared rooms (ciphertext where encrypted), profiles, device keys, presence and receipts",
                "the person joins a room with people there (article 49(1)(b)): to be assessed",
            );
        }
        flow(
            "push gateways",
            "where the person's app has them",
            "that there is something new; the room and event id where the app asks for no more",
            "the person installs the app (article 49(1)(b)): to be assessed",
        );
        for host in &self.recipients.turn {
            flow("calls", host, "addresses of both sides, encrypted media", "to be assessed");
        }
        let asks = self.duties.table(true).await?;
        let transfer_law = asks.jurisdictions.iter().flat_map(|section| {
            let of = section.duties.iter().filter(|line| matches!(line.kind, Kind::Transfer | Kind::Storage));
            of.map(|line| vec![line.duty.clone(), line.title.clone(), line.answer.word().replace('_', " ")])
        });
        let head = ["duty", "what it asks", "answer"].map(str::to_owned).to_vec();
        let law = Block::Table(head, transfer_law.collect());
        let mut evidence = Vec::new();
        for (name, at, command) in
            [("audit", ages.audit_ts, "domicile audit"), ("ledger", ages.ledger_ts, "domicile ledger")]
        {
            let state =
                stale(name, at, now_ms, command).unwrap_or_else(|| format!("of {}", at.map(day).unwrap_or_default()));
            evidence.push((name.to_owned(), state));
        }
        let head = ["flow", "to", "what", "basis", "assessment"].map(str::to_owned).to_vec();
        let section = |title: &str, block: Block| Section { title: title.to_owned(), blocks: vec![block] };
        let questions = [
            "Which law of the country of destination lets authorities reach the data, and does it bind the importer?",
            "What can they read? Content of encrypted rooms stays ciphertext; membership, times and Matrix ids do not.",
            "Which measures are added: a region of its own, no copies of rooms there, profiles withheld, names that say nothing?",
            "Conclusion, by whom, on which day; when it is looked at again.",
        ];
        Ok(Paper {
            title: "Transfers of personal data: skeleton of an assessment".to_owned(),
            under: vec![
                format!("{}, {}", self.service, day(now_ms)),
                "Chapter V of the General Data Protection Regulation. What is empty is yours to fill in.".to_owned(),
            ],
            sections: vec![
                section("Flows", Block::Table(head, flows)),
                section("What the law of each jurisdiction asks", law),
                section("On what this rests", Block::Fields(evidence)),
                section("To be answered for each flow", Block::List(questions.map(str::to_owned).to_vec())),
            ],
        })
    }
}

fn owner(owner: &Owner) -> &'static str {
    match owner {
        Owner::User(_) | Owner::Through { .. } => "the user's",
        Owner::Room(_) | Owner::Event(_) => "the room's members",
        Owner::Shared => "several people's",
        Owner::Cell => "the service's",
    }
}

fn purpose(class: Class) -> Purpose {
    let users = "people with an account";
    let (why, whom, kept) = match class {
        Class::Account => ("to let people sign in, and to keep their settings", users, "until the account is ended"),
        Class::Contact => (
            "to be reachable for authorities and the public; to answer demands of authorities",
            "contact persons; people named in demands",
            "while the registration or the proceedings need it",
        ),
        Class::Profile => {
            ("to show people to each other", users, "until the person changes it or the account is ended")
        }
        Class::Device => ("to deliver messages to the right devices", users, "until the device signs out"),
        Class::Keys => {
            ("end-to-end encryption between devices", users, "until the device signs out or the account is ended")
        }
        Class::Activity => (
            "to show people their own sessions, unread counts, who is online",
            users,
            "addresses for a week; the rest until the account is ended",
        ),
        Class::Content => (
            "to deliver what people write",
            "people who write, and whom they write about",
            "while the room has members here",
        ),
        Class::Media => (
            "to deliver files",
            "people who upload, and whom files show",
            "while the account lasts; copies of other servers' files for days",
        ),
        Class::Room => ("conversations: events, state, members", "members of rooms", "while the room has members here"),
        Class::Directory => {
            ("to find rooms and people by name", "people and rooms with a name", "until the name is taken away")
        }
        Class::Operational => ("to run the service", "nobody", "while it is needed"),
    };
    Purpose { why, whom, kept }
}
