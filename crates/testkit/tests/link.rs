//! Links between namespaces: what is delayed, lost, narrow or cut is so, and what is not, is not.

#![expect(clippy::disallowed_methods, reason = "links take real time")]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use domicile_testkit::link::{Network, Quality, Verdict};

const MS: Duration = Duration::from_millis(1);
const PORT: u16 = 4000;

fn at(network: &Network, host: &str) -> Result<SocketAddr> {
    Ok(SocketAddr::new(network.host(host)?.address()?, PORT))
}

/// A server on a host that gives back what it reads.
fn echo(network: &Network, host: &str, address: IpAddr) -> Result<()> {
    let listener = network.host(host)?.inside(|| TcpListener::bind((address, PORT)))??;
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(std::io::Result::ok) {
            thread::spawn(move || {
                let mut writer = stream.try_clone()?;
                std::io::copy(&mut stream, &mut writer)
            });
        }
    });
    Ok(())
}

fn connect(network: &Network, host: &str, to: SocketAddr, patience: Duration) -> Result<TcpStream> {
    let stream = network.host(host)?.inside(|| TcpStream::connect_timeout(&to, patience))??;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(20_000 * MS))?;
    Ok(stream)
}

/// Sends bytes, waits until they are back, and returns how long that took.
fn round_trip(stream: &mut TcpStream, bytes: &[u8]) -> Result<Duration> {
    let began = Instant::now();
    let mut writer = stream.try_clone()?;
    let mut back = vec![0; bytes.len()];
    thread::scope(|scope| {
        let writing = scope.spawn(move || writer.write_all(bytes));
        stream.read_exact(&mut back)?;
        writing.join().map_err(|_| anyhow!("the writer panicked"))??;
        anyhow::Ok(())
    })?;
    ensure!(back == bytes, "what came back is not what was sent");
    Ok(began.elapsed())
}

/// Which of a thousand datagrams arrive at `b`, by number.
fn arrivals(seed: u64, loss: f64) -> Result<Vec<u32>> {
    let network = Network::of(seed, ["a", "b"])?;
    network.link("a", "b")?.set_there(Quality::perfect().loss(loss));
    let to = at(&network, "b")?;
    let receiver = network.host("b")?.inside(|| UdpSocket::bind(to))??;
    let sender = network.host("a")?.inside(|| UdpSocket::bind("0.0.0.0:0"))??;
    receiver.set_read_timeout(Some(500 * MS))?;
    let receiving = thread::spawn(move || {
        let mut arrived = Vec::new();
        let mut number = [0; 4];
        while receiver.recv(&mut number).is_ok() {
            arrived.push(u32::from_be_bytes(number));
        }
        arrived
    });
    for number in 0..1_000_u32 {
        sender.send_to(&number.to_be_bytes(), to)?;
        if number % 50 == 0 {
            // A device's own queue holds 500 packets; these are not to be lost there.
            thread::sleep(MS);
        }
    }
    let arrived = receiving.join().map_err(|_| anyhow!("the receiver panicked"))?;
    let [there, back] = network.link("a", "b")?.counts();
    assert_eq!((there.passed, there.lost), (arrived.len() as u64, 1_000 - arrived.len() as u64));
    assert_eq!(back.passed, 0);
    Ok(arrived)
}

#[test]
fn the_seed_decides_what_is_lost() -> Result<()> {
    let first = arrivals(11, 0.2)?;
    assert!((740..860).contains(&first.len()), "a fifth of 1,000 was to be lost, and {} arrived", first.len());
    assert!(first.is_sorted());
    assert_eq!(first, arrivals(11, 0.2)?);
    assert_ne!(first, arrivals(12, 0.2)?);
    assert_eq!(arrivals(11, 0.0)?.len(), 1_000);
    Ok(())
}

#[test]
fn a_link_takes_its_time() -> Result<()> {
    let network = Network::of(1, ["a", "b"])?;
    let to = at(&network, "b")?;
    echo(&network, "b", to.ip())?;
    let quick = round_trip(&mut connect(&network, "a", to, 1_000 * MS)?, b"quick")?;
    assert!(quick < 20 * MS, "a perfect link took {quick:?}");

    network.link("a", "b")?.set_there(Quality::perfect().delay(60 * MS));
    network.link("a", "b")?.set_back(Quality::perfect().delay(20 * MS).jitter(10 * MS));
    let mut stream = connect(&network, "a", to, 1_000 * MS)?;
    let slow = round_trip(&mut stream, b"slow")?;
    assert!((80 * MS..140 * MS).contains(&slow), "80 to 90 ms of link took {slow:?}");

    network.link("a", "b")?.set(Quality::perfect().rate(1_000_000));
    let narrow = round_trip(&mut stream, &vec![7; 500_000])?;
    assert!((500 * MS..3_000 * MS).contains(&narrow), "500 kB at 1 MB/s took {narrow:?}");
    Ok(())
}

#[test]
fn a_lossy_link_carries_everything_all_the_same() -> Result<()> {
    let network = Network::of(3, ["a", "b"])?;
    let to = at(&network, "b")?;
    echo(&network, "b", to.ip())?;
    network.link("a", "b")?.set(Quality::perfect().delay(2 * MS).loss(0.03));
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_be_bytes).take(300_000).collect();
    round_trip(&mut connect(&network, "a", to, 10_000 * MS)?, &bytes)?;
    let lost: u64 = network.link("a", "b")?.counts().iter().map(|counts| counts.lost).sum();
    assert!(lost > 3, "only {lost} packets were lost");
    Ok(())
}

