//! Browser sessions: a random cookie, of which only the hash is stored.

use chrono::TimeDelta;
use entity::ids::SessionId;
use entity::{account, member, session};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};

use crate::platform::secret;

/// A session that nobody uses ends after this.
const IDLE: TimeDelta = TimeDelta::days(14);
/// However busy, it ends after this.
const ABSOLUTE: TimeDelta = TimeDelta::days(90);
/// `last_seen_at` is this coarse, so that reading pages does not write on every request.
const SEEN: TimeDelta = TimeDelta::minutes(5);

/// Someone who is signed in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    pub session: session::Model,
    pub member: member::Model,
    pub account: account::Model,
}

/// Opens a session and returns its cookie, which is not kept anywhere.
///
/// # Errors
/// When the database refuses.
pub async fn open_in(
    txn: &impl ConnectionTrait,
    member: &member::Model,
    user_agent: &str,
    ip: &str,
    now: entity::Time,
) -> Result<String, DbErr> {
    let cookie = secret::token();
    session::Entity::insert(session::ActiveModel {
        id: Set(SessionId::new()),
        token_hash: Set(secret::sha256(&cookie)),
        member_id: Set(member.id),
        user_agent: Set(user_agent.chars().take(300).collect()),
        ip: Set(ip.into()),
        created_at: Set(now),
        last_seen_at: Set(now),
        expires_at: Set(now + ABSOLUTE),
    })
    .exec_without_returning(txn)
    .await?;
    Ok(cookie)
}

/// Who a cookie stands for, unless the session ended.
///
/// # Errors
/// When the database refuses.
pub async fn find(db: &impl ConnectionTrait, cookie: &str, now: entity::Time) -> Result<Option<SignedIn>, DbErr> {
    let hash = secret::sha256(cookie);
    let Some(session) = session::Entity::find().filter(session::Column::TokenHash.eq(hash)).one(db).await? else { return Ok(None) };
    if now >= session.expires_at || now >= session.last_seen_at + IDLE {
        return Ok(None);
    }
    let Some(member) = member::Entity::find_by_id(session.member_id).one(db).await? else { return Ok(None) };
    let Some(account) = account::Entity::find_by_id(member.account_id).one(db).await? else { return Ok(None) };
    if now >= session.last_seen_at + SEEN {
        let seen = session::ActiveModel { id: Set(session.id), last_seen_at: Set(now), ..Default::default() };
        session::Entity::update(seen).exec(db).await?;
    }
    Ok(Some(SignedIn { session, member, account }))
}

/// Ends the session of a cookie.
///
/// # Errors
/// When the database refuses.
pub async fn close(db: &impl ConnectionTrait, cookie: &str) -> Result<(), DbErr> {
    session::Entity::delete_many().filter(session::Column::TokenHash.eq(secret::sha256(cookie))).exec(db).await?;
    Ok(())
}

/// Ends all sessions of a member: after a change of password.
///
/// # Errors
/// When the database refuses.
pub async fn close_all_in(txn: &impl ConnectionTrait, member: entity::ids::MemberId) -> Result<(), DbErr> {
    session::Entity::delete_many().filter(session::Column::MemberId.eq(member)).exec(txn).await?;
    Ok(())
}

/// Deletes sessions that ended, so that the table does not grow for ever.
///
/// # Errors
/// When the database refuses.
pub async fn sweep(db: &impl ConnectionTrait, now: entity::Time) -> Result<u64, DbErr> {
    let ended = Condition::any().add(session::Column::ExpiresAt.lte(now)).add(session::Column::LastSeenAt.lte(now - IDLE));
    Ok(session::Entity::delete_many().filter(ended).exec(db).await?.rows_affected)
}

/// The token that the forms of a session carry: bound to the cookie, so another session's token is worth nothing.
pub fn form_token(server_secret: &str, cookie: &str) -> String {
    secret::sign(server_secret, format!("form:{cookie}"))
}
