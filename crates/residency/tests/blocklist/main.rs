//! Registers in all layouts, good and bad, against names and addresses of ours.

#![expect(clippy::unwrap_used, reason = "a test whose helper fails has failed")]

#[path = "../support/generator.rs"]
#[expect(unreachable_pub, reason = "the file is a module of the example, too")]
mod generator;
mod runs;

use std::{collections::BTreeMap, fmt::Write as _, io::Write as _};

use domicile_residency::blocklist::{
    Change, Circumstances, Fault, Format, How, Limits, Listing, Own, Part, Run, Warning, compare, read,
};
use encoding_rs::WINDOWS_1251;

const OURS: [&str; 9] = [
    "example.org",
    "matrix.example.org",
    "*.chat.example.net",
    "пример.рф",
    "https://pages.example.com/status",
    "198.51.100.7",
    "203.0.113.0/24",
    "2001:db8:1::/48",
    "2001:db8:2::1",
];

fn ours() -> Own {
    Own::new(OURS).unwrap()
}

fn part(format: Format, bytes: &[u8]) -> Part {
    read(&ours(), format, "part", &mut { bytes }, Limits::default())
}

/// What was met: ours, how, and what of the register.
fn met(part: &Part) -> Vec<(&str, How, &str)> {
    let listings = part.found.listings.values();
    listings.map(|listing| (listing.key.own.as_str(), listing.how, listing.key.matched.as_str())).collect()
}

fn faults(part: &Part) -> Vec<(u64, Fault)> {
    part.found.problems.first.iter().map(|problem| (problem.place.line, problem.fault.clone())).collect()
}

fn cp1251(text: &str) -> Vec<u8> {
    let (bytes, _, had_errors) = WINDOWS_1251.encode(text);
    assert!(!had_errors, "{text}");
    bytes.into_owned()
}

const CSV: &str = "Updated: 2026-11-27 21:05:00 +0000
192.0.2.1;other.example;http://other.example/a|b | http://other.example/c;Роскомнадзор;12-34/56;2026-11-20
192.0.2.2 | 198.51.100.7;shared.example;;\"ООО \"\"Суд;\"\"\";2-1;2026-11-21
192.0.2.3;matrix.example.org;;Генпрокуратура;27-31-2020/Ид2971-18;2026-11-22
;*.example.org;;ФНС;2-6-27/1;2026-11-23
198.51.100.7;;;ФСБ;3;2026-11-24
203.0.113.9|203.0.112.0/20;;;ФСБ;4;2026-11-24
;ПРИМЕР.рф;;Суд;5;2026-11-24
;xn--e1afmkfd.xn--p1ai;;Суд;6;2026-11-24
;room.chat.example.net;;Суд;7;2026-11-24
;pages.example.com;https://PAGES.example.com:443/other?x=1;Суд;8;2026-11-24
;org;;Суд;9;2026-11-24
0.0.0.0/0;;;Суд;10;2026-11-24
;*;;Суд;11;2026-11-24
";

#[test]
fn the_csv_of_russia() {
    let part = part(Format::RuCsv, &cp1251(CSV));
    assert_eq!(faults(&part), []);
    assert_eq!(part.head.updated_ms, Some(1_795_813_500_000));
    assert_eq!((part.found.entries, part.found.odd_count), (13, 0), "{:?}", part.found.odd);
    let expected = [
        ("*.chat.example.net", How::Inside, "room.chat.example.net"),
        ("198.51.100.7", How::AddressBeside, "198.51.100.7"),
        ("198.51.100.7", How::Address, "198.51.100.7"),
        ("203.0.113.0/24", How::Network, "203.0.112.0/20"),
        ("203.0.113.0/24", How::Inside, "203.0.113.9"),
        ("example.org", How::Mask, "*.example.org"),
        ("https://pages.example.com/status", How::Url, "https://PAGES.example.com:443/other?x=1"),
        ("https://pages.example.com/status", How::Name, "pages.example.com"),
        ("matrix.example.org", How::Mask, "*.example.org"),
        ("matrix.example.org", How::Name, "matrix.example.org"),
        ("xn--e1afmkfd.xn--p1ai", How::Name, "xn--e1afmkfd.xn--p1ai"),
        ("xn--e1afmkfd.xn--p1ai", How::Name, "xn--e1afmkfd.xn--p1ai"),
    ];
    assert_eq!(met(&part), expected);
    let listing = part.found.listings.values().find(|listing| listing.how == How::Name && listing.key.own == OURS[1]);
    let Listing { key, date, place, .. } = listing.unwrap();
    assert_eq!((key.authority.as_str(), key.number.as_str()), ("Генпрокуратура", "27-31-2020/Ид2971-18"));
    assert_eq!((date.as_str(), place.line), ("2026-11-22", 4));
    let quoted = part.found.listings.values().find(|listing| listing.how == How::AddressBeside).unwrap();
    assert_eq!(quoted.key.authority, "ООО \"Суд;\"");
    let broad: Vec<&str> = part.found.broad.iter().map(|broad| broad.matched.as_str()).collect();
    assert_eq!(broad, ["0.0.0.0/0", "*"]);
    // The same as UTF-8, which some mirrors make of it.
    assert_eq!(met(&self::part(Format::RuCsv, CSV.as_bytes())), expected);
}

