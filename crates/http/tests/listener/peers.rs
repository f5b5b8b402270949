//! Who a request comes from, and who may open a socket.

use std::os::unix::fs::PermissionsExt;

use domicile_testkit::server::TestServer;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use super::{listen, one_answer};

/// Asks for the devices with a header that says where the request comes from, and gives the address that the server noted.
async fn noted(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), token: &str, forwarded: &str) -> Value {
    let said = format!(
        "GET /_matrix/client/v3/devices HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nX-Forwarded-For: {forwarded}\r\n\r\n"
    );
    let heard = one_answer(stream, &said).await;
    let body: Value = serde_json::from_str(heard.split_once("\r\n\r\n").unwrap().1).unwrap();
    body["devices"][0]["last_seen_ip"].clone()
}

#[tokio::test]
async fn only_proxies_that_are_trusted_say_where_a_request_comes_from() {
    let server = TestServer::start().await.with_user("alice").await;
    let token = server.user("alice").token.unwrap();
    for (proxies, forwarded, expected) in [
        (&[][..], "198.51.100.7", "127.0.0.1"),
        (&["10.0.0.0/8"], "198.51.100.7", "127.0.0.1"),
        (&["127.0.0.1"], "198.51.100.7", "198.51.100.7"),
        (&["127.0.0.0/8"], "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        (&["127.0.0.0/8", "198.51.100.0/24"], "203.0.113.9, 198.51.100.7", "203.0.113.9"),
        (&["127.0.0.1"], "nonsense", "127.0.0.1"),
        (&["127.0.0.1"], "", "127.0.0.1"),
    ] {
        let listening = listen(&server, "127.0.0.1:0", 0o600, None, proxies).await;
        let mut stream = TcpStream::connect(listening.address.unwrap()).await.unwrap();
        assert_eq!(noted(&mut stream, &token, forwarded).await, expected, "{proxies:?} {forwarded}");
    }
}

#[tokio::test]
async fn a_unix_socket_is_for_those_whom_the_operator_names() {
    let server = TestServer::start().await.with_user("alice").await;
    let token = server.user("alice").token.unwrap();
    let folder = tempfile();
    for (mode, proxies, expected) in [(0o600, &["unix"][..], Value::from("198.51.100.7")), (0o660, &[], Value::Null)] {
        let path = folder.join(format!("{mode:o}.sock"));
        let listening = listen(&server, &format!("unix:{}", path.display()), mode, None, proxies).await;
        assert_eq!(listening.address, None);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
        let mut stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!(noted(&mut stream, &token, "198.51.100.7").await, expected, "{mode:o}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// A folder with a name that is short enough for a socket.
fn tempfile() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("domicile-peers-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
