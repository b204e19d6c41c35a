//! Passwords: argon2id on a few blocking threads, so that log-ins cannot take the CPU from inference.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::platform::secret;

/// How many hashes run at once: each takes 19 MiB and tens of milliseconds.
static HASHING: Semaphore = Semaphore::const_new(2);

/// Passwords that are long enough and still the first that anyone tries.
const COMMON: &[&str] = &[
    "password1234",
    "passwordpassword",
    "123456789012",
    "qwertyuiop12",
    "qwertyuiopasdfgh",
    "letmeinletmein",
    "administrator",
    "lensmeter123",
];

/// A password that is not taken; the text says what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    #[error("Use at least 12 characters; a few words are easy to remember.")]
    TooShort,
    #[error("Use at most 128 characters.")]
    TooLong,
    #[error("This password is among the first that attackers try; choose another.")]
    Common,
}

/// Length and a block list, no composition rules (NIST SP 800-63B, 3.1.1.2).
///
/// # Errors
/// With what to do instead.
pub fn check(password: &str) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    let first = password.chars().next();
    if length < 12 {
        Err(WeakPassword::TooShort)
    } else if length > 128 {
        Err(WeakPassword::TooLong)
    } else if COMMON.contains(&password.to_lowercase().as_str()) || password.chars().all(|c| Some(c) == first) {
        Err(WeakPassword::Common)
    } else {
        Ok(())
    }
}

/// Hashes a password into a PHC string with a fresh salt.
pub async fn hash(password: &str) -> String {
    let password = password.to_owned();
    in_turn(move || digest(&password)).await
}

fn digest(password: &str) -> String {
    Argon2::default().hash_password(password.as_bytes()).expect("argon2's own defaults are valid parameters").to_string()
}

/// Whether `password` is the one that was hashed. With no hash (an unknown address) the same work is done for nothing, so
/// that the time of the answer does not tell who has an account.
pub async fn verify(password: &str, hash: Option<&str>) -> bool {
    /// Of a random password that nobody knows.
    static NOBODY: LazyLock<String> = LazyLock::new(|| digest(&secret::token()));
    let (password, known, hash) = (password.to_owned(), hash.is_some(), hash.unwrap_or(&NOBODY).to_owned());
    in_turn(move || {
        let matches = PasswordHash::new(&hash).is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok());
        matches && known
    })
    .await
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let _turn = HASHING.acquire().await.expect("the semaphore is never closed");
    spawn_blocking(work).await.expect("hashing does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_passwords_are_refused_with_what_to_do() {
        assert_eq!(check("short"), Err(WeakPassword::TooShort));
        assert_eq!(check(&"a".repeat(129)), Err(WeakPassword::TooLong));
        assert_eq!(check("PasswordPassword"), Err(WeakPassword::Common));
        assert_eq!(check("aaaaaaaaaaaaaaaa"), Err(WeakPassword::Common));
        assert_eq!(check("four plain short words"), Ok(()));
        assert_eq!(check("密码密码密码密码密码密码长"), Ok(()));
    }

    #[tokio::test]
    async fn only_the_same_password_verifies() {
        let stored = hash("four plain short words").await;
        assert!(stored.starts_with("$argon2id$"));
        assert!(verify("four plain short words", Some(&stored)).await);
        assert!(!verify("four plain short word", Some(&stored)).await);
        assert!(!verify("four plain short words", None).await);
    }
}
