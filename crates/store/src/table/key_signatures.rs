//! `key_signatures`: signatures that were uploaded over a key after the key itself.

use domicile_core::ids::UserNum;

use crate::{Batch, Snapshot, StoreError, params, value::int_list};

/// A signature over a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySignature {
    /// Whose key was signed.
    pub target_num: UserNum,
    /// Which key: a device id, or a cross-signing public key.
    pub target_key: String,
    /// Who signed.
    pub signer_num: UserNum,
    /// With which key: `ed25519:` and a device id or a public key.
    pub signer_key: String,
    /// The signature.
    pub signature: String,
}

/// Signatures over some users' keys that `reader` may see: the owners' own, and the reader's.
pub async fn visible(
    snapshot: &Snapshot,
    reader: UserNum,
    targets: impl IntoIterator<Item = UserNum>,
) -> Result<Vec<KeySignature>, StoreError> {
    let rows = snapshot
        .query(
            "SELECT target_num, target_key, signer_num, signer_key, signature FROM key_signatures
             WHERE target_num IN INTS($2) AND (signer_num = target_num OR signer_num = $1)",
            &[reader.into(), int_list(targets)],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(KeySignature {
                target_num: row.num(0)?,
                target_key: row.text(1)?.to_owned(),
                signer_num: row.num(2)?,
                signer_key: row.text(3)?.to_owned(),
                signature: row.text(4)?.to_owned(),
            })
        })
        .collect()
}

/// Sets a signature.
pub fn set(batch: &mut Batch, signature: &KeySignature) {
    batch.push(
        "INSERT INTO key_signatures (target_num, target_key, signer_num, signer_key, signature) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (target_num, target_key, signer_num, signer_key) DO UPDATE SET signature = excluded.signature",
        params![
            signature.target_num,
            signature.target_key.as_str(),
            signature.signer_num,
            signature.signer_key.as_str(),
            signature.signature.as_str()
        ],
    );
}

/// Removes every signature over a key that is no more.
pub fn remove_over(batch: &mut Batch, target_num: UserNum, target_key: &str) {
    batch.push("DELETE FROM key_signatures WHERE target_num = $1 AND target_key = $2", params![target_num, target_key]);
}

/// Removes every signature that a key made which is no more.
pub fn remove_by(batch: &mut Batch, signer_num: UserNum, signer_key: &str) {
    batch.push("DELETE FROM key_signatures WHERE signer_num = $1 AND signer_key = $2", params![signer_num, signer_key]);
}
