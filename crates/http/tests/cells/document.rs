//! `docs/stolen-cell.md`, whose table a test compares, and writes where `DOMICILE_WRITE` is set.

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stolen-cell.md");
const BEGIN: &str = "<!-- generated: begin -->\n";
const END: &str = "<!-- generated: end -->\n";

/// The document has the table, or gets it.
pub(crate) fn compare(table: &str) {
    let text = std::fs::read_to_string(DOCUMENT).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (now, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("DOMICILE_WRITE").is_some() {
        std::fs::write(DOCUMENT, format!("{head}{BEGIN}\n{table}\n{END}{tail}")).unwrap();
        return;
    }
    assert_eq!(now.trim(), table.trim(), "docs/stolen-cell.md says something else: DOMICILE_WRITE=1 writes it anew");
}
