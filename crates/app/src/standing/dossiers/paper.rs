//! A paper: titles, texts, fields and tables, and the three ways to write them. Everything in it is text; nothing in it is markup.

use std::fmt::Write as _;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

/// How a paper is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Markdown.
    #[default]
    Md,
    /// A page of its own, to be read or printed.
    Html,
    /// For programs.
    Json,
}

/// A paper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paper {
    /// Its title.
    pub title: String,
    /// Lines under it.
    pub under: Vec<String>,
    /// Its sections.
    pub sections: Vec<Section>,
}

/// A section of a paper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What stands in it.
    pub blocks: Vec<Block>,
}

/// What stands in a section.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// A paragraph.
    Text(String),
    /// Names and values.
    Fields(Vec<(String, String)>),
    /// Items.
    List(Vec<String>),
    /// A table: its head, and its rows.
    Table(Vec<String>, Vec<Vec<String>>),
}

impl Paper {
    /// The paper in a format.
    pub fn write(&self, format: Format) -> String {
        match format {
            Format::Md => self.markdown(),
            Format::Html => self.page().into_string(),
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default(),
        }
    }

    fn markdown(&self) -> String {
        let mut out = format!("# {}\n", plain(&self.title));
        for line in &self.under {
            let _ = write!(out, "\n{}  ", plain(line));
        }
        out.push('\n');
        for section in &self.sections {
            let _ = write!(out, "\n## {}\n", plain(&section.title));
            for block in &section.blocks {
                out.push('\n');
                markdown(&mut out, block);
            }
        }
        out
    }

    fn page(&self) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.title) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        header {
                            h1 { (self.title) }
                            @for line in &self.under { p { (line) } }
                        }
                        @for section in &self.sections {
                            section {
                                h2 { (section.title) }
                                @for block in &section.blocks { (markup(block)) }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn markup(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Text(text) => { @for part in text.split("\n\n") { p { (part) } } }
            Block::Fields(fields) => {
                dl { @for (name, value) in fields { dt { (name) } dd { (value) } } }
            }
            Block::List(items) => { ul { @for item in items { li { (item) } } } }
            Block::Table(head, rows) => {
                div.wide tabindex="0" role="region" aria-label=(head.join(", ")) {
                    table {
                        thead { tr { @for name in head { th scope="col" { (name) } } } }
                        tbody { @for row in rows { tr { @for cell in row { td { (cell) } } } } }
                    }
                }
            }
        }
    }
}

fn markdown(out: &mut String, block: &Block) {
    match block {
        Block::Text(text) => {
            let paragraphs: Vec<String> = text.split("\n\n").map(plain).collect();
            let _ = writeln!(out, "{}", paragraphs.join("\n\n"));
        }
        Block::Fields(fields) => {
            for (name, value) in fields {
                let _ = writeln!(out, "- **{}**: {}", plain(name), plain(value));
            }
        }
        Block::List(items) => {
            for item in items {
                let _ = writeln!(out, "- {}", plain(item));
            }
        }
        Block::Table(head, rows) => {
            let line = |cells: &[String]| {
                format!("| {} |", cells.iter().map(|cell| plain(cell)).collect::<Vec<_>>().join(" | "))
            };
            let _ = writeln!(out, "{}\n|{}", line(head), " --- |".repeat(head.len()));
            for row in rows {
                let _ = writeln!(out, "{}", line(row));
            }
        }
    }
}

/// A text in which Markdown finds nothing to do, on one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, word) in text.split_whitespace().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        for (at, letter) in word.char_indices() {
            let begins = index == 0 && at == 0 && matches!(letter, '#' | '-' | '+' | '>');
            if begins || matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '|' | '&' | '!') {
                out.push('\\');
            }
            out.push(letter);
        }
    }
    out
}

/// Reads well on a screen of any width, in the dark and on paper.
const STYLE: &str = "\
:root{color-scheme:light dark;--text:#1c1b1a;--back:#fff;--soft:#6b6661;--line:#d9d4ce}\
@media screen and (prefers-color-scheme:dark){:root{--text:#e9e6e2;--back:#191817;--soft:#a39d96;--line:#3c3835}}\
body{margin:0;background:var(--back);color:var(--text);font:1rem/1.55 'Noto Serif','Liberation Serif',Georgia,serif}\
main{max-width:46rem;margin:0 auto;padding:2rem 1.25rem 4rem}\
h1{font-size:1.6rem;line-height:1.25;margin:0 0 .75rem}h2{font-size:1.15rem;margin:2.25rem 0 .5rem;border-bottom:1px solid var(--line)}\
header p{margin:.1rem 0;color:var(--soft)}\
dl{display:grid;grid-template-columns:minmax(9rem,14rem) 1fr;gap:.35rem 1rem;margin:.75rem 0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}\
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.92rem}th,td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);overflow-wrap:break-word}\
@media (max-width:34rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}}\
@media print{.wide{overflow:visible}:root{color-scheme:light;--text:#000;--back:#fff;--soft:#444;--line:#999}main{max-width:none;padding:0}h2{break-after:avoid}tr,dl>*{break-inside:avoid}}\
@page{margin:22mm 20mm}";

#[cfg(test)]
mod tests {
    use super::*;

    fn paper(text: &str) -> Paper {
        let text = || text.to_owned();
        let blocks = vec![
            Block::Text(text()),
            Block::Fields(vec![(text(), text())]),
            Block::List(vec![text()]),
            Block::Table(vec![text(), text()], vec![vec![text(), text()]]),
        ];
        Paper { title: text(), under: vec![text()], sections: vec![Section { title: text(), blocks }] }
    }

    #[test]
    fn nothing_that_somebody_wrote_is_markup() {
        let page = paper("<script>alert('x')</script>\"&").write(Format::Html);
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("&lt;script&gt;"));
        let text = paper("# [a](javascript:x) | *b* `c` <i>\nd").write(Format::Md);
        assert!(text.starts_with("# \\# \\[a\\](javascript:x) \\| \\*b\\* \\`c\\` \\<i> d\n"), "{text}");
    }

    #[test]
    fn a_table_has_its_head() {
        let text = paper("x").write(Format::Md);
        assert!(text.contains("| x | x |\n| --- | --- |\n| x | x |\n"), "{text}");
    }

    #[test]
    fn programs_read_it_back() {
        let paper = paper("x");
        assert_eq!(serde_json::from_str::<Paper>(&paper.write(Format::Json)).ok(), Some(paper));
    }
}
