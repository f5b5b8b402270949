//! The story from which all this began, told to its end: a service is listed for missing contacts and blocked; whoever runs it learns of it, knows
//! that it is so, tells the people concerned, sees what registering would entail, decides, files, is dropped from the register, and tells them that
//! it is over. `docs/story.md` has what is printed here: `cargo xtask story` writes it down, with people who read in matrix-sdk, and with pictures.

mod pictures;
mod readers;

use std::{fmt::Write as _, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use domicile_testkit::{
    censor::{Deed, Stage},
    mail::{FakeMailServer, Secured},
};
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::{Place, Server, text};
use pictures::Pictures;
use readers::Readers;

const PASSWORD: &str = "correct horse battery staple";
/// The people, and where they have said that they live.
const PEOPLE: [(&str, &str); 3] = [("alice", "DE"), ("boris", "RU"), ("carol", "TR")];
/// In which file the story is written down, if it is.
const FILE_VARIABLE: &str = "DOMICILE_STORY";
/// How it begins there.
const INTRODUCTION: &str = include_str!("story/introduction.md");
/// How long a mail may take.
const PATIENCE: Duration = Duration::from_secs(20);
const LISTED: &str =
    ";matrix.example.test;;Роскомнадзор: нет контактных данных в реестре;27-31-2026/Ид1234-26;2026-05-04\n";

struct Story {
    place: Place,
    server: Server,
    stage: Stage,
    mail: FakeMailServer,
    /// The mail server's, as this test is none of tokio's.
    runtime: tokio::runtime::Runtime,
    /// The volunteer's code.
    code: String,
    readers: Readers,
    pictures: Option<Pictures>,
    told: String,
}

impl Story {
    fn begin() -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let mail = runtime.block_on(FakeMailServer::start(Secured::Plain));
        let place = Place::new(false);
        let dump = place.folder.path().join("dump.csv").display().to_string();
        let place = place
            .with("SERVER__NAME", "example.test")
            .with("SERVER__PUBLIC_URL", "https://matrix.example.test")
            .with("LISTENERS__0__SERVE", "client,media,federation,health,console")
            .with("SERVER__SUPPORT_CONTACTS", "help@example.test")
            .with("STANDING__OPERATOR", "Example Club e.V.")
            .with("STANDING__ESTABLISHED_IN", "DE")
            .with("STANDING__STORED_IN", "DE")
            .with("STANDING__AUDIENCE", "public")
            .with("STANDING__ALERT_MAIL", "ada@example.test")
            .with("MAIL__SERVER", "127.0.0.1")
            .with("MAIL__PORT", &mail.port.to_string())
            .with("MAIL__SECURITY", "none")
            .with("MAIL__FROM", "Domicile <domicile@example.test>")
            .with("PROBE__REPORTS", "true")
            .with("BLOCKLISTS__0__NAME", "russia")
            .with("BLOCKLISTS__0__JURISDICTION", "RU")
            .with("BLOCKLISTS__0__FORMAT", "ru-csv")
            .with("BLOCKLISTS__0__SOURCES", &dump)
            .with("BLOCKLISTS__0__MAX_AGE", "36500d");
        let server = place.serve(&place.folder.path().join("log"));
        let stage = Stage::new(11, Path::new(super::PROGRAM), 1)
            .expect("this test makes network namespaces: run it as root, with /dev/net/tun and `ip`");
        for (name, _) in PEOPLE {
            place.json(&["user", "add", name, "--password-stdin", "--json"], &format!("{PASSWORD}\n"));
        }
        place.json(
            &["operator", "add", "ada", "--role", "editor", "--password-stdin", "--json"],
            &format!("{PASSWORD}\n"),
        );
        let readers = Readers::begin(&server, place.folder.path(), &PEOPLE.map(|(name, _)| name), PASSWORD);
        let pictures = Pictures::wanted(&server, PASSWORD);
        let (code, told) = (String::new(), INTRODUCTION.to_owned());
        let mut story = Self { place, server, stage, mail, runtime, code, readers, pictures, told };
        for (name, country) in PEOPLE {
            story.run(&["user", "jurisdiction", name, country, "--source", "membership form"], false);
        }
        let invited = story.place.json(&["probe", "invite", "north", "--json"], "");
        text(&invited, "code").clone_into(&mut story.code);
        story
    }

    /// What comes next.
    fn chapter(&mut self, title: &str) {
        self.tell(&format!("## {title}"));
    }

    /// Something that the reader should know.
    fn tell(&mut self, what: &str) {
        let before = self.told.trim_end().len();
        self.told.truncate(before);
        let _ = writeln!(self.told, "\n\n{what}");
    }

    /// What the operator types, and what they read.
    fn run(&mut self, arguments: &[&str], is_shown: bool) -> String {
        let output = self.place.command(arguments).env("USER", "ada").env_remove("SUDO_USER").output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        if is_shown {
            let typed: Vec<String> = arguments
                .iter()
                .map(|word| if word.contains([' ', ';']) { format!("\"{word}\"") } else { (*word).to_owned() })
                .collect();
            self.tell(&format!("```console\n$ domicile {}\n{}\n```", typed.join(" "), out.trim_end()));
        }
        out.into_owned()
    }

    /// How a page of the server's looks now, if pictures are wanted.
    fn look(&mut self, page: &str, name: &str, what: &str) {
        if let Some(pictures) = &self.pictures {
            pictures.take(page, name);
            let telephone = format!("screenshots/story-{name}-narrow-dark.png");
            self.tell(&format!(
                "![{what}](screenshots/story-{name}-wide-light.png)\n\nThe same [by night on a telephone]({telephone})."
            ));
        }
    }

    fn dump(&mut self, entries: &str) {
        let text = format!("Updated: 2026-05-04 10:00:00 +0000\n;other.example;;x;1;2026-05-01\n{entries}");
        std::fs::write(self.place.folder.path().join("dump.csv"), text).unwrap();
        self.run(&["blocklist", "fetch", "russia"], true);
    }

    /// The volunteer's program looks from behind the censor, and reports what it sees.
    fn probe(&mut self, deed: Deed) {
        let mut run = self.stage.report(deed).unwrap()["report"]["run"].clone();
        run["vantage"]["country"] = "RU".into();
        let told = json!({ "code": self.code, "publish": false, "run": run }).to_string();
        let key = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let signature = STANDARD_NO_PAD.encode(key.sign(told.as_bytes()));
        let report = json!({ "told": told, "key": STANDARD_NO_PAD.encode(key.public_key()), "signature": signature });
        let answer = self.server.ask("POST", "/_domicile/probe/v1/reports", "", &report);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn incident(&self) -> Value {
        let mut all = self.place.json(&["incident", "list", "--json"], "");
        let incidents = all["incidents"].as_array_mut().unwrap();
        assert!(incidents.len() <= 1, "one thing is one incident: {incidents:?}");
        incidents.pop().unwrap_or_default()
    }

    /// What somebody reads in the room of notices, the oldest first.
    fn notices(&mut self, name: &str) -> Vec<String> {
        self.readers.read(&self.server, name)
    }

    /// The others read nothing.
    fn nobody_else_reads(&mut self) {
        for other in ["alice", "carol"] {
            assert_eq!(self.notices(other), Vec::<String>::new(), "{other} is not concerned");
        }
        self.tell("Alice and Carol, whom it does not concern, have no room of notices, and no invitation to one.");
    }

    /// Waits until the server knows that the mail server has taken all alerts.
    fn all_are_mailed(&mut self) {
        let begun = Instant::now();
        while self.run(&["alerts"], false).contains("has not taken it") {
            assert!(begun.elapsed() < PATIENCE, "the mail server has not taken every alert");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The first mail about an alert of a kind, when it has come.
    fn mailed(&self, kind: &str) -> String {
        let begun = Instant::now();
        loop {
            let mails = self.mail.mails();
            let of_kind =
                |mail: &&String| mail.lines().any(|line| line.starts_with("Subject: ") && line.contains(kind));
            if let Some(mail) = mails.iter().find(of_kind) {
                return mail.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "no mail is about {kind}: {mails:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

#[test]
fn a_service_is_listed_for_missing_contacts_and_comes_back() {
    let mut story = Story::begin();
    it_is_listed(&mut story);
    it_is_so(&mut story);
    people_are_told(&mut story);
    it_is_decided(&mut story);
    it_is_over(&mut story);
    story.readers.end();
    story.server.terminate();
    if let Ok(file) = std::env::var(FILE_VARIABLE) {
        std::fs::write(file, &story.told).unwrap();
    }
    drop(story.mail);
    story.runtime.shutdown_background();
}

fn it_is_listed(story: &mut Story) {
    story.chapter("It is listed");
    story.tell("The register does not know the service.");
    story.dump("");
    assert_eq!(story.incident(), Value::Null);

    story.tell("The next dump has it.");
    story.dump(LISTED);
    let mail = story.mailed("listed");
    assert!(mail.contains("Subject: [example.test] ") && mail.contains("To: ada@example.test"), "{mail}");
    story.all_are_mailed();
    let alerts = story.run(&["alerts"], true);
    let alerts = alerts.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(alerts.contains("27-31-2026/Ид1234-26 of 2026-05-04") && alerts.contains("listed"), "{alerts}");
    let incident = story.incident();
    assert_eq!((text(&incident, "state"), text(&incident, "sign")), ("first_sign", "access:RU"));
    assert!(story.notices("boris").is_empty(), "nobody is told by a sign alone");
    story.look("/console/alerts", "alerts", "The alerts in the operator's console");
}

fn it_is_so(story: &mut Story) {
    story.chapter("It is so");
    story.tell("A volunteer's probe, behind a censor that resets connections in which the name is said, confirms it.");
    story.probe(Deed::SniReset);
    let history = story.run(&["probe", "history"], true);
    assert!(history.contains("sni_reset"), "{history}");
    let shown = story.run(&["incident", "show", "1"], false);
    assert_eq!(text(&story.incident(), "state"), "confirmed", "{shown}");
    let shown = story.run(&["incident", "show", "1"], true);
    assert!(shown.contains("registers") && shown.contains("sni_reset"), "{shown}");
    story.look("/console/incidents/1", "incident", "The incident in the console: a first sign, and its confirmation");
}

fn people_are_told(story: &mut Story) {
    story.chapter("People are told");
    story.tell("The operator finds words, looks how many people it concerns, and tells these.");
    let (en, ru) = (
        "en=We are on a list of blocked services, because a form lacks our contacts. We look into it.",
        "ru=Нас внесли в список заблокированных сервисов: в реестре нет наших контактных данных. Мы этим занимаемся.",
    );
    story.run(&["incident", "update", "1", "--public", "--text", en, "--text", ru], false);
    let counted = story.run(&["incident", "tell", "1", "--dry-run"], true);
    assert_eq!(counted, "It concerns 1 person; 1 has not been told.\n");
    let told = story.run(&["incident", "tell", "1"], true);
    assert_eq!(told, "Told 1; 0 knew already, 0 could not be told.\n");
    let read = story.notices("boris");
    assert_eq!(read.len(), 1, "{read:?}");
    assert!(read[0].contains("Россия") && read[0].contains("Мы этим занимаемся."), "{read:?}");
    let client = story.readers.client();
    story.tell(&format!("Boris reads, in {client}:\n\n> {}", read[0].replace("\n\n", "\n>\n> ")));
    story.nobody_else_reads();
    let page = story.server.ask("GET", "/status/ru", "", &Value::Null).text;
    assert!(page.contains("Мы этим занимаемся."), "{page}");
    story.tell("The status page says the same to everybody, here in Russian.");
    story.look("/status/ru", "status", "The status page in Russian");
}

fn it_is_decided(story: &mut Story) {
    story.chapter("It is decided");
    story.tell("What does the law ask, and what would registering entail?");
    let asked = story.run(&["standing", "show", "RU/ori-registration"], true);
    assert!(asked.contains("Entails"), "{asked}");
    story.look("/console/standing/RU/ori-registration", "duty", "What the duty entails, in the console");
    story.tell(
        "They decide to name contacts and to file, and to decline what is always declined. The dossier is completed; the paper for the authority has \
         only what its form asks, and somebody else reviews it before it is marked as sent.",
    );
    story.run(&["dossier", "set", "RU", "--status", "draft", "--entity", "Example Club e.V."], false);
    for (role, address) in [("authority", "law@example.test"), ("data_protection", "privacy@example.test")] {
        story.run(&["dossier", "contact", "RU", role, address, "--public"], false);
    }
    story.run(&["audit"], false);
    let paper = story.run(&["dossier", "RU", "--for", "authority"], false);
    assert!(paper.contains("law@example.test") && !paper.contains("boris"), "{paper}");
    story.run(&["dossier", "review", "1", "--by", "Grace"], true);
    story.run(&["dossier", "sent", "1"], true);
    story.run(&["dossier", "set", "RU", "--status", "filed"], false);
    let shown = story.run(&["dossier", "show", "RU"], true);
    assert!(shown.contains("filed"), "{shown}");
    story.look("/console/dossiers/RU", "dossier", "The dossier in the console");
}

fn it_is_over(story: &mut Story) {
    story.chapter("It is over");
    story.tell("The next dump has it no more. The censor's boxes have not heard of it yet; then they have.");
    story.dump("");
    assert_eq!(text(&story.incident(), "state"), "confirmed", "the probe has seen nothing else yet");
    for _ in 0..2 {
        story.probe(Deed::Nothing);
    }
    assert_eq!(text(&story.incident(), "state"), "watching");
    story.probe(Deed::Nothing);
    let over = story.incident();
    assert_eq!(text(&over, "state"), "resolved", "{over}");
    story.run(&["incident", "show", "1"], true);
    story.run(&["dossier", "set", "RU", "--status", "registered", "--number", "123-RR"], false);

    let read = story.notices("boris");
    assert_eq!(read.len(), 2, "{read:?}");
    assert!(read[1].contains("закончилось"), "{read:?}");
    story.tell(&format!("Boris reads:\n\n> {}", read[1].replace("\n\n", "\n>\n> ")));
    story.nobody_else_reads();
    let alerts = story.run(&["alerts"], true);
    assert!(!alerts.contains("listed "), "{alerts}");
    let contacts = story.server.ask("GET", "/.well-known/matrix/support", "", &Value::Null).text;
    assert!(contacts.contains("law@example.test"), "{contacts}");
    let folder = story.place.folder.path().join("page").display().to_string();
    story.run(&["status", "export", &folder], false);
    let page = std::fs::read_to_string(Path::new(&folder).join("index.html")).unwrap();
    story.look("/status/en", "over", "The status page when it is over");
    assert!(page.contains("We look into it.") && page.contains("As far as we can see, it is over."), "{page}");
}
