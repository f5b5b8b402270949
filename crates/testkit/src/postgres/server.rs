//! A private `PostgreSQL` for tests: made in a temporary folder, reached by a unix socket, thrown away with its process.
//!
//! The machine's own `PostgreSQL`, if it runs one, is never touched: only its programs are used. A small shell process
//! looks after the server and waits for the end of its standard input, so the server goes away with whoever started it,
//! however that ends (`kill -9` too). This file uses nothing of the product, since `cargo xtask` compiles it as well.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Where Debian puts each version's programs.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";

/// Makes a cluster, starts it, says so, and stops it when standard input ends. `$1` is the folder of the programs.
///
/// `fsync=off` and its companions: tests of durability run on `SQLite` through the power-cut layer; here a crash of the
/// machine loses nothing that anybody wants. Signals are ignored so that Ctrl-C on the tests cannot leave a folder behind.
const KEEPER: &str = r#"
set -eu
trap '' INT TERM HUP
dir=$(mktemp -d "${TMPDIR:-/tmp}/domicile-postgres-XXXXXX")
fail() { cat "$dir/log" >&2; rm -rf "$dir"; exit 1; }
"$1/initdb" --auth=trust --username=domicile --encoding=UTF8 --locale=C --no-sync --pgdata="$dir/data" \
    </dev/null >"$dir/log" 2>&1 || fail
"$1/postgres" -D "$dir/data" -k "$dir" -c listen_addresses= -c max_connections=300 -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off -c shared_buffers=64MB </dev/null >"$dir/log" 2>&1 &
server=$!
until "$1/pg_isready" --quiet --host="$dir" </dev/null; do kill -0 "$server" 2>/dev/null || fail; sleep 0.05; done
echo "$dir"
cat >/dev/null
kill -QUIT "$server" 2>/dev/null || true
wait "$server" || true
rm -rf "$dir"
"#;

/// A running private server; stopped and deleted when this is dropped or its process ends.
#[derive(Debug)]
pub struct Server {
    keeper: Child,
    address: String,
}

impl Server {
    /// Makes and starts a server of its own in a second or two.
    pub fn start() -> Result<Self> {
        let programs = programs().context(
            "PostgreSQL's programs are not on this machine (looked in PATH and under /usr/lib/postgresql); \
             `cargo xtask test` installs them from Debian's packages",
        )?;
        let mut command = match unprivileged_user()? {
            None => Command::new("sh"),
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--", "sh"]);
                command
            }
        };
        let mut keeper = command
            .args(["-c", KEEPER, "postgres-keeper"])
            .arg(&programs)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the shell that looks after the tests' PostgreSQL")?;
        let mut folder = String::new();
        if let Some(out) = keeper.stdout.take() {
            BufReader::new(out).read_line(&mut folder).context("reading where the tests' PostgreSQL listens")?;
        }
        let folder = folder.trim();
        if folder.is_empty() {
            let mut why = String::new();
            if let Some(err) = keeper.stderr.as_mut() {
                err.read_to_string(&mut why).context("reading why the tests' PostgreSQL did not start")?;
            }
            bail!("the tests' PostgreSQL from {} did not start:\n{}", programs.display(), why.trim());
        }
        let address = format!("host={folder} user=domicile");
        Ok(Self { keeper, address })
    }

    /// How to reach it, as `key=value` pairs without a database.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        // Nothing is left to do about a keeper that cannot be waited for: it ends by itself.
        self.keeper.wait().ok();
    }
}

/// The folder with `initdb` and `postgres`: the newest of Debian's, or the one in `PATH`.
pub fn programs() -> Option<PathBuf> {
    let has_all = |folder: &Path| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).is_file());
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN_VERSIONS)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, folder)| has_all(folder))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.pop().map(|(_, folder)| folder).or_else(|| std::env::split_paths(&path).find(|folder| has_all(folder)))
}

/// Who runs the server: the caller, or, since `PostgreSQL` refuses to run as root, somebody without rights.
fn unprivileged_user() -> Result<Option<&'static str>> {
    let id = Command::new("id").arg("-u").output().context("asking `id -u` who runs the tests")?;
    if id.stdout.trim_ascii() != b"0" {
        return Ok(None);
    }
    let known = |user: &str| Command::new("id").arg(user).output().is_ok_and(|out| out.status.success());
    Ok(Some(if known("postgres") { "postgres" } else { "nobody" }))
}
