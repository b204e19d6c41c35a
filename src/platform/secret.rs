//! Random tokens, their hashes, and signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// 32 random bytes as 43 URL-safe characters: cookies, mailed links.
pub fn token() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

/// `length` random characters of `0-9a-zA-Z`: parts of API keys, which people select with a double click.
pub fn alphanumeric(length: usize) -> String {
    use rand::RngExt as _;
    rand::rng().sample_iter(rand::distr::Alphanumeric).take(length).map(char::from).collect()
}

/// SHA-256, for secrets with more entropy than anyone can try (tokens, keys); passwords go through argon2.
pub fn sha256(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    Sha256::digest(bytes.as_ref()).to_vec()
}

/// HMAC-SHA256 in lower-case hex.
pub fn sign(key: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> String {
    hex::encode(hmac(key, message))
}

/// HMAC-SHA256.
pub fn hmac(key: impl AsRef<[u8]>, message: impl AsRef<[u8]>) -> Vec<u8> {
    // HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_ref()).expect("HMAC takes a key of any length");
    mac.update(message.as_ref());
    mac.finalize().into_bytes().to_vec()
}

/// Compares in a time that tells nothing about where two texts differ.
pub fn equal(a: impl AsRef<[u8]>, b: impl AsRef<[u8]>) -> bool {
    a.as_ref().ct_eq(b.as_ref()).into()
}
