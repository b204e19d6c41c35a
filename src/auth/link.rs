//! Links that are mailed and work once: verification of an address, reset of a password.

use chrono::TimeDelta;
use entity::email_token::{self, Purpose};
use entity::ids::MemberId;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _, FromQueryResult as _, Statement};

use crate::platform::secret;

/// How long a link works.
pub fn lifetime(purpose: Purpose) -> TimeDelta {
    match purpose {
        Purpose::Verify => TimeDelta::hours(24),
        Purpose::Reset => TimeDelta::hours(1),
    }
}

/// Makes a link's token; only its hash is stored.
///
/// # Errors
/// When the database refuses.
pub async fn issue_in(txn: &impl ConnectionTrait, member: MemberId, purpose: Purpose, now: entity::Time) -> Result<String, DbErr> {
    let token = secret::token();
    email_token::Entity::insert(email_token::ActiveModel {
        token_hash: Set(secret::sha256(&token)),
        member_id: Set(member),
        purpose: Set(purpose),
        expires_at: Set(now + lifetime(purpose)),
        used_at: Set(None),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(token)
}

/// Uses a token up: of two who click at once, the UPDATE lets one through.
///
/// # Errors
/// When the database refuses.
pub async fn redeem_in(txn: &impl ConnectionTrait, token: &str, purpose: Purpose, now: entity::Time) -> Result<Option<MemberId>, DbErr> {
    let statement = Statement::from_sql_and_values(
        txn.get_database_backend(),
        "UPDATE email_token SET used_at = $3 WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 RETURNING *",
        [secret::sha256(token).into(), purpose.as_str().into(), now.into()],
    );
    let row = txn.query_one_raw(statement).await?;
    row.map(|row| email_token::Model::from_query_result(&row, "").map(|token| token.member_id)).transpose()
}