const XML: &str = r#"<?xml version="1.0" encoding="windows-1251"?>
<reg:register xmlns:reg="http://rsoc.ru" xmlns:tns="http://rsoc.ru" updateTime="2026-11-27T21:05:00+03:00" updateTimeUrgently="2026-11-28T00:05:00+03:00" formatVersion="2.4">
<content id="1" includeTime="2026-11-01T10:00:00" entryType="1" blockType="default" hash="A" ts="2026-11-01T10:00:00+03:00">
  <decision date="2026-10-31" number="1-РИ" org="Роскомнадзор &amp; Ко"/>
  <url><![CDATA[http://other.example/?a=1&b=2]]></url><url>https://pages.example.com/x&amp;y</url>
  <domain><![CDATA[example.org]]></domain><ip>198.51.100.7</ip><ipv6>2001:db8:2::1</ipv6>
</content>
<content id="2" includeTime="2026-11-02T10:00:00" entryType="4" blockType="domain" urgencyType="1" hash="B">
  <decision date="2026-11-02" number="2" org="ФСБ"/><domain><![CDATA[matrix.example.org]]></domain><ip ts="x">192.0.2.1</ip>
</content>
<content id="3" entryType="6" blockType="domain-mask"><decision date="2026-11-02" number="3" org="Суд"/>
  <domain><![CDATA[*.example.org]]></domain></content>
<content id="4" entryType="7" blockType="ip"><decision date="2026-11-02" number="4" org="Суд"/>
  <ipSubnet>203.0.113.128/25</ipSubnet><ipv6Subnet>2001:db8::/32</ipv6Subnet><domain>example.org</domain></content>
<content id="5" blockType="domain"><decision date="2026-11-02" number="5" org="Суд"/><domain><![CDATA[пример.рф]]></domain></content>
<content id="6" entryType="2" blockType="brand-new"><decision date="2026-11-02" number="6" org="Суд"/><ip>198.51.100.7</ip></content>
</reg:register>
"#;

#[test]
fn the_xml_of_russia_with_all_block_types() {
    let part = part(Format::RuXml, &cp1251(XML));
    assert_eq!(faults(&part), []);
    // The later of the two times.
    assert_eq!(part.head.updated_ms, Some(1_795_813_500_000));
    assert_eq!((part.found.entries, part.found.odd_count), (6, 0), "{:?}", part.found.odd);
    let expected = [
        ("198.51.100.7", How::AddressBeside, "198.51.100.7"),
        ("198.51.100.7", How::Address, "198.51.100.7"),
        ("2001:db8:1::/48", How::Network, "2001:db8::/32"),
        ("2001:db8:2::1", How::AddressBeside, "2001:db8:2::1"),
        ("2001:db8:2::1", How::Network, "2001:db8::/32"),
        ("203.0.113.0/24", How::Network, "203.0.113.128/25"),
        ("example.org", How::Mask, "*.example.org"),
        ("example.org", How::NameBeside, "example.org"),
        ("example.org", How::NameBeside, "example.org"),
        ("https://pages.example.com/status", How::Url, "https://pages.example.com/x&y"),
        ("matrix.example.org", How::Mask, "*.example.org"),
        ("matrix.example.org", How::Name, "matrix.example.org"),
        ("xn--e1afmkfd.xn--p1ai", How::Name, "xn--e1afmkfd.xn--p1ai"),
    ];
    let mut found = met(&part);
    found.sort_by_key(|(own, how, _)| (*own, how.is_listed(), *how));
    let mut expected = expected.to_vec();
    expected.sort_by_key(|(own, how, _)| (*own, how.is_listed(), *how));
    assert_eq!(found, expected);
    let listing = part.found.listings.values().find(|listing| listing.id == "2").unwrap();
    assert_eq!(
        (listing.entry_type.as_str(), listing.block_type.as_str(), listing.urgency.as_str()),
        ("4", "domain", "1")
    );
    assert_eq!((listing.key.authority.as_str(), listing.included.as_str()), ("ФСБ", "2026-11-02T10:00:00"));
    assert_eq!(listing.place.line, 8);
    let url = part.found.listings.values().find(|listing| listing.how == How::Url).unwrap();
    assert_eq!((url.key.authority.as_str(), url.key.number.as_str()), ("Роскомнадзор & Ко", "1-РИ"));
}

#[test]
fn poland_czechia_and_plain_lists() {
    let xml = r#"<?xml version="1.0" encoding="utf-8"?><Rejestr xmlns="http://www.hazard.mf.gov.pl/2017/03/21/">
        <PozycjaRejestru Lp="1"><AdresDomeny>other.example</AdresDomeny><DataWpisu>2017-07-01T00:00:00</DataWpisu></PozycjaRejestru>
        <PozycjaRejestru Lp="7"><AdresDomeny>Example.org</AdresDomeny><DataWpisu>2026-07-01T10:00:00</DataWpisu></PozycjaRejestru></Rejestr>"#;
    let poland = part(Format::PlHazard, xml.as_bytes());
    assert_eq!((faults(&poland), poland.found.entries), (vec![], 2));
    assert_eq!(
        met(&poland),
        [("example.org", How::Name, "example.org"), ("matrix.example.org", How::NameAbove, "example.org"),]
    );
    let listing = poland.found.listings.values().next().unwrap();
    assert_eq!((listing.id.as_str(), listing.included.as_str()), ("7", "2026-07-01T10:00:00"));

    let tsv = "PozycjaRejestru\tAdresDomeny\tDataWpisu\tDataWykreslenia\n1\texample.org\t2026-08-12T12:22:21+00:00\t\n2\tmatrix.example.org\t2026-08-12T12:22:21+00:00\t2026-09-01T00:00:00+00:00\n";
    let cert = part(Format::PlCert, tsv.as_bytes());
    assert_eq!((faults(&cert), cert.found.entries, met(&cert)[0].1), (vec![], 1, How::Name));

    let (csv, ..) = encoding_rs::WINDOWS_1250
        .encode("domain;reason\nhttps://www.example.org/;Podvodný\nexample.org;Podvodný e-shop\n");
    let czechia = part(Format::CzCoi, &csv);
    assert_eq!((faults(&czechia), czechia.found.entries), (vec![], 2));
    assert_eq!(czechia.found.listings.values().next().unwrap().reason, "Podvodný e-shop");

    let list =
        b"# a comment\n\nEXAMPLE.org  # ours\n192.0.2.0/24\n203.0.113.1\nhttps://example.org/#top\n.example.net\n";
    let list = part(Format::List, list);
    assert_eq!(list.found.entries, 5);
    assert_eq!(
        met(&list),
        [
            ("*.chat.example.net", How::Mask, "example.net"),
            ("203.0.113.0/24", How::Inside, "203.0.113.1"),
            ("example.org", How::Name, "example.org"),
            ("example.org", How::Url, "https://example.org/#top"),
            ("matrix.example.org", How::NameAbove, "example.org"),
        ]
    );
    let domains = part(Format::Domains, b"! filter\nexample.org\ncom\n");
    assert_eq!(met(&domains)[1], ("matrix.example.org", How::Mask, "example.org"));
    assert_eq!(domains.found.broad[0].matched, "com");

    let hosts = b"127.0.0.1 localhost\n0.0.0.0 a.example example.org # both\n::1 ip6-localhost\nmatrix.example.org\n";
    let hosts = part(Format::Hosts, hosts);
    assert_eq!((hosts.found.entries, met(&hosts).len()), (2, 3));
}

#[test]
fn csv_that_is_damaged_says_where_and_why_and_goes_on() {
    let mut text = cp1251("Updated: soon\n;other.example;;Суд\n;\"open.example;;Суд;1;2026-11-24\n");
    text.extend_from_slice(b";matrix.example.org;;x;1;2026-11-24\n");
    text.extend(std::iter::repeat_n(b'a', 2 << 20));
    text.extend_from_slice(b"\n;example.org;http://a;b;x;1;2026-11-24\n;cut.exa");
    let part = part(Format::RuCsv, &text);
    assert_eq!(
        faults(&part),
        [
            (1, Fault::Time("soon".to_owned())),
            (2, Fault::Fields { found: 4, expected: 6 }),
            (3, Fault::OpenQuote),
            (5, Fault::TooLong(1 << 20)),
            (7, Fault::Truncated("the last line is not whole")),
        ]
    );
    // What could be read is found all the same, also in a line with one field too many.
    assert!(met(&part).contains(&("matrix.example.org", How::Name, "matrix.example.org")));
    let listing = part.found.listings.values().find(|listing| listing.key.own == "example.org").unwrap();
    assert_eq!((listing.key.authority.as_str(), listing.date.as_str(), listing.place.line), ("x", "2026-11-24", 6));
}

#[test]
fn files_that_are_something_else() {
    let utf16: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(faults(&part(Format::RuCsv, &utf16)), [(1, Fault::NotText)]);
    assert_eq!(faults(&part(Format::RuCsv, b"PK\x03\x04....")), [(0, Fault::Archive("ZIP"))]);
    for format in [Format::RuCsv, Format::List, Format::Hosts, Format::CzCoi] {
        assert_eq!(faults(&part(format, b"")), [(0, Fault::Empty)], "{}", format.name());
    }
    let page = part(Format::RuXml, b"<html><body>blocked</body></html>");
    assert_eq!(faults(&page), [(1, Fault::Xml("it begins with <html> instead of <register>".to_owned()))]);
    assert!(matches!(faults(&part(Format::RuXml, b""))[..], [(1, Fault::Xml(_))]));
    assert!(matches!(faults(&part(Format::PlHazard, b"no xml"))[..], [(1, Fault::Xml(_))]));
    let page = part(Format::RuCsv, b"<html>\n<body>\n");
    assert!(faults(&page).iter().all(|(_, fault)| matches!(fault, Fault::Fields { .. })));
    assert_eq!(page.found.problems.count, 2);
}

#[test]
fn bombs_are_refused() {
    let laughs = r#"<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><register updateTime="2026-11-27T21:05:00+03:00"><content><url>&b;</url></content></register>"#;
    assert_eq!(faults(&part(Format::RuXml, laughs.as_bytes())), [(1, Fault::DocumentType)]);
    let own = laughs.replace("<!DOCTYPE r [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;\">]>", "");
    assert_eq!(faults(&part(Format::RuXml, own.as_bytes())), [(1, Fault::DocumentType)]);
    let deep = format!("<register updateTime=\"2026-11-27\">{}", "<a>".repeat(100_000));
    assert_eq!(faults(&part(Format::RuXml, deep.as_bytes())), [(1, Fault::Deep(16))]);
    let long = format!("<register updateTime=\"2026-11-27\"><content>\n<url>{}</url>", "a".repeat(3 << 20));
    assert_eq!(faults(&part(Format::RuXml, long.as_bytes())), [(2, Fault::TooLong(1 << 20))]);
    let many = format!("<register updateTime=\"2026-11-27\" {}></register>", "a=\"\" ".repeat(100_000));
    assert_eq!(part(Format::RuXml, many.as_bytes()).found.entries, 0);

    // A megabyte of packed zeros is a gigabyte of lines.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..40 {
        packed.write_all(&vec![b'\n'; 1 << 20]).unwrap();
    }
    let packed = packed.finish().unwrap();
    let limits = Limits { unpacked: 1 << 20 };
    let part = read(&ours(), Format::List, "bomb", &mut packed.as_slice(), limits);
    assert_eq!(part.found.problems.first[0].fault, Fault::TooLarge(1 << 20));
}

#[test]
fn gzip_that_is_out_of_all_proportion_is_not_read_to_its_end() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"Updated: 2026-11-27 21:05:00 +0000\n;example.org;;x;1;2026-11-24\n").unwrap();
    let long = vec![b'a'; 1 << 20];
    for _ in 0..80 {
        packed.write_all(&long).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 1 << 20, "{}", packed.len());
    let bomb = part(Format::RuCsv, &packed);
    assert_eq!(faults(&bomb), [(3, Fault::Bomb(250))]);
    // What came before it is found all the same.
    assert!(met(&bomb).contains(&("example.org", How::Name, "example.org")));
    // A register that says the same again and again is none.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let lines: String = (0..20_000).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, ";a{number}.example;;Роскомнадзор;12-34/{number};2026-11-24");
        text
    });
    for _ in 0..80 {
        packed.write_all(lines.as_bytes()).unwrap();
    }
    let long = part(Format::RuCsv, &packed.finish().unwrap());
    assert_eq!((faults(&long), long.found.entries), (vec![], 1_600_000));
}

