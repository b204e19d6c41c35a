//! How a key is written: `lm_<mode>_<id>_<secret>`. The last six of the secret's characters are a checksum of all that
//! stands before them, so that a typo is refused without a look-up and a scanner for leaked secrets knows a real key.

use entity::account::Mode;

use crate::platform::secret;

const ID: usize = 12;
/// 220 bits: nobody tries them all.
const RANDOM: usize = 37;
const CHECKSUM: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A well-formed key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub mode: &'a str,
    pub public_id: &'a str,
    /// With its checksum.
    pub secret: &'a str,
}

/// What a key is found by.
pub(super) fn new_public_id() -> String {
    secret::alphanumeric(ID)
}

/// A new secret of a key: the whole text, of which [`secret_of`] is what is hashed.
pub(super) fn new_text(mode: Mode, public_id: &str) -> String {
    let body = format!("lm_{}_{public_id}_{}", mode.as_str(), secret::alphanumeric(RANDOM));
    let sum = checksum(&body);
    body + &sum
}

/// The secret part of a whole key.
pub(super) fn secret_of(text: &str) -> &str {
    &text[text.len() - RANDOM - CHECKSUM..]
}

/// What is shown of a secret to tell it from others: of the checksum, which helps nobody to guess the rest.
pub(super) fn hint_of(text: &str) -> &str {
    &text[text.len() - 4..]
}

/// Reads a key; none when it is not one, be it for a single character.
pub(super) fn parse(text: &str) -> Option<Parts<'_>> {
    // Before anything is looked at: what comes may be a megabyte.
    if text.len() != "lm_live_".len() + ID + 1 + RANDOM + CHECKSUM || !text.is_ascii() {
        return None;
    }
    let (mode, rest) = text.strip_prefix("lm_")?.split_once('_')?;
    let (public_id, secret) = rest.split_once('_')?;
    let plain = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let shaped = matches!(mode, "live" | "test") && plain(public_id, ID) && plain(secret, RANDOM + CHECKSUM);
    let (body, sum) = text.split_at(text.len() - CHECKSUM);
    (shaped && checksum(body) == sum).then_some(Parts { mode, public_id, secret })
}

/// CRC-32 (that of zip) of the text, as six digits to the base 62, the highest first.
fn checksum(body: &str) -> String {
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; CHECKSUM];
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    digits.iter().map(|&digit| char::from(digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_and_any_typo_in_it_is_seen() {
        let id = new_public_id();
        let text = new_text(Mode::Test, &id);
        assert_eq!(text.len(), 64);
        let parts = parse(&text).unwrap();
        assert_eq!((parts.mode, parts.public_id, parts.secret), ("test", id.as_str(), secret_of(&text)));
        for at in 0..text.len() {
            let mut typo = text.clone().into_bytes();
            typo[at] = if typo[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(parse(std::str::from_utf8(&typo).unwrap()), None, "character {at}");
            let mut swapped = text.clone().into_bytes();
            if at > 0 && swapped[at] != swapped[at - 1] {
                swapped.swap(at, at - 1);
                assert_eq!(parse(std::str::from_utf8(&swapped).unwrap()), None, "swapped at {at}");
            }
        }
    }

    #[test]
    fn what_scanners_are_told_about_the_checksum_is_so() {
        // `python3 -c "import zlib; print(zlib.crc32(b'lm_test_…'))"`, written to the base 62.
        assert_eq!(checksum("lm_test_000000000000_0000000000000000000000000000000000000"), CHECKSUM_OF_ZEROS);
    }

    const CHECKSUM_OF_ZEROS: &str = "3kX2Mc";

    #[test]
    fn nonsense_is_no_key() {
        let huge = "lm_live_".to_owned() + &"x".repeat(1 << 20);
        for nonsense in ["", "lm_", "lm_live_a_b", "sk_live_000000000000_0000000000000000000000000000000000000000000", &huge] {
            assert_eq!(parse(nonsense), None);
        }
        // As long as a key, in bytes, with a character that is cut in half where the parts would be.
        assert_eq!(parse(&format!("lm_live_{}é", "0".repeat(54))), None);
    }
}
