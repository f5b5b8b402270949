//! What `cargo xtask screenshots` looks at: the program answers on standard output with one line that says where, serves there, and ends when it is let go.

#![expect(clippy::expect_used, reason = "helpers of tests, which end them")]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// It does not outlive the test.
struct Showcase(Child);

impl Drop for Showcase {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _waited = self.0.wait();
    }
}

fn page(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn it_says_where_it_is_and_nothing_else() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_showcase"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut showcase = Showcase(child);
    let mut said = BufReader::new(showcase.0.stdout.take().expect("its standard output"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let told: Value = serde_json::from_str(&line).expect("the first line is where it is");
    let address = told["url"].as_str().and_then(|url| url.strip_prefix("http://")).expect("an address");
    assert!(page(address, "/console/login").contains("Sign in"));
    drop(showcase.0.stdin.take());
    assert!(showcase.0.wait().expect("it ends").success());
    line.clear();
    said.read_to_string(&mut line).expect("the rest");
    assert_eq!(line, "");
}
