//! Cells whose log is read as they write it, line by line. Their pipe holds one line: a cell does not get further ahead of whoever reads than a line or
//! two, so it can be killed, or the world around it be changed, at exactly the step of a move that a line tells of.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use domicile_testkit::plays::cells::Cell;
use rustix::{
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
    process::Pid,
};
use serde_json::Value;

use super::{PROGRAM, ask};

/// Where the steps of a move are logged.
const TARGET: &str = "domicile_app::moves::steps";
/// How long a cell may take to answer.
const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(5);
/// What a pipe holds at least: one line, each of which is a packet of its own.
const PAGE: usize = 4096;

/// A line of the log that tells of a step.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line {
    /// A state, a request, or what has happened.
    pub(super) of: String,
    /// What became of it.
    pub(super) what: String,
}

/// A process that is watched. It is killed when it is dropped.
pub(super) struct Watched {
    process: Child,
    reader: Option<JoinHandle<()>>,
}

/// Has a cell, which is stopped for it, tell of the steps of moves from its next start on.
pub(super) fn to_be_watched(cell: &mut Cell) {
    cell.stop().unwrap();
    let mut file = OpenOptions::new().append(true).open(cell.folder().join("domicile.toml")).unwrap();
    write!(file, "\n[logging]\nlevel = \"warn,{TARGET}=debug\"\nformat = \"json\"\n").unwrap();
}

/// How somebody's move stands, as a cell that is left tells.
pub(super) fn move_of(cell: &Cell, user_id: &str) -> Value {
    cell.json(&["move", "--status", user_id]).unwrap()
}

impl Watched {
    /// Starts what serves for a cell, and waits until it answers. `see` is given each line that tells of a step; until it returns, no more are read.
    pub(super) fn start(cell: &Cell, see: impl FnMut(Line) + Send + 'static) -> Self {
        let (read, write) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).unwrap();
        fcntl_setpipe_size(&write, PAGE).unwrap();
        let process = Command::new(PROGRAM)
            .arg("--config")
            .arg(cell.folder().join("domicile.toml"))
            .arg("serve")
            .current_dir(cell.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(write)
            .spawn()
            .unwrap();
        let log = cell.folder().join("watched.log");
        let reader = thread::spawn(move || follow(File::from(read), log, see));
        let mut watched = Self { process, reader: Some(reader) };
        watched.wait_for(cell);
        watched
    }

    #[expect(clippy::disallowed_methods, reason = "how long it takes is the machine's own time")]
    fn wait_for(&mut self, cell: &Cell) {
        let began = Instant::now();
        let answers = || {
            TcpStream::connect(cell.clients).is_ok()
                && UnixStream::connect(cell.data().join("admin.sock")).is_ok()
                && ask(&cell.clients.to_string(), "GET", "/_matrix/client/versions", "", &Value::Null).status == 200
        };
        while !answers() {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "{} does not start", cell.folder().display());
            sleep(PAUSE);
        }
    }

    /// Its number, by which it is killed.
    pub(super) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Waits until it is dead that was killed, and all that it wrote has been seen.
    pub(super) fn bury(mut self) {
        self.process.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Reads a log to its end, and keeps it for whoever looks for a mistake.
fn follow(pipe: File, log: PathBuf, mut see: impl FnMut(Line)) {
    let mut kept = OpenOptions::new().create(true).append(true).open(log).unwrap();
    for line in BufReader::new(pipe).lines().map_while(Result::ok) {
        let told: Value = serde_json::from_str(&line).unwrap_or_default();
        if told["target"] == TARGET {
            let text = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
            see(Line { of: text("of"), what: text("message") });
        }
        writeln!(kept, "{line}").unwrap();
    }
}
