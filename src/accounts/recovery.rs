//! Getting back in with a mailed link. The answer is the same whether an address is known.

use entity::email_token::Purpose;
use entity::member;
use sea_orm::{ActiveValue::Set, DatabaseConnection, DbErr, EntityTrait as _, TransactionTrait as _};

use super::letters;
use crate::auth::password::{self, WeakPassword};
use crate::auth::{link, session};

/// Why a password was not set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    #[error("This link was used before or is too old. Ask for a new one.")]
    Link,
    #[error("{0}")]
    Password(#[from] WeakPassword),
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Mails a link to set a new password, when the address is a member's.
///
/// # Errors
/// When the database refuses.
pub async fn request(db: &DatabaseConnection, email: &str, public_url: &str, now: entity::Time) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    if let Some(member) = member::Entity::by_email(email).one(&txn).await? {
        let token = link::issue_in(&txn, member.id, Purpose::Reset, now).await?;
        let locale = letters::locale_of(&txn, member.account_id).await?;
        let letter = letters::reset(locale, &format!("{public_url}/reset?token={token}"));
        letters::post_in(&txn, member.account_id, &member.email, letter, now).await?;
    }
    txn.commit().await
}

/// Sets a new password and ends all sessions of the member: whoever had the old one is out.
///
/// # Errors
/// See [`ResetError`]; a weak password does not use the link up.
pub async fn reset(db: &DatabaseConnection, token: &str, new_password: &str, now: entity::Time) -> Result<member::Model, ResetError> {
    password::check(new_password)?;
    let password_hash = password::hash(new_password).await;
    let txn = db.begin().await?;
    let id = link::redeem_in(&txn, token, Purpose::Reset, now).await?.ok_or(ResetError::Link)?;
    let changed = member::ActiveModel { id: Set(id), password_hash: Set(password_hash), ..Default::default() };
    let member = member::Entity::update(changed).exec(&txn).await?;
    session::close_all_in(&txn, member.id).await?;
    txn.commit().await?;
    Ok(member)
}
