//! What is measured, and with which numbers each server is asked.

/// A scenario: its name, the load driver's arguments for each server, and the smaller numbers with which Synapse is asked.
pub(super) struct Scenario {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) domicile: &'static [(&'static str, u32)],
    /// None where Synapse would take hours.
    pub(super) synapse: Option<&'static [(&'static str, u32)]>,
    /// Whether the server is started again afterwards, to see how long that takes.
    pub(super) restart: bool,
    /// Which other servers there are.
    pub(super) others: Others,
    /// What it is whose time is told below the table.
    pub(super) end: Option<&'static str>,
}

/// The other servers of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    /// None.
    Nobody,
    /// Those that the load driver plays.
    Played,
    /// Besides, a Synapse that is in a large room.
    Holder,
}

/// Without a restart.
const fn scenario(
    name: &'static str,
    kind: &'static str,
    domicile: &'static [(&'static str, u32)],
    synapse: &'static [(&'static str, u32)],
) -> Scenario {
    Scenario { name, kind, domicile, synapse: Some(synapse), restart: false, others: Others::Nobody, end: None }
}

/// Between servers.
const fn between(
    name: &'static str,
    kind: &'static str,
    domicile: &'static [(&'static str, u32)],
    synapse: &'static [(&'static str, u32)],
    others: Others,
    end: Option<&'static str>,
) -> Scenario {
    Scenario { name, kind, domicile, synapse: Some(synapse), restart: false, others, end }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario("started, nothing in it", "started", &[], &[]),
    scenario(
        "send, 1 sender, 1 room of 5",
        "send",
        &[("rooms", 1), ("members", 5), ("senders", 1), ("messages", 5_000)],
        &[("rooms", 1), ("members", 5), ("senders", 1), ("messages", 400)],
    ),
    scenario(
        "send, 32 senders, 20 rooms of 5",
        "send",
        &[("rooms", 20), ("members", 5), ("senders", 32), ("messages", 40_000)],
        &[("rooms", 20), ("members", 5), ("senders", 32), ("messages", 800)],
    ),
    scenario(
        "send, 32 senders, 20 rooms of 5 that are not encrypted",
        "send",
        &[("rooms", 20), ("members", 5), ("senders", 32), ("messages", 40_000), ("plain", 1)],
        &[("rooms", 20), ("members", 5), ("senders", 32), ("messages", 800), ("plain", 1)],
    ),
    scenario(
        "send, 1 sender, 1 room of 300",
        "send",
        &[("rooms", 1), ("members", 300), ("senders", 1), ("messages", 5_000)],
        &[("rooms", 1), ("members", 300), ("senders", 1), ("messages", 200)],
    ),
    scenario(
        "send, 1 sender, 1 room of 10,000 (Synapse: 1,000)",
        "send",
        &[("rooms", 1), ("members", 10_000), ("senders", 1), ("messages", 5_000)],
        &[("rooms", 1), ("members", 1_000), ("senders", 1), ("messages", 50)],
    ),
    scenario(
        "send, 32 senders, 10 rooms of 5",
        "send",
        &[("rooms", 10), ("members", 5), ("senders", 32), ("messages", 40_000)],
        &[("rooms", 10), ("members", 5), ("senders", 32), ("messages", 800)],
    ),
    scenario(
        "send, 32 senders, 1,000 rooms of 5 (Synapse: 100)",
        "send",
        &[("rooms", 1_000), ("members", 5), ("senders", 32), ("messages", 40_000)],
        &[("rooms", 100), ("members", 5), ("senders", 32), ("messages", 800)],
    ),
    scenario(
        "send, 32 senders, 20 rooms with a past of 10,000 events (Synapse: 5,000)",
        "send",
        &[("rooms", 20), ("members", 5), ("senders", 32), ("history", 10_000), ("messages", 40_000)],
        &[("rooms", 20), ("members", 5), ("senders", 32), ("history", 5_000), ("messages", 800)],
    ),
    Scenario {
        name: "send, 32 senders, 20 rooms with a past of 1,000,000 events",
        kind: "send",
        domicile: &[("rooms", 20), ("members", 5), ("senders", 32), ("history", 1_000_000), ("messages", 40_000)],
        synapse: None,
        restart: true,
        others: Others::Nobody,
        end: None,
    },
    scenario(
        "send to receive, 200/s to 4 receivers",
        "latency",
        &[("members", 5), ("rate", 200), ("messages", 4_000)],
        &[("members", 5), ("rate", 20), ("messages", 300)],
    ),
    scenario(
        "send to receive, 5/s to 299 receivers",
        "latency",
        &[("members", 300), ("rate", 5), ("messages", 100)],
        &[("members", 300), ("rate", 1), ("messages", 15)],
    ),
    scenario("first sync of 500 rooms", "initial-sync", &[("rooms", 500)], &[("rooms", 500)]),
    scenario(
        "idle sync in 100 rooms",
        "idle-sync",
        &[("rooms", 100), ("messages", 5_000)],
        &[("rooms", 100), ("messages", 500)],
    ),
    scenario(
        "sync with news from 10 of 100 rooms",
        "busy-sync",
        &[("rooms", 100), ("messages", 1_000)],
        &[("rooms", 100), ("messages", 50)],
    ),
    scenario(
        "join, 20 rooms, 20 accounts",
        "join",
        &[("rooms", 20), ("members", 20)],
        &[("rooms", 20), ("members", 20)],
    ),
    scenario("parked long polls", "parked", &[("members", 2_000)], &[("members", 300)]),
    between(
        "between servers: 10,000 events in transactions of 50 (Synapse: 1,000)",
        "ingest",
        &[("members", 5), ("messages", 10_000)],
        &[("members", 5), ("messages", 1_000)],
        Others::Played,
        None,
    ),
    between(
        "between servers: one message to 1,000, half of them dead",
        "fan-out",
        &[("members", 1_000)],
        &[("members", 1_000)],
        Others::Played,
        Some("the last of the living had it"),
    ),
    between(
        "between servers: two branches of 1,000 events that contradict each other (Synapse: 200)",
        "branches",
        &[("messages", 1_000)],
        &[("messages", 200)],
        Others::Played,
        Some("the last event, for which both whole branches are resolved, was here"),
    ),
    between(
        "between servers: joining a room of 10,000 members and 50,000 state events, which is told at once",
        "direct-join",
        &[("members", 10_000), ("state", 40_000)],
        &[("members", 10_000), ("state", 40_000)],
        Others::Played,
        Some("everything was here"),
    ),
    between(
        "between servers: joining a room of 10,000 members and 50,000 state events, which a Synapse holds",
        "remote-join",
        &[("members", 10_000), ("state", 40_000)],
        &[("members", 10_000), ("state", 40_000)],
        Others::Holder,
        Some("everything was here"),
    ),
];
