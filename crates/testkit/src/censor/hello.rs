//! The name that a TLS handshake says in the clear (RFC 8446, section 4.1.2, and RFC 6066, section 3), as boxes on the way look for it.

/// The name in the first packet of a handshake.
pub(super) fn server_name(payload: &[u8]) -> Option<&str> {
    let (&[0x16, 3, _, _, _], rest) = payload.split_first_chunk::<5>()? else { return None };
    let (&[1, _, _, _], rest) = rest.split_first_chunk::<4>()? else { return None };
    // Version and random.
    let rest = rest.get(34..)?;
    let rest = after(rest, 1)?;
    let rest = after(rest, 2)?;
    let rest = after(rest, 1)?;
    let mut extensions = rest.get(2..)?;
    while let Some((&[high, low, long, short], rest)) = extensions.split_first_chunk::<4>() {
        let length = usize::from(u16::from_be_bytes([long, short]));
        if (high, low) == (0, 0) {
            // A list's length, a kind, a name's length.
            return std::str::from_utf8(rest.get(5..length)?).ok();
        }
        extensions = rest.get(length..)?;
    }
    None
}

/// What follows something whose length stands before it in so many bytes.
fn after(bytes: &[u8], width: usize) -> Option<&[u8]> {
    let (length, rest) = bytes.split_at_checked(width)?;
    rest.get(length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))..)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn hello(sni: bool) -> Vec<u8> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
        config.enable_sni = sni;
        let name = "matrix.example.test".try_into().unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn the_name_is_found_where_there_is_one() {
        let bytes = hello(true);
        assert_eq!(server_name(&bytes), Some("matrix.example.test"));
        assert_eq!(server_name(&hello(false)), None);
        for length in 0..bytes.len() {
            let _ = server_name(&bytes[..length]);
        }
        assert_eq!(server_name(b"GET / HTTP/1.1\r\n"), None);
    }
}
