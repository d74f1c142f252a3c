//! SHA-256, written as hexadecimal.

use std::fmt::Write;

use ring::digest::{SHA256, digest};

/// The SHA-256 of `bytes` in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The first 16 bytes of the SHA-256 of `parts`, each ended by a zero byte: a short key for a map.
pub(crate) fn key(parts: &[&str]) -> u128 {
    let joined = parts.iter().fold(String::new(), |joined, part| joined + part + "\0");
    let hash = digest(&SHA256, joined.as_bytes());
    hash.as_ref().iter().take(16).fold(0, |key, byte| key << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_known_ones() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_ne!(key(&["a", "bc"]), key(&["ab", "c"]));
    }
}
