//! A mail server in the test's own process: it speaks as much SMTP as somebody who hands in a mail needs, keeps what it is told, and behaves as
//! badly as a test wants.

#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a fixture that fails ends its test")]

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpListener,
    task::JoinHandle,
};

use crate::gateway;

/// How the connection is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secured {
    /// Not at all.
    Plain,
    /// TLS from the first byte, with the certificate of `gateway`.
    Tls,
    /// The same after STARTTLS.
    StartTls,
}

/// How the mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailBehaviour {
    /// It takes everything.
    Takes,
    /// It answers the mail itself with a status.
    Refuses(u16),
    /// It takes the connection and says nothing.
    Silent,
}

#[derive(Default)]
struct Told {
    connections: usize,
    mails: Vec<String>,
    said: Vec<String>,
}

/// The mail server. It stops when it is dropped.
pub struct FakeMailServer {
    /// Its port on 127.0.0.1.
    pub port: u16,
    behaviour: Arc<Mutex<MailBehaviour>>,
    told: Arc<Mutex<Told>>,
    task: JoinHandle<()>,
}

impl Drop for FakeMailServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeMailServer {
    /// A mail server that takes everything.
    pub async fn start(secured: Secured) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let behaviour = Arc::new(Mutex::new(MailBehaviour::Takes));
        let told = Arc::<Mutex<Told>>::default();
        let (behaves, tells) = (Arc::clone(&behaviour), Arc::clone(&told));
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (behaviour, told) = (*behaves.lock(), Arc::clone(&tells));
                told.lock().connections += 1;
                tokio::spawn(serve(stream, secured, behaviour, told));
            }
        });
        Self { port, behaviour, told, task }
    }

    /// Lets it behave in another way.
    pub fn behave(&self, behaviour: MailBehaviour) {
        *self.behaviour.lock() = behaviour;
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.told.lock().connections
    }

    /// The mails that it took, with their headers.
    pub fn mails(&self) -> Vec<String> {
        self.told.lock().mails.clone()
    }

    /// Everything that was said to it beside mails, line by line.
    pub fn said(&self) -> Vec<String> {
        self.told.lock().said.clone()
    }
}

async fn serve(stream: tokio::net::TcpStream, secured: Secured, behaviour: MailBehaviour, told: Arc<Mutex<Told>>) {
    if behaviour == MailBehaviour::Silent {
        // Until the other side is tired of it.
        let mut stream = stream;
        let mut nothing = [0; 1];
        let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut nothing).await;
        return;
    }
    let acceptor = gateway::acceptor(&[]);
    match secured {
        Secured::Plain => drop(talk(stream, true, false, behaviour, &told).await),
        Secured::Tls => {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            talk(stream, true, false, behaviour, &told).await;
        }
        Secured::StartTls => {
            let Some(stream) = talk(stream, true, true, behaviour, &told).await else { return };
            let Ok(stream) = acceptor.accept(stream).await else { return };
            talk(stream, false, false, behaviour, &told).await;
        }
    }
}

/// Talks until the end, or until TLS is asked for: then the stream is given back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greets: bool,
    offers_tls: bool,
    behaviour: MailBehaviour,
    told: &Mutex<Told>,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 mail.test ESMTP\r\n").await.ok()?;
    }
    loop {
        let line = line(&mut stream).await?;
        told.lock().said.push(line.clone());
        let word = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "EHLO" if offers_tls => "250-mail.test\r\n250 STARTTLS\r\n".to_owned(),
            "EHLO" => "250-mail.test\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n".to_owned(),
            "STARTTLS" if offers_tls => {
                stream.write_all(b"220 go on\r\n").await.ok()?;
                return Some(stream.into_inner());
            }
            "AUTH" => "235 known\r\n".to_owned(),
            "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 ok\r\n".to_owned(),
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut mail = String::new();
                loop {
                    let line = self::line(&mut stream).await?;
                    if line == "." {
                        break;
                    }
                    mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                    mail.push('\n');
                }
                if let MailBehaviour::Refuses(status) = behaviour {
                    format!("{status} not now\r\n")
                } else {
                    told.lock().mails.push(mail);
                    "250 taken\r\n".to_owned()
                }
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await.ok()?;
                return None;
            }
            _ => "500 what?\r\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}

async fn line<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}
