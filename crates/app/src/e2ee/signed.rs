//! Signed JSON objects as clients make them: what is signed, and whether a signature is right.

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, SigningKeyAlgorithm, UserId,
    serde::{Base64, base64::Standard},
    signatures::{to_canonical_json_string_for_signing, verify_canonical_json_bytes},
};

/// The object of a JSON text, if it is one that can be signed.
pub(super) fn object(json: &str) -> Option<CanonicalJsonObject> {
    serde_json::from_str(json).ok()
}

/// The part of an object that its signatures are over.
pub(super) fn body(object: &CanonicalJsonObject) -> CanonicalJsonObject {
    let mut body = object.clone();
    body.remove("signatures");
    body.remove("unsigned");
    body
}

/// The JSON text under which an object is kept: without what the server itself would add.
pub(super) fn stored(mut object: CanonicalJsonObject) -> String {
    object.remove("unsigned");
    CanonicalJsonValue::Object(object).to_string()
}

/// The public key under `key_id` in an object's `keys`.
pub(super) fn public_key<'a>(object: &'a CanonicalJsonObject, key_id: &str) -> Option<&'a str> {
    match object.get("keys")?.as_object()?.get(key_id)? {
        CanonicalJsonValue::String(key) => Some(key),
        _ => None,
    }
}

/// The ids and texts of the signatures that `signer` made over an object.
pub(super) fn signatures_of<'a>(object: &'a CanonicalJsonObject, signer: &UserId) -> Vec<(&'a str, &'a str)> {
    let of_signer = object
        .get("signatures")
        .and_then(CanonicalJsonValue::as_object)
        .and_then(|signatures| signatures.get(signer.as_str()))
        .and_then(CanonicalJsonValue::as_object);
    let Some(of_signer) = of_signer else { return Vec::new() };
    of_signer.iter().filter_map(|(key_id, signature)| Some((key_id.as_str(), signature.as_str()?))).collect()
}

/// Whether `signature` over `object` was made with the secret half of `public_key`, both in base64.
pub(super) fn verifies(object: &CanonicalJsonObject, public_key: &str, signature: &str) -> bool {
    let (Ok(public_key), Ok(signature)) = (Base64::<Standard>::parse(public_key), Base64::<Standard>::parse(signature))
    else {
        return false;
    };
    let Ok(text) = to_canonical_json_string_for_signing(object) else { return false };
    verify_canonical_json_bytes(
        &SigningKeyAlgorithm::Ed25519,
        public_key.as_bytes(),
        signature.as_bytes(),
        text.as_bytes(),
    )
    .is_ok()
}

/// Whether `signer` signed `object` with the key of that id and public half.
pub(super) fn is_signed_by(object: &CanonicalJsonObject, signer: &UserId, key_id: &str, public_key: &str) -> bool {
    signatures_of(object, signer).iter().any(|(id, signature)| *id == key_id && verifies(object, public_key, signature))
}