#[test]
fn masks_that_match_everything_list_nothing() {
    for mask in [
        "*",
        "**",
        "*.*",
        "*.org",
        "*org",
        "**.org",
        "*.*.org",
        "*.",
        "0.0.0.0/0",
        "::/0",
        "http://*/",
        "https://*.org/x",
    ] {
        for format in [Format::RuCsv, Format::List, Format::Domains] {
            let text = match format {
                Format::RuCsv => format!("Updated: 2026-11-27 21:05:00 +0000\n;{mask};;Суд;11;2026-11-24\n"),
                _ => format!("# one entry\n{mask}\n"),
            };
            let part = part(format, text.as_bytes());
            assert_eq!(met(&part), [], "{mask} in {}", format.name());
            assert_eq!((faults(&part), part.found.entries), (vec![], 1), "{mask} in {}", format.name());
            let told: Vec<u64> = part.found.broad.iter().map(|broad| broad.place.line).collect();
            let odd: Vec<u64> = part.found.odd.iter().map(|odd| odd.place.line).collect();
            assert_eq!([told, odd].concat(), [2], "{mask} in {}", format.name());
        }
    }
    // Not everything: these are about somebody.
    for (mask, how) in [("*example.org", How::Mask), ("*.example.org", How::Mask), ("*ample.o*", How::Mask)] {
        let part = part(Format::List, mask.as_bytes());
        assert!(met(&part).iter().any(|met| met.1 == how), "{mask}: {:?}", part.found);
    }
}

