//! The program itself: the command line beside a running server and without one, its end, its log.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test whose helper fails has failed")]

mod audit;
mod blocklist;
mod censor;
mod command_line;
mod deployment;
mod elsewhere;
mod evidence;
mod full_disk;
mod moves;
mod person;
mod probes;
mod secrets;
mod standing;
mod stopping;
mod story;
mod watched;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use domicile_testkit::postgres::Database;
use serde_json::{Value, json};
use tokio::time::Instant;

const V3: &str = "/_matrix/client/v3";
/// Where the requests of these tests come from, if their proxy is believed.
const CLIENT: &str = "198.51.100.77";
const PROGRAM: &str = env!("CARGO_BIN_EXE_domicile");

/// A place for one server's data, on one of the engines.
struct Place {
    folder: tempfile::TempDir,
    database: Option<Database>,
    /// More environment variables.
    environment: Vec<(String, String)>,
}

/// A server that runs there.
struct Server {
    process: Child,
    /// `host:port` of the clients' listener.
    address: String,
    /// `host:port` of the metrics.
    metrics: String,
}

/// What a server answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    text: String,
}

impl Place {
    fn new(on_postgres: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = on_postgres.then(|| Database::create().unwrap());
        Self { folder, database, environment: Vec::new() }
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.environment.push((format!("DOMICILE_{key}"), value.to_owned()));
        self
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DOMICILE_SERVER__DATA_DIR", self.data())
            .env("DOMICILE_LISTENERS__0__BIND", "127.0.0.1:0")
            .env("DOMICILE_LISTENERS__0__TRUSTED_PROXIES", "127.0.0.1")
            .env("DOMICILE_LISTENERS__1__BIND", "127.0.0.1:0")
            .env("DOMICILE_PASSWORDS__MEMORY", "64K")
            .env("DOMICILE_PASSWORDS__ITERATIONS", "1")
            .envs(self.environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null());
        if let Some(database) = &self.database {
            command.env("DOMICILE_DATABASE__URL", database.address());
        }
        command
    }

    /// Runs a command to its end, with something on its standard input.
    fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut process = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        process.wait_with_output().unwrap()
    }

    /// Runs a command that must succeed and answers in JSON.
    fn json(&self, arguments: &[&str], input: &str) -> Value {
        let output = self.run(arguments, input);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {err}");
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: not JSON ({error}): {out}"))
    }

    /// Starts the server; its log goes to `log`.
    fn serve(&self, log: &Path) -> Server {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let mut process = self.command(&["serve"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let said = lines.by_ref().map_while(Result::ok).find(|line| line.contains("http://127.0.0.1:")).unwrap();
        let address = said.split("http://").nth(1).unwrap().split([',', ' ']).next().unwrap().to_owned();
        // What else it says is not waited for, but it must be able to say it.
        std::thread::spawn(move || lines.for_each(drop));
        let metrics = metrics(&process, &address);
        Server { process, address, metrics }
    }
}

/// The other port on which the process listens.
fn metrics(process: &Child, address: &str) -> String {
    let mine = listening(process.id());
    let known: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    let other = mine.into_iter().find(|port| *port != known).expect("a port for metrics");
    format!("127.0.0.1:{other}")
}

/// The TCP ports on which a process listens, as the kernel tells them.
fn listening(process: u32) -> Vec<u16> {
    let mut sockets = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten() {
        if let Ok(target) = std::fs::read_link(entry.path())
            && let Some(inode) = target.to_string_lossy().strip_prefix("socket:[")
        {
            sockets.push(inode.trim_end_matches(']').to_owned());
        }
    }
    let table = std::fs::read_to_string(format!("/proc/{process}/net/tcp")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row[3] == "0A" && sockets.iter().any(|inode| inode == row[9]))
        .map(|row| u16::from_str_radix(row[1].rsplit(':').next().unwrap(), 16).unwrap())
        .collect()
}

impl Server {
    /// One request on a connection of its own.
    fn ask(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        ask(&self.address, method, path, token, body)
    }

    /// The session of a user.
    fn login(&self, user: &str, password: &str) -> Value {
        let body = json!({
            "type": "m.login.password", "password": password, "identifier": { "type": "m.id.user", "user": user },
        });
        let answer = self.ask("POST", &format!("{V3}/login"), "", &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Tells it to stop, as a service manager does.
    fn terminate(&self) {
        let told = Command::new("kill").arg(self.process.id().to_string()).status().unwrap();
        assert!(told.success());
    }

    /// Waits for its end; gives whether it ended well and how long it took.
    fn ended(mut self) -> (bool, Duration) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return (status.success(), begun.elapsed());
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(self) {
        self.terminate();
        assert!(self.ended().0);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ended_or_not = self.process.kill();
        let _reaped_or_not = self.process.wait();
    }
}

/// A request as it goes over the wire, without its body.
fn head(method: &str, path: &str, token: &str, length: usize) -> String {
    let authorization = if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: x\r\n{authorization}X-Forwarded-For: {CLIENT}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Reads an answer to its end.
fn heard(mut stream: TcpStream) -> Answer {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = serde_json::from_str(body).unwrap_or_default();
    Answer { status, body, text }
}

fn ask(address: &str, method: &str, path: &str, token: &str, body: &Value) -> Answer {
    let body = if method == "GET" { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all((head(method, path, token, body.len()) + &body).as_bytes()).unwrap();
    heard(stream)
}

/// What `body` says as text at `key`.
fn text<'a>(body: &'a Value, key: &str) -> &'a str {
    body[key].as_str().unwrap_or_else(|| panic!("no `{key}` in {body}"))
}
