//! What was seen of the ways to this deployment.

use super::{Class, Holds, Merge, Owner, Table, column};

pub(super) const TABLES: &[Table] = &[
    Table {
        name: "probe_vantages",
        about: "A place from which somebody reports whether this deployment can be reached",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["name"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("vantage_num", Class::Operational, Holds::OwnNum),
            column("name", Class::Operational, Holds::Value),
            column("code_hash", Class::Operational, Holds::Value),
            column("public_key", Class::Operational, Holds::Value),
            column("created_ts", Class::Operational, Holds::Value),
        ],
    },
    Table {
        name: "probe_runs",
        about: "What was seen of the ways to this deployment at one time",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["run_num"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("run_num", Class::Operational, Holds::OwnNum),
            column("vantage_num", Class::Operational, Holds::OwnNum),
            column("started_ts", Class::Operational, Holds::Value),
            column("may_publish", Class::Operational, Holds::Value),
            column("report", Class::Operational, Holds::Value),
        ],
    },
    Table {
        name: "probe_results",
        about: "Whether somebody interfered with one way to this deployment at one time",
        class: Class::Operational,
        owner: Owner::Cell,
        second: None,
        key: &["run_num", "ordinal"],
        merge: Merge::StaysHere,
        order: 0,
        columns: &[
            column("run_num", Class::Operational, Holds::OwnNum),
            column("ordinal", Class::Operational, Holds::Value),
            column("vantage_num", Class::Operational, Holds::OwnNum),
            column("started_ts", Class::Operational, Holds::Value),
            column("host", Class::Operational, Holds::Value),
            column("port", Class::Operational, Holds::Value),
            column("verdict", Class::Operational, Holds::Value),
            column("evidence", Class::Operational, Holds::Value),
            column("rate", Class::Operational, Holds::Value),
            column("control_rate", Class::Operational, Holds::Value),
            column("country", Class::Operational, Holds::Value),
        ],
    },
];