#[test]
fn gzip_is_unpacked_and_its_end_is_missed() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&cp1251(CSV)).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(met(&part(Format::RuCsv, &packed)).len(), 12);
    let cut = part(Format::RuCsv, &packed[..packed.len() - 100]);
    assert!(
        matches!(faults(&cut)[..], [.., (_, Fault::Truncated("the packed file is cut off"))]),
        "{:?}",
        faults(&cut)
    );
}

#[test]
fn xml_that_is_cut_off_at_any_byte_is_never_whole() {
    let text = cp1251(XML);
    let whole = part(Format::RuXml, &text);
    let end = text.windows(7).rposition(|window| window == b"</reg:r").unwrap();
    for length in (0..end + 15).step_by(7) {
        let cut = part(Format::RuXml, &text[..length]);
        assert!(!cut.found.problems.is_empty(), "cut at {length}");
        assert!(cut.found.listings.keys().all(|key| whole.found.listings.contains_key(key)), "cut at {length}");
    }
}

#[test]
fn a_register_in_which_everything_meets_everything_ends_soon() {
    let names: Vec<String> = (0..1_000).map(|number| format!("a{number}.b.example.org")).collect();
    let own = Own::new(names.iter().map(String::as_str)).unwrap();
    let mut text = String::new();
    for number in 0..3_000 {
        let _ = writeln!(text, ";*.example.org;;x;{number};2026-11-24\n;*.*.example.org;;x;m{number};2026-11-24");
    }
    let part = read(&own, Format::RuCsv, "part", &mut text.as_bytes(), Limits::default());
    assert_eq!(part.found.listings.len(), 10_000);
    assert!(part.found.more > 1_000_000);
    assert!(!Run::new(vec![part], Circumstances::default()).is_whole());
}

#[test]
fn synthetic_registers_are_read_whole_and_all_of_ours_is_found() {
    use generator::{Recipe, Shape, ours, write};
    let (ours, recipe) = (ours(), Recipe { entries: 20_000, seed: 7, ours_every: 100 });
    let own = Own::new(ours.iter().map(String::as_str)).unwrap();
    for (shape, format) in [(Shape::Csv, Format::RuCsv), (Shape::Xml, Format::RuXml)] {
        let (mut text, mut again) = (Vec::new(), Vec::new());
        let made = write(&mut text, shape, recipe, &ours).unwrap();
        assert_eq!(
            (write(&mut again, shape, recipe, &ours).unwrap(), &again),
            (made, &text),
            "the same for the same seed"
        );
        let part = read(&own, format, "part", &mut text.as_slice(), Limits::default());
        let listed = part.found.listings.values().filter(|listing| listing.how.is_listed()).count() as u64;
        assert_eq!((part.found.entries, listed, part.found.odd_count), (recipe.entries, made.ours, 0), "{shape:?}");
        let run = Run::new(vec![part], Circumstances { max_age_ms: None, ..NOW });
        assert!(run.is_whole(), "{:?}", run.warnings);
    }
}
