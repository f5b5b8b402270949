//! That a cell has something whose secret another cell was shown: a token, or a file's address.
//!
//! The other cell says so much of the secret that it can be found, and something that it made up. What is answered is HMAC-SHA256 under the whole
//! secret, of that and of the answering cell's name: who does not have the secret cannot make it, and who passes the question on to the cell that has it
//! gets an answer that is not for them. The question says nothing with which the secret could be used.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};
use domicile_core::{
    locality::CellName,
    rng::{self, Rng},
};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// Bytes that are made up for a question.
const NONCE: usize = 32;
/// The most secrets that may begin alike: one that was brought by another cell may be made so.
pub const ALIKE: usize = 8;

/// What a secret is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOf {
    /// A token; the secret is its hash, as it is stored.
    Token,
    /// A file; the secret is its whole id.
    Media,
}

impl SecretOf {
    fn word(self) -> &'static [u8] {
        match self {
            Self::Token => b"domicile whose token 1\n",
            Self::Media => b"domicile whose media 1\n",
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WhoseQuestion {
    /// The beginning of the secret: of a token's hash in unpadded Base64, of a file's id as it is.
    pub beginning: String,
    /// What the asker made up, in unpadded Base64.
    pub nonce: String,
}

/// What is answered.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Proofs {
    /// For each secret that begins so, that it is known, in unpadded Base64; nothing if there is none.
    pub proofs: Vec<String>,
}

impl WhoseQuestion {
    /// A question for what begins so.
    pub fn new(beginning: String, rng: &dyn Rng) -> Self {
        let nonce: [u8; NONCE] = rng::bytes(rng);
        Self { beginning, nonce: BASE64_STANDARD_NO_PAD.encode(nonce) }
    }

    /// What a cell answers that has these secrets; nothing if what was made up is not of the right length.
    pub fn answer<S: AsRef<[u8]>>(&self, of: SecretOf, by: &CellName, secrets: impl IntoIterator<Item = S>) -> Proofs {
        let proofs = secrets.into_iter().take(ALIKE).filter_map(|secret| {
            let mac = self.mac(of, by, secret.as_ref())?;
            Some(BASE64_STANDARD_NO_PAD.encode(mac.finalize().into_bytes()))
        });
        Proofs { proofs: proofs.collect() }
    }

    /// Whether a cell has shown by its answer that it has the secret.
    pub fn is_proven(&self, of: SecretOf, by: &CellName, secret: &[u8], told: &Proofs) -> bool {
        told.proofs.iter().take(ALIKE).any(|proof| {
            let proof = BASE64_STANDARD_NO_PAD.decode(proof).ok();
            let mac = self.mac(of, by, secret);
            proof.zip(mac).is_some_and(|(proof, mac)| mac.verify_slice(&proof).is_ok())
        })
    }

    fn mac(&self, of: SecretOf, by: &CellName, secret: &[u8]) -> Option<Hmac<Sha256>> {
        let nonce = BASE64_STANDARD_NO_PAD.decode(&self.nonce).ok().filter(|nonce| nonce.len() == NONCE)?;
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret).ok()?;
        for part in [of.word(), &nonce, by.as_str().as_bytes()] {
            mac.update(part);
        }
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use domicile_core::rng::SeededRng;

    use super::*;

    fn cell(name: &str) -> CellName {
        CellName::parse(name).unwrap()
    }

    #[test]
    fn only_who_has_the_secret_shows_that_and_only_for_themselves() {
        let rng = SeededRng::new(7);
        let (home, thief, secret) = (cell("eu1"), cell("ru1"), [7_u8; 32]);
        let question = WhoseQuestion::new("BwcH".to_owned(), &rng);
        let told = question.answer(SecretOf::Token, &home, [[8; 32], secret]);
        assert_eq!(told.proofs.len(), 2, "what begins alike is answered for each");
        assert!(question.is_proven(SecretOf::Token, &home, &secret, &told));
        // Passed on by somebody else, for something else, or for another question it says nothing.
        assert!(!question.is_proven(SecretOf::Token, &thief, &secret, &told));
        assert!(!question.is_proven(SecretOf::Media, &home, &secret, &told));
        assert!(!question.is_proven(SecretOf::Token, &home, &[9; 32], &told));
        let again = WhoseQuestion::new("BwcH".to_owned(), &rng);
        assert!(again.nonce != question.nonce && !again.is_proven(SecretOf::Token, &home, &secret, &told));
        for nonsense in [vec![], vec![String::new()], vec!["!".to_owned()], vec!["AAAA".to_owned(); 100]] {
            assert!(!question.is_proven(SecretOf::Token, &home, &secret, &Proofs { proofs: nonsense }));
        }
    }

    #[test]
    fn a_question_without_enough_that_was_made_up_is_not_answered() {
        for nonce in ["", "AAAA", "no Base64"] {
            let question = WhoseQuestion { beginning: "BwcH".to_owned(), nonce: nonce.to_owned() };
            assert!(question.answer(SecretOf::Media, &cell("eu1"), ["abc"]).proofs.is_empty());
        }
    }

    #[test]
    fn an_answer_of_before_proofs_is_none() {
        assert!(serde_json::from_str::<Proofs>(r#"{"ours":true}"#).is_err());
    }
}
