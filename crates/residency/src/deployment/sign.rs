//! The root key's signature of a document: the file's last line, over every byte before it.

use super::{PublicKey, SecretKey};

/// How the last line begins.
const LINE: &str = "# signed ";
/// What is signed.
const WHAT: &str = "deployment 1";

/// Bytes of a document at most.
pub const BYTES: usize = 1 << 20;

/// Why a document is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsigned {
    /// Too large to be looked at.
    #[error("the deployment document is larger than {BYTES} bytes")]
    TooLarge,
    /// No signature.
    #[error("the deployment document is not signed: its last line must be that of `domicile deployment sign`")]
    Missing,
    /// Signed by somebody else.
    #[error("the deployment document is signed by {found}, and not by the root key {expected}")]
    OtherKey {
        /// Whose signature it is said to be.
        found: String,
        /// Whose it must be.
        expected: PublicKey,
    },
    /// Not what was signed.
    #[error("the deployment document was changed after it was signed: sign it again where the root key is kept")]
    Altered,
}

/// The text with the root key's signature as its last line, in place of one that is there.
pub fn sign(text: &str, root: &SecretKey) -> String {
    let mut signed = unsigned(text).to_owned();
    if !signed.ends_with('\n') {
        signed.push('\n');
    }
    let signature = root.sign_text(WHAT, signed.as_bytes());
    format!("{signed}{LINE}{} {signature}\n", root.public())
}

/// The text without its signature, if it has one.
pub fn unsigned(text: &str) -> &str {
    parts(text).map_or(text, |(body, _)| body)
}

/// Who is said to have signed.
pub fn signer(text: &str) -> Option<PublicKey> {
    let (_, line) = parts(text)?;
    PublicKey::parse(line.split_once(' ')?.0).ok()
}

/// The text that the root key signed, without the signature.
pub fn verified<'t>(text: &'t str, root: &PublicKey) -> Result<&'t str, Unsigned> {
    if text.len() > BYTES {
        return Err(Unsigned::TooLarge);
    }
    let (body, line) = parts(text).ok_or(Unsigned::Missing)?;
    let (key, signature) = line.split_once(' ').ok_or(Unsigned::Missing)?;
    if PublicKey::parse(key).as_ref() != Ok(root) {
        let found = key.chars().take(64).collect();
        return Err(Unsigned::OtherKey { found, expected: *root });
    }
    if root.verify_text(WHAT, body.as_bytes(), signature) { Ok(body) } else { Err(Unsigned::Altered) }
}

/// What is signed, and what the signature's line says. The line is the last one, with one end of line after it or none.
fn parts(text: &str) -> Option<(&str, &str)> {
    let ended = text.strip_suffix('\n').unwrap_or(text);
    let begins = ended.rfind('\n').map_or(0, |at| at + 1);
    let line = ended.get(begins..)?.strip_prefix(LINE)?;
    Some((text.get(..begins)?, line))
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::SeededRng;

    use super::*;

    #[test]
    fn only_what_was_signed_is_believed() {
        let root = SecretKey::new(&SeededRng::new(1));
        let other = SecretKey::new(&SeededRng::new(2));
        let signed = sign("serial = 1", &root);
        assert_eq!(verified(&signed, &root.public()), Ok("serial = 1\n"));
        assert_eq!(signer(&signed), Some(root.public()));
        assert_eq!(sign(&signed, &root), signed, "signing again changes nothing");
        assert!(matches!(verified(&sign(&signed, &other), &root.public()), Err(Unsigned::OtherKey { .. })));
        assert_eq!(verified("serial = 1\n", &root.public()), Err(Unsigned::Missing));
        assert_eq!(verified("", &root.public()), Err(Unsigned::Missing));
        for (altered, why) in [
            (signed.replace("serial = 1", "serial = 2"), "another number"),
            (format!("x = 1\n{signed}"), "a line before"),
            (signed.replace("serial = 1\n", "serial = 1\r\n"), "another end of line"),
        ] {
            assert_eq!(verified(&altered, &root.public()), Err(Unsigned::Altered), "{why}");
        }
        assert_eq!(verified(&format!("{signed}x = 1\n"), &root.public()), Err(Unsigned::Missing), "a line after");
        // Two signatures: what the second one covers has the first in it as a comment.
        let twice = format!("{signed}{}", signed.lines().last().unwrap());
        assert_eq!(verified(&twice, &root.public()), Err(Unsigned::Altered));
        assert_eq!(verified(&"#".repeat(BYTES + 1), &root.public()), Err(Unsigned::TooLarge));
    }
}
