//! A Matrix client that is told what to do, line by line.
//!
//! Each line of standard input is a command, `{"id": 1, "do": "send", …}`; each line of standard output answers one,
//! `{"id": 1, "ok": …}` or `{"id": 1, "error": "…"}`. The commands and their fields are those of [`command::Command`],
//! and every driver in `clients/` understands the same. Logs go to standard error, as `RUST_LOG` says.
#![recursion_limit = "256"]

mod command;
mod files;
mod inbox;
mod rooms;
mod session;
mod sync;
mod trust;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use crate::command::{Command, Line};
use crate::session::Session;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut output = tokio::io::stdout();
    let mut session = None;
    while let Some(line) = lines.next_line().await.context("reading the next command")? {
        let answer = match serde_json::from_str::<Line>(&line) {
            Err(error) => json!({ "error": format!("this is no command ({error}): {line}") }),
            Ok(Line { command: Command::Quit, id }) => {
                answer_to(&mut output, &json!({ "id": id, "ok": {} })).await?;
                break;
            }
            Ok(Line { command, id }) => match obey(&mut session, command).await {
                Ok(value) => json!({ "id": id, "ok": value }),
                Err(error) => json!({ "id": id, "error": format!("{error:#}") }),
            },
        };
        answer_to(&mut output, &answer).await?;
    }
    // The client's background tasks have nothing more to say; their stores are closed by the process's end.
    std::process::exit(0)
}

async fn answer_to(output: &mut tokio::io::Stdout, answer: &Value) -> Result<()> {
    output.write_all(format!("{answer}\n").as_bytes()).await.context("answering")?;
    output.flush().await.context("answering")
}

/// Does what one command says, and returns what its answer carries.
async fn obey(session: &mut Option<Session>, command: Command) -> Result<Value> {
    if let Command::Open { homeserver, store } = command {
        *session = Some(Session::open(&homeserver, store).await?);
        return Ok(json!({}));
    }
    let session = session.as_mut().context("no client yet: `open` comes first")?;
    match command {
        Command::Register { user, password, token } => session.register(&user, &password, token).await,
        Command::Login { user, password } => session.login(&user, &password).await,
        Command::Restore => session.restore().await,
        Command::Logout => session.logout().await,
        Command::SyncStart { sliding } => session.start_sync(sliding).await,
        Command::SyncStop => session.stop_sync(),
        Command::CreateRoom { encrypted, name, invite } => rooms::create(session, encrypted, name, invite).await,
        Command::Invite { room, user } => rooms::invite(session, &room, &user).await,
        Command::Join { room } => rooms::join(session, &room).await,
        Command::Rooms => Ok(rooms::list(session)),
        Command::WaitMembers { room, count, timeout } => rooms::wait_members(session, &room, count, timeout).await,
        Command::Send { room, body } => rooms::send(session, &room, &body).await,
        Command::SendMany { room, bodies } => rooms::send_many(session, &room, &bodies).await,
        Command::History { room, limit, timeout } => rooms::history(session, &room, limit, timeout).await,
        Command::Expect { room, bodies, timeout } => Ok(session.inbox.expect(&room, &bodies, timeout).await),
        Command::Arrivals { room } => Ok(session.inbox.arrivals(&room)),
        Command::ForgetArrivals => Ok(session.inbox.forget()),
        Command::BootstrapCrossSigning { password } => trust::bootstrap(session, &password).await,
        Command::EnableRecovery => trust::enable_recovery(session).await,
        Command::Recover { key } => trust::recover(session, &key).await,
        Command::WaitDevice { device, timeout } => trust::wait_device(session, &device, timeout).await,
        Command::Verify { user, device, timeout } => trust::verify(session, user, &device, timeout).await,
        Command::WaitUserVerified { user, timeout } => trust::wait_user_verified(session, &user, timeout).await,
        Command::SendFile { room, name, text } => files::send(session, &room, name, text).await,
        Command::ReadFile { room, event } => files::read(session, &room, &event).await,
        Command::WaitVerified { timeout } => trust::wait_verified(session, timeout).await,
        Command::Open { .. } | Command::Quit => Ok(json!({})),
    }
}
