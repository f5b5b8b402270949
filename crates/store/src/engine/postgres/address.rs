//! Where PostgreSQL is and how to reach it: a URL or `key=value` pairs, as `psql` takes them.

use std::path::PathBuf;

use tokio_postgres::Config;

use crate::StoreError;

/// An address that was understood.
#[derive(Clone)]
pub(crate) struct Address {
    /// Host, port, user, password, database.
    pub(crate) config: Config,
    /// The certificate of who vouches for the server; with it the connection is encrypted and the server's name is checked.
    pub(crate) root_certificate: Option<PathBuf>,
}

impl Address {
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let (rest, mode, root) = take_tls(text);
        let config: Config = rest.parse().map_err(|_| {
            // The parser's own words may quote the address, and with it the password.
            StoreError::Schema(
                "the address of PostgreSQL cannot be read; write postgres://user:password@host/database, or \
                 \"host=… user=… dbname=…\""
                    .to_owned(),
            )
        })?;
        match mode.as_deref() {
            None | Some("prefer" | "disable") if root.is_none() => Ok(Self { config, root_certificate: None }),
            None | Some("require" | "verify-ca" | "verify-full") if root.is_some() => {
                Ok(Self { config, root_certificate: root.map(PathBuf::from) })
            }
            Some("require" | "verify-ca" | "verify-full") => Err(StoreError::Schema(
                "sslmode asks for an encrypted connection to PostgreSQL, and nobody is named who vouches for the server: add \
                 sslrootcert=/path/to/ca.pem"
                    .to_owned(),
            )),
            Some("prefer" | "disable") => Err(StoreError::Schema(
                "sslrootcert is given, and sslmode says that the connection need not be encrypted: write sslmode=verify-full"
                    .to_owned(),
            )),
            Some(other) => Err(StoreError::Schema(format!(
                "sslmode={other} is not known; write sslmode=verify-full with sslrootcert, or leave both out"
            ))),
            None => Ok(Self { config, root_certificate: None }),
        }
    }
}

/// Takes `sslmode` and `sslrootcert` out of an address.
fn take_tls(text: &str) -> (String, Option<String>, Option<String>) {
    let (head, pairs, between) = match text.split_once('?') {
        Some((head, query)) if head.contains("://") => (Some(head), query, '&'),
        _ if text.contains("://") => return (text.to_owned(), None, None),
        _ => (None, text, ' '),
    };
    let (mut mode, mut root, mut kept) = (None, None, Vec::new());
    for pair in pairs.split(between) {
        match pair.split_once('=') {
            Some(("sslmode", value)) => mode = Some(value.to_owned()),
            Some(("sslrootcert", value)) => root = Some(value.replace("%2F", "/").replace("%2f", "/")),
            _ => kept.push(pair),
        }
    }
    let kept = kept.join(&between.to_string());
    let rest = match head {
        Some(head) if kept.is_empty() => head.to_owned(),
        Some(head) => format!("{head}?{kept}"),
        None => kept,
    };
    (rest, mode, root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_is_asked_for_in_both_forms() {
        for text in [
            "postgres://ann:secret@db.example.org/chat?sslmode=verify-full&sslrootcert=/etc/ca.pem&application_name=x",
            "host=db.example.org user=ann password=secret sslmode=require sslrootcert=/etc/ca.pem dbname=chat",
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.root_certificate, Some(PathBuf::from("/etc/ca.pem")));
            assert_eq!(address.config.get_dbname(), Some("chat"));
        }
        assert!(Address::parse("postgres://ann@db/chat").unwrap().root_certificate.is_none());
    }

    #[test]
    fn what_would_be_less_safe_than_it_looks_is_refused() {
        for text in [
            "postgres://ann:secret@db/chat?sslmode=verify-full",
            "host=db sslmode=disable sslrootcert=/etc/ca.pem",
            "host=db sslmode=allow",
            "postgres://ann:secret@db:port/chat",
        ] {
            let error = Address::parse(text).err().unwrap().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
