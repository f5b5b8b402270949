//! The `Authorization` header of other servers' requests (server-server specification, *Request Authentication*).
//!
//! Ruma reads it by the letter of the HTTP grammar. The specification asks for more patience: a value without quotes may have colons in it.

use ruma::{OwnedServerName, OwnedServerSigningKeyId, api::federation::authentication::XMatrix, serde::Base64};

/// Bytes of a header: two names and a key's id of 255 bytes each, a signature, and what stands around them.
const BYTES: usize = 2_048;

/// Reads a header; an error is what is wrong with it.
pub(super) fn read(header: &str) -> Result<XMatrix, &'static str> {
    if header.len() > BYTES {
        return Err("it is too long");
    }
    let (scheme, parameters) = header.split_once(' ').ok_or("it has no parameters")?;
    if !scheme.eq_ignore_ascii_case("X-Matrix") {
        return Err("its scheme is not X-Matrix");
    }
    let [mut origin, mut destination, mut key, mut signature] = [const { None }; 4];
    let mut rest = parameters;
    while let Some((name, value, after)) = next(rest)? {
        rest = after;
        let place = match name.to_ascii_lowercase().as_str() {
            "origin" => &mut origin,
            "destination" => &mut destination,
            "key" => &mut key,
            "sig" => &mut signature,
            _ => continue,
        };
        if place.replace(value).is_some() {
            return Err("it has a parameter twice");
        }
    }
    let server = |name: String| OwnedServerName::try_from(name).map_err(|_| "a server name in it is none");
    let origin = server(origin.ok_or("it has no origin")?)?;
    let destination = destination.map(server).transpose()?;
    let key = key.ok_or("it has no key")?;
    let key = OwnedServerSigningKeyId::try_from(key).map_err(|_| "its key is no key's id")?;
    let signature = Base64::parse(signature.ok_or("it has no signature")?).map_err(|_| "its signature is no base64")?;
    let mut read = XMatrix::new(origin.clone(), origin, key, signature);
    read.destination = destination;
    Ok(read)
}

/// The next parameter, and what follows it.
fn next(text: &str) -> Result<Option<(&str, String, &str)>, &'static str> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    if text.is_empty() {
        return Ok(None);
    }
    let (name, rest) = text.split_once('=').ok_or("a parameter has no value")?;
    let name = name.trim_end();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("a parameter's name is none");
    }
    let rest = rest.trim_start();
    let (value, rest) = if let Some(quoted) = rest.strip_prefix('"') {
        unquoted(quoted)?
    } else {
        let end = rest.find([',', ' ', '\t']).unwrap_or(rest.len());
        let (value, rest) = rest.split_at(end);
        if value.is_empty() || !value.bytes().all(|byte| is_token(byte) || matches!(byte, b':' | b'/' | b'=')) {
            return Err("a value has characters that need quotes");
        }
        (value.to_owned(), rest)
    };
    let rest = rest.trim_start();
    if !rest.is_empty() && !rest.starts_with(',') {
        return Err("a comma is missing");
    }
    Ok(Some((name, value, rest)))
}

/// A value up to its closing quote, without backslashes, and what follows it.
fn unquoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    Err("a quote is not closed")
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(header: &str) -> Result<(String, Option<String>, String, String), &'static str> {
        let read = read(header)?;
        let destination = read.destination.map(|name| name.to_string());
        Ok((read.origin.to_string(), destination, read.key.to_string(), read.sig.encode()))
    }

    #[test]
    fn headers_of_every_form_are_read() {
        let expected = |destination: Option<&str>| {
            let owned = |text: &str| text.to_owned();
            Ok((owned("a.example:80"), destination.map(owned), owned("ed25519:k_1"), owned("dGVz/A")))
        };
        for header in [
            r#"X-Matrix origin="a.example:80",destination="b.example",key="ed25519:k_1",sig="dGVz/A""#,
            r#"x-matrix   SIG="dGVz/A" ,	Key=ed25519:k_1  ,other=x,more="a,\"b",origin=a.example:80,destination=b.example"#,
            r#"X-Matrix ,origin="a.\example:80",destination=b.example,key="ed25519:k_1",sig=dGVz/A==,"#,
        ] {
            assert_eq!(parts(header), expected(Some("b.example")), "{header}");
        }
        let old = r#"X-Matrix origin="a.example:80",key="ed25519:k_1",sig="dGVz/A""#;
        assert_eq!(parts(old), expected(None));
    }

    #[test]
    fn nonsense_is_refused_and_never_a_panic() {
        let good = r#"X-Matrix origin="a.example",destination="b.example",key="ed25519:k",sig="dGVzdA""#;
        assert!(read(good).is_ok());
        for (index, _) in good.char_indices() {
            // A header that breaks off is no header.
            assert!(read(&good[..index]).is_err(), "{}", &good[..index]);
        }
        let long = format!("{good},x={}", "y".repeat(BYTES));
        let twice = format!("{good},origin=a.example");
        let again = format!("{good}, {good}");
        for header in [
            long.as_str(),
            twice.as_str(),
            again.as_str(),
            "",
            "X-Matrix",
            "Bearer abc",
            &good.replace("X-Matrix", "Y-Matrix"),
            &good.replace("a.example", "a b"),
            &good.replace("\"a.example\"", "é"),
            &good.replace("ed25519:k", "k"),
            &good.replace("dGVzdA", "?"),
            &good.replace(',', ";"),
            &good.replace("origin=", "=origin="),
            &good.replace("\"dGVzdA\"", "\"dGVzdA\\"),
        ] {
            assert!(read(header).is_err(), "{header}");
        }
    }
}
