//! The layouts of registers: one file each, behind a trait. A further layout is a file here and a line in [`Format`].

mod columns;
mod hazard;
mod lines;
mod ru_csv;
mod ru_xml;

use std::io::BufRead;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1250, WINDOWS_1251};

use super::{
    entry::Sink,
    problem::{Fault, Place},
};

/// What a register says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When it was last changed, in milliseconds since the epoch, if it says so.
    pub updated_ms: Option<i64>,
}

/// A layout: how entries are told apart and what they say.
pub trait Layout: Sync {
    /// Reads all of it, handing over each entry and each problem. A problem that ends the reading is handed over, too.
    fn read(&self, from: &mut dyn BufRead, into: &mut dyn Sink) -> Head;
}

/// The layouts that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `dump.csv` and its parts: the register of Russia as public mirrors have it.
    RuCsv,
    /// `dump.xml`: the register of Russia as its authority gives it to providers.
    RuXml,
    /// The register of gambling domains of Poland's Ministry of Finance, XML.
    PlHazard,
    /// The warning list of CERT Polska, with tabs.
    PlCert,
    /// The list of risky shops of Czechia's trade inspection, CSV.
    CzCoi,
    /// A name, mask, page, address or network on each line; names mean themselves.
    List,
    /// The same; names mean what is below them, too.
    Domains,
    /// The file `hosts`: an address to be led to, then names.
    Hosts,
}

/// All of them with their names.
pub const FORMATS: [(&str, Format); 8] = [
    ("ru-csv", Format::RuCsv),
    ("ru-xml", Format::RuXml),
    ("pl-hazard", Format::PlHazard),
    ("pl-cert", Format::PlCert),
    ("cz-coi", Format::CzCoi),
    ("list", Format::List),
    ("domains", Format::Domains),
    ("hosts", Format::Hosts),
];

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// How it is read.
    pub fn layout(self) -> &'static dyn Layout {
        match self {
            Self::RuCsv => &ru_csv::RuCsv,
            Self::RuXml => &ru_xml::RuXml,
            Self::PlHazard => &hazard::Hazard,
            Self::PlCert => &columns::CERT,
            Self::CzCoi => &columns::COI,
            Self::List => &lines::PlainLines { below: false },
            Self::Domains => &lines::PlainLines { below: true },
            Self::Hosts => &lines::HostsFile,
        }
    }

    /// In what its texts are written where they are not UTF-8. XML is handed over as UTF-8.
    pub fn encoding(self) -> &'static Encoding {
        match self {
            Self::RuCsv => WINDOWS_1251,
            Self::CzCoi | Self::PlCert => WINDOWS_1250,
            _ => UTF_8,
        }
    }
}

impl std::str::FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = FORMATS.iter().find(|(name, _)| *name == text).map(|(_, format)| *format);
        found.ok_or_else(|| {
            let names: Vec<&str> = FORMATS.iter().map(|(name, _)| *name).collect();
            format!("expected one of {}, found `{text}`", names.join(", "))
        })
    }
}

/// Reads lines until they end or cannot be read, and tells of those that are no text or too long. Gives whether the last one was whole.
fn each_line(
    from: &mut dyn BufRead,
    into: &mut dyn Sink,
    mut each: impl FnMut(&mut dyn Sink, &super::lines::Line<'_>),
) {
    let mut lines = super::lines::Lines::new(from);
    loop {
        let place = lines.place();
        match lines.next() {
            Ok(None) => return,
            Err(error) => return into.problem(place, super::source::unreadable(&error)),
            Ok(Some(mut line)) => {
                if memchr::memchr(0, line.text).is_some() {
                    // One problem is enough: in UTF-16 every line has them.
                    return into.problem(place, Fault::NotText);
                }
                if place == (Place { line: 1, byte: 0 }) {
                    line.text = line.text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line.text);
                }
                if line.is_cut {
                    into.problem(place, Fault::TooLong(super::lines::LONGEST_LINE));
                }
                each(into, &line);
            }
        }
    }
}
