//! The wire between clients and server, with somebody listening: a TCP proxy that writes down every byte.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result};

/// A proxy before a server. It runs as long as the process.
#[derive(Debug)]
pub struct Wire {
    address: SocketAddr,
    folder: PathBuf,
}

impl Wire {
    /// Passes everything on to `server`, and writes it to files in `folder`: one for each connection and direction, so
    /// that a text is found even where connections take turns in the middle of it.
    pub fn tap(server: SocketAddr, folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let listener = TcpListener::bind("127.0.0.1:0").context("listening before the server")?;
        let address = listener.local_addr().context("listening before the server")?;
        let wire = Self { address, folder: folder.to_owned() };
        let order = File::create(folder.join("order")).context("making the recording's table of contents")?;
        let order = Arc::new(Order(Mutex::new(order)));
        let folder = wire.folder.clone();
        thread::spawn(move || {
            for (number, client) in listener.incoming().map_while(std::io::Result::ok).enumerate() {
                // A server that is down refuses; the client sees its connection end, as it would without a proxy.
                pass(client, server, &folder, number, &order).ok();
            }
        });
        Ok(wire)
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where the recordings are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn pass(
    client: TcpStream,
    server: SocketAddr,
    folder: &Path,
    number: usize,
    order: &Arc<Order>,
) -> std::io::Result<()> {
    let upstream = TcpStream::connect(server)?;
    for stream in [&client, &upstream] {
        stream.set_nodelay(true)?;
    }
    let both = Arc::new(Mutex::new([client.try_clone()?, upstream.try_clone()?]));
    let ways = [
        (client.try_clone()?, upstream.try_clone()?, File::create(folder.join(format!("{number}.sent")))?),
        (upstream, client, File::create(folder.join(format!("{number}.received")))?),
    ];
    for (from, to, record) in ways {
        let (both, order) = (Arc::clone(&both), Arc::clone(order));
        thread::spawn(move || {
            copy(from, to, record, |bytes| order.note(number, bytes)).ok();
            for stream in both.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                // The other direction may have ended it already.
                stream.shutdown(Shutdown::Both).ok();
            }
        });
    }
    Ok(())
}

/// The first lines of requests and answers in the order in which they passed, so that a recording can be read as a story.
struct Order(Mutex<File>);

impl Order {
    fn note(&self, connection: usize, bytes: &[u8]) {
        let begins =
            [&b"GET "[..], b"PUT ", b"POST ", b"DELETE ", b"HTTP/1.1 "].iter().any(|word| bytes.starts_with(word));
        if let (true, Some(line)) = (begins, bytes.split(|byte| *byte == b'\r').next()) {
            let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // An aid to whoever looks for a mistake; the play does not need it.
            writeln!(file, "{connection} {}", String::from_utf8_lossy(line)).ok();
        }
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, mut record: File, note: impl Fn(&[u8])) -> std::io::Result<()> {
    let mut buffer = [0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        note(&buffer[..length]);
        record.write_all(&buffer[..length])?;
        to.write_all(&buffer[..length])?;
    }
}
