//! The register of gambling domains of Poland's Ministry of Finance (`https://hazard.mf.gov.pl/api/Register`): `<Rejestr>` with a
//! `<PozycjaRejestru Lp="…">` for each domain, in it `<AdresDomeny>` and `<DataWpisu>`. It does not say when it was changed.

use std::io::BufRead;

use encoding_rs::UTF_8;

use super::{Head, Layout};
use crate::blocklist::{
    entry::{Aim, Entry, Fact, Kind, Sink},
    problem::{Fault, excerpt},
    xml::{Node, walk},
};

pub(super) struct Hazard;

/// The element in work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Domain,
    Included,
    Other,
}

impl Layout for Hazard {
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head {
        let (mut entry, mut in_entry) = (Entry::default(), false);
        let (mut field, mut text) = (Field::Other, String::new());
        let ended = walk(from, UTF_8, |place, node| {
            match node {
                Node::Open(1, "Rejestr", _) => {}
                Node::Open(1, name, _) => {
                    return Err(Fault::Xml(format!("it begins with <{}> instead of <Rejestr>", excerpt(name, 40))));
                }
                Node::Open(2, "PozycjaRejestru", attributes) => {
                    entry.begin(place);
                    entry.fact(Fact::Id, attributes.get("Lp").as_bytes());
                    in_entry = true;
                }
                Node::Open(3, name, _) => {
                    text.clear();
                    field = match name {
                        "AdresDomeny" => Field::Domain,
                        "DataWpisu" => Field::Included,
                        _ => Field::Other,
                    };
                }
                Node::Text(3, part) if field != Field::Other => text.push_str(part),
                Node::Close(3) if in_entry => match std::mem::replace(&mut field, Field::Other) {
                    Field::Domain => {
                        entry.piece(Kind::Name, Aim::Blocked, text.as_bytes());
                    }
                    Field::Included => entry.fact(Fact::Included, text.as_bytes()),
                    Field::Other => {}
                },
                Node::Close(2) if std::mem::take(&mut in_entry) => into.entry(&entry),
                _ => {}
            }
            Ok(())
        });
        if let Err((place, fault)) = ended {
            into.problem(place, fault);
        }
        Head::default()
    }
}
