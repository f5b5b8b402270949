//! The index of an export: for people a page without scripts, for programs the same as JSON.

use std::fmt::Write;

use ruma::UserId;
use serde_json::json;

use super::package::TableFiles;

/// What is held elsewhere, or about others, and therefore not in an export.
pub(super) const NOT_INCLUDED: [&str; 5] = [
    "What others wrote in rooms that you share: it is theirs. Your clients show it to you.",
    "The text of encrypted messages: this service cannot read it. What you sent is here as it was sent, encrypted.",
    "Copies on other people's servers and devices.",
    "Backups of this service, which hold older states of the same.",
    "Small pictures that the service made of your files: the files themselves are in the folder `media`.",
];

/// The index for people, and for programs.
pub(super) fn of(user_id: &UserId, tables: &[TableFiles], media_files: i64, now_ms: i64) -> (String, String) {
    let machine = json!({
        "user": user_id, "made_ts": now_ms, "tables": tables, "media_files": media_files, "not_included": NOT_INCLUDED,
    });
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{user}</title>\n<h1>What this service holds about {user}</h1>\n\
         <p>Each file has one line of JSON for each row. {media_files} files that you uploaded are in the folder <code>media</code>.</p>\n\
         <table border=\"1\" cellpadding=\"4\"><tr><th>What</th><th>Kind</th><th>Rows</th><th>Files</th></tr>\n",
        user = escaped(user_id.as_str())
    );
    for table in tables {
        let files: Vec<String> =
            table.files.iter().map(|file| format!("<a href=\"{file}\">{file}</a>", file = escaped(file))).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(&table.about),
            table.class,
            table.rows,
            files.join("<br>")
        );
    }
    page.push_str("</table>\n<h2>Not in here</h2>\n<ul>\n");
    for line in NOT_INCLUDED {
        let _ = writeln!(page, "<li>{}</li>", escaped(line));
    }
    page.push_str("</ul>\n</html>\n");
    (page, machine.to_string())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_no_markup() {
        assert_eq!(escaped("<a href=\"&\">"), "&lt;a href=&quot;&amp;&quot;&gt;");
    }
}
