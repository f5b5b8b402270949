//! A synthetic register of Russia in its true layouts, the same for the same seed: real authorities and laws, made-up names and addresses.
//!
//! Names end in `.example`, `.test` or are of other made-up zones, addresses are of the blocks for documentation and benchmarks, so that nobody is
//! in it. What is ours is sprinkled among it, and [`Made`] says how often.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use encoding_rs::WINDOWS_1251;

/// What a register is made of.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// Entries.
    pub entries: u64,
    /// The same seed makes the same register.
    pub seed: u64,
    /// An entry about something of ours comes on average after so many others.
    pub ours_every: u64,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// Bytes.
    pub bytes: u64,
    /// Entries that are about something of ours.
    pub ours: u64,
}

/// Layouts that can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `dump.csv`
    Csv,
    /// `dump.xml`
    Xml,
    /// One name a line.
    List,
}

const AUTHORITIES: [&str; 12] = [
    "Роскомнадзор",
    "Генпрокуратура",
    "ФНС России",
    "МВД России",
    "Роспотребнадзор",
    "Росалкогольтабакконтроль",
    "Мосгорсуд",
    "Минцифры России",
    "Росмолодёжь",
    "Октябрьский районный суд г. Ставрополя Ставропольского края",
    "Советский районный суд г. Улан-Удэ; дело \"№ 2а-1734/2026\"",
    "ФСБ России",
];
const LATIN: [&str; 16] = [
    "casino", "vulkan", "slot", "mirror", "book", "film", "torrent", "kino", "shop", "diplom", "forum", "play", "bet",
    "azart", "club", "news",
];
const CYRILLIC: [&str; 8] = ["казино", "справка", "диплом", "вулкан", "книги", "фильмы", "игра", "магазин"];
const ZONES: [&str; 8] =
    ["example", "test", "com.example", "net.example", "site.example", "ru.test", "invalid", "xyz.example"];

/// Pseudo-random numbers (splitmix64): enough for test data, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let index = self.below(words.len() as u64);
        words[usize::try_from(index).unwrap_or_default()]
    }

    /// True so many times out of a thousand.
    fn permille(&mut self, times: u64) -> bool {
        self.below(1_000) < times
    }

    fn name(&mut self) -> String {
        if self.permille(20) {
            return format!("{}-{}.рф", self.of(&CYRILLIC), self.below(100_000));
        }
        if self.permille(10) {
            return format!("xn--80aaaa{}.xn--p1ai", self.below(100_000));
        }
        let www = if self.permille(100) { "www." } else { "" };
        let mask = if self.permille(60) { "*." } else { "" };
        format!("{mask}{www}{}-{}{}.{}", self.of(&LATIN), self.of(&LATIN), self.below(1_000_000), self.of(&ZONES))
    }

    fn address(&mut self) -> String {
        // 198.18.0.0/15 is for benchmarks.
        format!("198.{}.{}.{}", 18 + self.below(2), self.below(256), self.below(256))
    }

    fn page(&mut self, name: &str) -> String {
        let scheme = if self.permille(700) { "https" } else { "http" };
        let name = name.trim_start_matches("*.");
        let end = match self.below(5) {
            0 => "?id=1|2;3".to_owned(),
            1 => format!("page/{}.html", self.below(100_000)),
            2 => format!("%D0%B8%D0%B3%D1%80%D0%B0/{}", self.below(1_000)),
            _ => String::new(),
        };
        format!("{scheme}://{name}/{end}")
    }

    fn date(&mut self) -> String {
        format!("20{:02}-{:02}-{:02}", 13 + self.below(14), 1 + self.below(12), 1 + self.below(28))
    }
}

/// One entry, before it is written in a layout.
struct Row {
    id: u64,
    addresses: Vec<String>,
    networks: Vec<String>,
    v6: Vec<String>,
    name: Option<String>,
    pages: Vec<String>,
    authority: &'static str,
    number: String,
    date: String,
    entry_type: u64,
}

impl Row {
    fn new(id: u64, random: &mut Random) -> Self {
        let mut row = Self {
            id,
            addresses: (0..=random.below(4)).map(|_| random.address()).collect(),
            networks: Vec::new(),
            v6: Vec::new(),
            name: None,
            pages: Vec::new(),
            authority: AUTHORITIES[usize::try_from(random.below(AUTHORITIES.len() as u64)).unwrap_or_default()],
            number: format!(
                "{}-{}-20{}/Ид{}-{}",
                random.below(100),
                random.below(60),
                13 + random.below(14),
                random.below(100_000),
                random.below(27)
            ),
            date: random.date(),
            entry_type: 1 + random.below(7),
        };
        if random.permille(30) {
            row.networks.push(format!("198.{}.{}.0/24", 18 + random.below(2), random.below(256)));
            return row;
        }
        let name = random.name();
        if random.permille(450) {
            row.pages = (0..=random.below(2)).map(|_| random.page(&name)).collect();
        }
        if random.permille(300) {
            row.v6.push(format!("2001:db8:{:x}::{:x}", random.below(65_536), random.below(65_536)));
        }
        row.name = Some(name);
        row
    }

