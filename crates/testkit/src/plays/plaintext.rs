//! Looks for plain words where only ciphertext may be: in every file of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use memchr::memmem;

/// What a search found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Files that were read.
    pub files: usize,
    /// Bytes that were read.
    pub bytes: usize,
    /// Which text stands in which file.
    pub found: Vec<(PathBuf, String)>,
}

/// Looks for any of these texts, as they are, in hexadecimal, and as they stand in base64 at each of the three alignments.
pub fn search(folder: &Path, texts: &[String]) -> Result<Findings> {
    look(folder, &needles(&stems(texts)))
}

/// The same for texts of which one is not as good as another that differs in a number at its end.
pub fn search_exactly(folder: &Path, texts: &[String]) -> Result<Findings> {
    look(folder, &needles(texts))
}

/// The same for pieces of something that is no text, found under its name.
pub fn search_pieces(folder: &Path, name: &str, pieces: &[&[u8]]) -> Result<Findings> {
    let needles: Vec<Needle> = pieces.iter().flat_map(|piece| forms(name, piece)).collect();
    look(folder, &needles)
}

fn look(folder: &Path, needles: &[Needle]) -> Result<Findings> {
    let mut findings = Findings::default();
    walk(folder, needles, &mut findings)?;
    Ok(findings)
}

struct Needle {
    bytes: Vec<u8>,
    text: String,
}

/// The beginning that a family of texts shares is enough: where it is not, none of them is.
fn stems(texts: &[String]) -> Vec<String> {
    let mut stems: Vec<String> =
        texts.iter().map(|text| text.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned()).collect();
    stems.sort_unstable();
    stems.dedup();
    stems
}

fn needles(texts: &[String]) -> Vec<Needle> {
    texts.iter().flat_map(|stem| forms(stem, stem.as_bytes())).collect()
}

/// Something in all the forms in which it may stand somewhere.
fn forms(name: &str, bytes: &[u8]) -> Vec<Needle> {
    let in_base64 = |alignment| Needle { bytes: base64_core(bytes, alignment), text: format!("{name} (in base64)") };
    let mut needles: Vec<Needle> = (0..3).map(in_base64).collect();
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    needles.push(Needle { bytes: hex.concat().into_bytes(), text: format!("{name} (in hexadecimal)") });
    needles.push(Needle { bytes: bytes.to_owned(), text: name.to_owned() });
    needles
}

/// The characters of base64 that depend on `text` alone, when `alignment` other bytes stand before it.
fn base64_core(text: &[u8], alignment: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let whole = text.get((3 - alignment) % 3..).unwrap_or_default();
    let (groups, _) = whole.as_chunks::<3>();
    let sextets = groups.iter().flat_map(|[a, b, c]| [a >> 2, (a & 3) << 4 | b >> 4, (b & 15) << 2 | c >> 6, c & 63]);
    sextets.map(|sextet| ALPHABET[usize::from(sextet)]).collect()
}

fn walk(folder: &Path, needles: &[Needle], findings: &mut Findings) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("looking into {}", folder.display()))? {
        let entry = entry.with_context(|| format!("looking into {}", folder.display()))?;
        let path = entry.path();
        let kind = entry.file_type().with_context(|| format!("looking at {}", path.display()))?;
        if kind.is_dir() {
            walk(&path, needles, findings)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            findings.files += 1;
            findings.bytes += bytes.len();
            let here = needles.iter().filter(|needle| memmem::find(&bytes, &needle.bytes).is_some());
            findings.found.extend(here.map(|needle| (path.clone(), needle.text.clone())));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_words_are_found_and_absent_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let texts = vec!["plain words of alice number 7".to_owned()];
        fs::create_dir(folder.path().join("deep")).unwrap();
        let file = folder.path().join("deep/file");
        fs::write(&file, b"\0\x01nothing here\xff").unwrap();
        assert!(search(folder.path(), &texts).unwrap().found.is_empty());
        fs::write(&file, b"\0\x01pplain words of alice number 8\xff").unwrap();
        assert_eq!(search(folder.path(), &texts).unwrap().found.len(), 1);
        // "xplain words of alice number 7" in base64: the text begins at the second byte of a group.
        fs::write(&file, b"eHBsYWluIHdvcmRzIG9mIGFsaWNlIG51bWJlciA3").unwrap();
        assert_eq!(search(folder.path(), &texts).unwrap().found.len(), 1);
        fs::write(&file, b"x706c61696e20776f726473206f6620616c696365206e756d62657220").unwrap();
        assert_eq!(search(folder.path(), &texts).unwrap().found.len(), 1);
        // Bytes that are no text, and stand among others.
        let bytes = [0xff, 0, 0xfe, 7, 0x80, 9];
        assert!(search_pieces(folder.path(), "bytes", &[&bytes]).unwrap().found.is_empty());
        fs::write(&file, [b"x", &bytes[..], b"y"].concat()).unwrap();
        assert_eq!(search_pieces(folder.path(), "bytes", &[&bytes]).unwrap().found, [(file, "bytes".to_owned())]);
    }
}
