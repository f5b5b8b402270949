//! Who may depend on whom: the layers of ARCHITECTURE.md, and which crates may name which kinds of library.

use super::Complaint;
use super::metadata::{Dependency, Metadata, Package};

/// Each crate with the crates of ours that it may name, from the bottom up.
const LAYERS: &[(&str, &[&str])] = &[
    ("domicile-core", &[]),
    ("domicile-room", &["domicile-core"]),
    ("domicile-residency", &["domicile-core"]),
    ("domicile-egress", &["domicile-core", "domicile-residency"]),
    ("domicile-store", &["domicile-core", "domicile-residency"]),
    ("domicile-app", &["domicile-core", "domicile-room", "domicile-residency", "domicile-store", "domicile-egress"]),
    ("domicile-http", &["domicile-core", "domicile-app"]),
    (
        "domicile-server",
        &[
            "domicile-core",
            "domicile-room",
            "domicile-residency",
            "domicile-store",
            "domicile-egress",
            "domicile-app",
            "domicile-http",
        ],
    ),
    (
        "domicile-testkit",
        &[
            "domicile-core",
            "domicile-room",
            "domicile-residency",
            "domicile-store",
            "domicile-egress",
            "domicile-app",
            "domicile-http",
            "domicile-server",
        ],
    ),
    ("domicile-loadgen", &["domicile-core", "domicile-room"]),
    ("xtask", &[]),
];

/// Libraries that only some crates may name, the crates, and the reason.
const KEPT: &[(&[&str], &[&str], &str)] = &[
    (
        &["rusqlite", "libsqlite3-sys", "tokio-postgres", "postgres", "sqlx", "diesel", "deadpool-postgres", "sea-orm"],
        &["domicile-store"],
        "SQL stands in the store and nowhere else; ask a table of `domicile_store` instead",
    ),
    (
        &[
            "reqwest",
            "ureq",
            "isahc",
            "hickory-resolver",
            "lettre",
            "async-nats",
            "tokio-tungstenite",
            "tungstenite",
            "hyper-rustls",
            "hyper-tls",
        ],
        &["domicile-egress", "domicile-loadgen", "domicile-testkit"],
        "outgoing connections are made in the egress crate, behind its guard; ask it instead",
    ),
];

/// Crates of pure values, and what may not reach them even through another library.
const PURE: &[&str] = &["domicile-room", "domicile-residency"];
const IMPURE: &[&str] = &["tokio", "mio", "rusqlite", "tokio-postgres", "hyper", "axum", "reqwest"];

/// What is only for development; no crate of the product needs it to run.
const DEVELOPMENT: &[&str] = &["domicile-testkit", "domicile-loadgen", "xtask"];

/// Complaints about the edges between the packages.
pub(super) fn check(metadata: &Metadata) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for package in metadata.own() {
        let Some((_, below)) = LAYERS.iter().find(|(name, _)| *name == package.name) else {
            complaints.push(Complaint::new(
                &package.name,
                "this package has no place in the layers",
                "add it to LAYERS in xtask/src/tidy/edges.rs and to the map in ARCHITECTURE.md, or let a folder do",
            ));
            continue;
        };
        for dependency in &package.dependencies {
            complaints.extend(ours(package, dependency, below));
            complaints.extend(kept(package, dependency));
            complaints.extend(client_features(package, dependency));
        }
        if PURE.contains(&package.name.as_str()) {
            complaints.extend(IMPURE.iter().filter_map(|name| metadata.way(package, name)).map(|way| {
                Complaint::new(
                    &package.name,
                    format!("this crate is pure but reaches {}", way.join(" -> ")),
                    "take values as arguments and return decisions; what waits or writes belongs to `domicile-app`",
                )
            }));
        }
    }
    complaints
}

/// An edge between two packages of ours.
fn ours(package: &Package, dependency: &Dependency, below: &[&str]) -> Option<Complaint> {
    let name = dependency.name.as_str();
    if !LAYERS.iter().any(|(known, _)| *known == name) {
        return None;
    }
    let is_dev = dependency.kind.as_deref() == Some("dev");
    if below.contains(&name) || (is_dev && DEVELOPMENT.contains(&name)) {
        return None;
    }
    Some(Complaint::new(
        format!("{} -> {name}", package.name),
        "this edge goes against the layers",
        format!(
            "{} may name: {}. Move the code to the layer that may, or pass what is needed through the layer between",
            package.name,
            if below.is_empty() { "no crate of ours".to_owned() } else { below.join(", ") },
        ),
    ))
}

/// A library that only some crates may name. Tests may name what they check.
fn kept(package: &Package, dependency: &Dependency) -> Option<Complaint> {
    let (_, who, reason) = KEPT.iter().find(|(names, ..)| names.contains(&dependency.name.as_str()))?;
    if who.contains(&package.name.as_str()) || dependency.kind.as_deref() == Some("dev") {
        return None;
    }
    Some(Complaint::new(
        format!("{} -> {}", package.name, dependency.name),
        format!("only {} may name {}", who.join(", "), dependency.name),
        *reason,
    ))
}

/// hyper is a server's library here: its client half opens sockets.
fn client_features(package: &Package, dependency: &Dependency) -> Option<Complaint> {
    let allowed = ["domicile-egress", "domicile-loadgen", "domicile-testkit"];
    if !dependency.name.starts_with("hyper")
        || dependency.kind.as_deref() == Some("dev")
        || allowed.contains(&package.name.as_str())
    {
        return None;
    }
    let feature = dependency.features.iter().find(|feature| feature.starts_with("client"))?;
    Some(Complaint::new(
        format!("{} -> {}", package.name, dependency.name),
        format!("the feature `{feature}` opens outgoing connections"),
        "outgoing connections are made in the egress crate, behind its guard; ask it instead",
    ))
}
