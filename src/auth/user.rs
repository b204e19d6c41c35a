//! Logging in with an address and a password.

use std::time::Duration;

use entity::member;
use sea_orm::{DatabaseConnection, DbErr};

use super::password;
use super::throttle::Throttle;

/// Why someone is not let in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// The same for an unknown address and a wrong password.
    #[error("The address or the password is not right.")]
    Wrong,
    /// Only told to who knows the password.
    #[error("Please confirm your address first: we mailed you a link.")]
    Unverified,
    #[error("Too many tries. Please wait {} seconds.", retry_after.as_secs() + 1)]
    TooManyTries { retry_after: Duration },
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Finds the member whose address and password these are.
///
/// # Errors
/// See [`LogInError`].
pub async fn log_in(
    db: &DatabaseConnection,
    throttle: &Throttle,
    email: &str,
    password: &str,
    ip: &str,
) -> Result<member::Model, LogInError> {
    let address = email.trim().to_lowercase();
    for key in [format!("ip:{ip}"), format!("address:{address}")] {
        throttle.count(&key).map_err(|retry_after| LogInError::TooManyTries { retry_after })?;
    }
    let found = member::Entity::by_email(&address).one(db).await?;
    let matches = password::verify(password, found.as_ref().map(|member| member.password_hash.as_str())).await;
    match found {
        Some(member) if matches && member.email_verified_at.is_some() => Ok(member),
        Some(_) if matches => Err(LogInError::Unverified),
        _ => Err(LogInError::Wrong),
    }
}