    /// Makes it about something of ours.
    fn about(&mut self, own: &str) {
        self.pages.clear();
        if own.contains("://") {
            self.pages.push(format!("{own}?from=register"));
        } else if own.contains(':') {
            (self.name, self.v6) = (None, vec![own.split('/').next().unwrap_or(own).to_owned()]);
        } else if own.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'/')) {
            (self.name, self.addresses) = (None, vec![own.split('/').next().unwrap_or(own).to_owned()]);
        } else {
            self.name = Some(own.to_owned());
        }
    }

    fn csv(&self, out: &mut String) {
        let addresses: Vec<&str> =
            self.addresses.iter().chain(&self.networks).chain(&self.v6).map(String::as_str).collect();
        let fields = [
            addresses.join(" | "),
            self.name.clone().unwrap_or_default(),
            self.pages.join(" | "),
            self.authority.to_owned(),
            self.number.clone(),
            self.date.clone(),
        ];
        for (index, field) in fields.iter().enumerate() {
            if index > 0 {
                out.push(';');
            }
            if field.contains([';', '"']) {
                out.push('"');
                out.push_str(&field.replace('"', "\"\""));
                out.push('"');
            } else {
                out.push_str(field);
            }
        }
        out.push('\n');
    }

    fn xml(&self, out: &mut String) {
        let block_type = match (&self.name, self.pages.is_empty()) {
            (None, true) => "ip",
            (_, false) => "default",
            (Some(name), _) if name.starts_with('*') => "domain-mask",
            _ => "domain",
        };
        let authority = self.authority.replace('"', "&quot;");
        let _ = write!(
            out,
            "<content id=\"{}\" includeTime=\"{}T10:00:00\" entryType=\"{}\" blockType=\"{block_type}\" urgencyType=\"{}\" hash=\"{:032X}\" ts=\"{}T10:00:00+03:00\">\
             <decision date=\"{}\" number=\"{}\" org=\"{authority}\"/>",
            self.id,
            self.date,
            self.entry_type,
            self.id % 2,
            self.id.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            self.date,
            self.date,
            self.number
        );
        let tags = [("url", &self.pages), ("ip", &self.addresses), ("ipSubnet", &self.networks), ("ipv6", &self.v6)];
        for (tag, texts) in tags {
            for text in texts {
                let _ = match tag {
                    "url" => write!(out, "<url><![CDATA[{text}]]></url>"),
                    _ => write!(out, "<{tag}>{text}</{tag}>"),
                };
            }
            if tag == "url"
                && let Some(name) = &self.name
            {
                let _ = write!(out, "<domain><![CDATA[{name}]]></domain>");
            }
        }
        *out += "</content>\n";
    }

    fn list(&self, out: &mut String) {
        let first = self.name.as_deref().or_else(|| self.addresses.first().map(String::as_str));
        out.push_str(first.unwrap_or_default());
        out.push('\n');
    }
}

/// Writes a register.
pub fn write(into: &mut dyn Write, shape: Shape, recipe: Recipe, ours: &[String]) -> io::Result<Made> {
    let mut random = Random(recipe.seed);
    let mut made = Made::default();
    let mut text = String::new();
    text += match shape {
        Shape::Csv => "Updated: 2026-11-27 21:05:00 +0000\n",
        Shape::Xml => {
            "<?xml version=\"1.0\" encoding=\"windows-1251\"?>\n<reg:register xmlns:reg=\"http://rsoc.ru\" xmlns:tns=\"http://rsoc.ru\" \
             updateTime=\"2026-11-27T21:05:00+03:00\" updateTimeUrgently=\"2026-11-27T20:05:00+03:00\" formatVersion=\"2.4\">\n"
        }
        Shape::List => "# a synthetic list\n",
    };
    for id in 1..=recipe.entries {
        let mut row = Row::new(id, &mut random);
        if !ours.is_empty() && random.below(recipe.ours_every) == 0 {
            row.about(&ours[usize::try_from(random.below(ours.len() as u64)).unwrap_or_default()]);
            made.ours += 1;
        }
        match shape {
            Shape::Csv => row.csv(&mut text),
            Shape::Xml => row.xml(&mut text),
            Shape::List => row.list(&mut text),
        }
        if id % 1_000 == 0 || id == recipe.entries {
            if shape == Shape::Xml && id == recipe.entries {
                text += "</reg:register>\n";
            }
            let (bytes, ..) =
                if shape == Shape::List { encoding_rs::UTF_8.encode(&text) } else { WINDOWS_1251.encode(&text) };
            into.write_all(&bytes)?;
            made.bytes += bytes.len() as u64;
            text.clear();
        }
    }
    Ok(made)
}

/// A thousand names, masks, pages, addresses and networks that could be a deployment's.
pub fn ours() -> Vec<String> {
    let mut ours = Vec::new();
    for number in 0..600 {
        ours.push(format!("cell{number}.matrix.example.org"));
    }
    for number in 0..100 {
        ours.push(format!("*.tenant{number}.example.net"));
        ours.push(format!("https://status{number}.example.org/now"));
    }
    for number in 0..150 {
        ours.push(format!("203.0.113.{number}"));
    }
    for number in 0..50 {
        ours.push(format!("2001:db8:ffff:{number:x}::/64"));
    }
    ours
}
