//! The proxies of the configuration, with the passwords that they want.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt as _, path::Path};

use anyhow::{Context, bail};
use domicile_app::residency::InnerWays;
use domicile_core::{
    config::{self, PROXY_SECRET_BYTES, ProxyKeys, ProxyKind},
    locality::CellName,
};
use domicile_egress::{Proxy, ProxySettings};

/// Bytes of a file with a password at most: a password, and the end of its line.
const FILE_BYTES: u64 = 1_024;

/// The proxy of a section, if it has one. `resolves` says whether it looks names up.
pub(super) fn open(keys: ProxyKeys<'_>, resolves: bool) -> anyhow::Result<Option<Proxy>> {
    if !keys.is_set() {
        return Ok(None);
    }
    let place = keys.place().map_err(|what| anyhow::anyhow!("{}: {what}", keys.key("proxy")))?;
    let kind = match place.kind {
        ProxyKind::Http => domicile_egress::ProxyKind::Http,
        ProxyKind::Socks5 => domicile_egress::ProxyKind::Socks5,
    };
    let password = password(keys).with_context(|| keys.key("proxy_password_file"))?;
    let credentials = password.map(|password| (keys.username.to_owned(), password));
    Ok(Some(Proxy::new(ProxySettings { kind, host: place.host, port: place.port, credentials, resolves })))
}

/// By what other cells are reached.
pub(super) fn inner(config: &config::Deployment) -> anyhow::Result<InnerWays> {
    let cells = config.proxy_cells.iter().map(|name| {
        CellName::parse(name).with_context(|| format!("deployment.proxy_cells: `{name}` cannot be the name of a cell"))
    });
    let cells = cells.collect::<anyhow::Result<BTreeSet<_>>>()?;
    Ok(InnerWays { proxy: open(config.proxy(), true)?, cells, relays: config.relay })
}

/// The password that a section names by its file; none where it names no file.
pub(crate) fn password(keys: ProxyKeys<'_>) -> anyhow::Result<Option<String>> {
    if keys.password_file.is_empty() {
        return Ok(None);
    }
    let path = Path::new(keys.password_file);
    let found = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if found.mode() & 0o077 != 0 {
        bail!("other accounts of this machine may read {}: close it with `chmod 600 {0}`", path.display());
    }
    if !found.is_file() || found.len() > FILE_BYTES {
        bail!("{} is no file with a password in its only line", path.display());
    }
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() || password.len() > PROXY_SECRET_BYTES || password.chars().any(char::is_control) {
        bail!("{}: write the password as its only line, of 1 to {PROXY_SECRET_BYTES} bytes", path.display());
    }
    Ok(Some(password.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_password_is_the_only_line_of_a_file_that_nobody_else_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let place = path.display().to_string();
        let keys = ProxyKeys { section: "federation", address: "", username: "me", password_file: &place };
        let read = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            password(keys).map_err(|error| format!("{error:#}"))
        };
        assert!(password(keys).unwrap_err().to_string().contains("cannot read"));
        for text in ["pass: word", "pass: word\n", "pass: word\r\n"] {
            assert_eq!(read(text, 0o600), Ok(Some("pass: word".to_owned())));
        }
        assert!(read("pass", 0o640).unwrap_err().contains("chmod 600"));
        for text in ["", "\n", "two\nlines\n", &"x".repeat(256)] {
            let told = read(text, 0o600).unwrap_err();
            assert!(told.contains("only line") && (text.trim().is_empty() || !told.contains(text.trim())), "{told}");
        }
        assert!(read(&"x".repeat(2_000), 0o600).unwrap_err().contains("is no file"));
        assert_eq!(password(ProxyKeys { password_file: "", ..keys }).unwrap(), None);
    }
}
