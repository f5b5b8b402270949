//! What may not stand in source files, with the reason and the better way.

use super::{Complaint, File};

/// A text that may not stand in some files.
struct Ban {
    text: &'static str,
    /// Where it may stand all the same, as the beginnings of paths.
    except: &'static [&'static str],
    what: &'static str,
    advice: &'static str,
}

// Each text is put together from two parts, so that this file does not complain of itself.
const BANS: &[Ban] = &[
    Ban {
        text: concat!("#[", "allow("),
        except: &[],
        what: "an `allow` stays when its reason is gone",
        advice: "write `#[expect(…, reason = \"…\")]`, or mend what the lint says",
    },
    Ban {
        text: concat!("#![", "allow("),
        except: &[],
        what: "an `allow` stays when its reason is gone",
        advice: "write `#![expect(…, reason = \"…\")]`, or mend what the lint says",
    },
    Ban {
        text: concat!("#[", "ignore"),
        except: &[],
        what: "a test that is not run proves nothing",
        advice: "make it run, make it a chore of `cargo xtask`, or delete it",
    },
    Ban {
        text: concat!("TODO", ":"),
        except: &[],
        what: "a note to do something later",
        advice: "do it, or leave the thing out and say so where people look: the README or an issue",
    },
    Ban {
        text: concat!("FIX", "ME"),
        except: &[],
        what: "a note to mend something later",
        advice: "mend it, or say in an issue what is broken",
    },
    Ban {
        text: concat!("TcpStream::", "connect"),
        except: &["crates/egress/", "crates/loadgen/", "crates/testkit/", "xtask/", "clients/"],
        what: "an outgoing connection outside the egress crate",
        advice: "ask the egress crate, whose guard keeps requests away from private addresses",
    },
    Ban {
        text: concat!("UdpSocket::", "bind"),
        except: &["crates/egress/", "crates/loadgen/", "crates/testkit/", "xtask/", "clients/"],
        what: "a datagram socket outside the egress crate",
        advice: "ask the egress crate, whose guard keeps requests away from private addresses",
    },
];

/// Complaints about lines of source files. Tests may connect to the servers that they start.
pub(super) fn check(files: &[File]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for File { path, text } in files.iter().filter(|file| file.is_rust()) {
        for (number, line) in (1..).zip(text.lines()) {
            for Ban { text, except, what, advice } in BANS {
                let is_excepted = except.iter().any(|start| path.starts_with(start))
                    || (!except.is_empty() && path.contains("/tests/"));
                if line.contains(text) && !is_excepted {
                    complaints.push(Complaint::new(format!("{path}:{number}"), *what, *advice));
                }
            }
        }
    }
    complaints
}