#[test]
fn a_cut_concerns_one_pair_and_ends() -> Result<()> {
    let network = Network::of(4, ["a", "b", "c"])?;
    for host in ["b", "c"] {
        echo(&network, host, network.host(host)?.address()?)?;
    }
    let (b, c) = (at(&network, "b")?, at(&network, "c")?);
    let mut stream = connect(&network, "a", b, 1_000 * MS)?;
    round_trip(&mut stream, b"before")?;

    network.cut("a", "b")?;
    stream.write_all(b"meanwhile")?;
    assert!(connect(&network, "a", b, 300 * MS).is_err(), "a connection was made over a cut link");
    round_trip(&mut connect(&network, "a", c, 1_000 * MS)?, b"others do not notice")?;
    round_trip(&mut connect(&network, "c", b, 1_000 * MS)?, b"others do not notice")?;

    network.heal("a", "b")?;
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).context("waiting for what was sent while the link was cut")?;
    assert_eq!(&answer, b"meanwhile");
    assert!(network.link("b", "a")?.counts()[1].cut > 0);

    network.link("a", "b")?.cut_back(true);
    assert!(connect(&network, "a", b, 300 * MS).is_err(), "an answer came on a way that is cut");
    assert!(network.link("a", "b")?.counts()[1].cut > 0);
    Ok(())
}

#[test]
fn hosts_have_both_kinds_of_addresses_and_run_programs() -> Result<()> {
    let mut network = Network::of(5, ["a"])?;
    let chosen: IpAddr = "198.51.100.7".parse()?;
    network.add_host_at("elsewhere", &[chosen])?;
    echo(&network, "elsewhere", chosen)?;
    round_trip(&mut connect(&network, "a", SocketAddr::new(chosen, PORT), 1_000 * MS)?, b"by a chosen address")?;
    network.add_host("c")?;
    if let [_, six] = network.host("c")?.addresses() {
        echo(&network, "c", *six)?;
        round_trip(&mut connect(&network, "a", SocketAddr::new(*six, PORT), 1_000 * MS)?, b"by IPv6")?;
    }
    let output = network.host("elsewhere")?.command("cat").arg("/proc/net/dev").output()?;
    let devices = String::from_utf8(output.stdout)?;
    assert!(devices.contains("link0") && !devices.contains("eth0"), "the program is not inside: {devices}");
    assert!(network.add_host("a").is_err() && network.add_host("A b").is_err() && network.host("z").is_err());
    assert!(network.add_host_at("d", &[chosen]).is_err() && network.link("a", "a").is_err());
    Ok(())
}

#[test]
fn nothing_is_left_behind() -> Result<()> {
    let network = Network::of(6, ["a", "b"])?;
    let mut sleeper = network.host("a")?.command("sleep").arg("1000").spawn()?;
    let ours = || -> Result<usize> {
        let listed = Command::new("ip").args(["netns", "list"]).output()?;
        let names = String::from_utf8(listed.stdout)?;
        let prefix = format!("domicile-test-{}-", std::process::id());
        Ok(names.lines().filter(|name| name.starts_with(&prefix) && name.contains("-left")).count())
    };
    drop(network);
    assert!(!sleeper.wait()?.success(), "a program outlived its host");
    let network = Network::of(6, ["left", "left-too"])?;
    assert_eq!(ours()?, 2);
    drop(network);
    assert_eq!(ours()?, 0);
    Ok(())
}

#[test]
fn a_box_in_the_middle_sees_everything() -> Result<()> {
    let network = Network::of(8, ["a", "b"])?;
    let to = at(&network, "b")?;
    let receiver = network.host("b")?.inside(|| UdpSocket::bind(to))??;
    let sender = network.host("a")?.inside(|| UdpSocket::bind("0.0.0.0:0"))??;
    receiver.set_read_timeout(Some(2_000 * MS))?;
    network.place(|from: &str, to: Option<&str>, packet: &[u8]| {
        assert_eq!((from, to), ("a", Some("b")));
        if packet.ends_with(b"secret") {
            // The same packet with other words. Over IPv4, UDP's checksum may be left out, and the head remains as it was.
            let mut other = packet.to_vec();
            let length = other.len();
            other[length - 6..].copy_from_slice(b"forged");
            other[26..28].fill(0);
            return Verdict::swallow().and_send(other);
        }
        if packet.ends_with(b"late") { Verdict::hold(100 * MS) } else { Verdict::pass() }
    });
    let mut buffer = [0; 100];
    for (sent, got) in [("a secret", "a forged"), ("plain", "plain")] {
        sender.send_to(sent.as_bytes(), to)?;
        let length = receiver.recv(&mut buffer)?;
        assert_eq!(&buffer[..length], got.as_bytes());
    }
    for words in ["late", "early"] {
        sender.send_to(words.as_bytes(), to)?;
    }
    for words in ["early", "late"] {
        let length = receiver.recv(&mut buffer)?;
        assert_eq!(&buffer[..length], words.as_bytes());
    }
    Ok(())
}
