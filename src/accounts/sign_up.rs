//! Signing up: an address and a company, proved by a mailed link. The answer is the same whether an address is known.

use chrono::TimeDelta;
use entity::account::{self, Mode};
use entity::email_token::Purpose;
use entity::ids::{AccountId, MemberId};
use entity::member::{self, Role};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, TransactionTrait as _};

use super::letters;
use crate::auth::link;
use crate::auth::password::{self, WeakPassword};
use crate::billing::plan;
use crate::billing::subscription::{self, StartError};
use crate::platform::db as database;

/// What the form says.
#[derive(Debug)]
pub struct SignUp {
    pub email: String,
    pub password: String,
    pub company: String,
    /// Whether the new account moves real money.
    pub mode: Mode,
}

/// What is wrong with the form. A known address is not among it.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    #[error("Give an e-mail address such as you@company.com.")]
    Email,
    #[error("{0}")]
    Password(#[from] WeakPassword),
    #[error("Give your company's or your own name, at most 200 characters.")]
    Company,
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// A mailed link that does nothing any more.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("This link was used before or is too old. Ask for a new one.")]
    Invalid,
    /// The operator's catalogue lacks the default plan.
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("the database did not answer")]
    Database(#[from] DbErr),
}

/// Makes an unverified account and mails its link; or mails the owner of a known address, and says nothing of it here.
///
/// # Errors
/// See [`SignUpError`].
pub async fn sign_up(db: &DatabaseConnection, form: &SignUp, public_url: &str, now: entity::Time) -> Result<(), SignUpError> {
    let email = address(&form.email).ok_or(SignUpError::Email)?;
    password::check(&form.password)?;
    let company = form.company.trim();
    if company.is_empty() || company.chars().count() > 200 {
        return Err(SignUpError::Company);
    }
    // Hashed also for a known address: the time of the answer tells nothing.
    let password_hash = password::hash(&form.password).await;
    let txn = db.begin().await?;
    if let Some(known) = member::Entity::by_email(&email).one(&txn).await? {
        remind_in(&txn, &known, public_url, now).await?;
        txn.commit().await?;
        return Ok(());
    }
    match create_in(&txn, &email, password_hash, company, form.mode, public_url, now).await {
        Ok(()) => txn.commit().await?,
        // Two forms with one address at once: the other made the account and mailed its link.
        Err(error) if database::is_unique_violation(&error) => txn.rollback().await?,
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

async fn create_in(
    txn: &impl ConnectionTrait,
    email: &str,
    password_hash: String,
    company: &str,
    mode: Mode,
    public_url: &str,
    now: entity::Time,
) -> Result<(), DbErr> {
    let (account, member) = (AccountId::new(), MemberId::new());
    // An operator's default plan may be in any currency. Without a plan, confirming the address says what is missing.
    let default = plan::newest(txn, plan::DEFAULT_PLAN).await?;
    let currency = default.as_ref().map_or("usd", |version| version.currency.as_str());
    let row = account::Model::new(account, company.into(), currency, mode, now);
    account::Entity::insert(account::ActiveModel::from(row)).exec_without_returning(txn).await?;
    member::Entity::insert(member::ActiveModel {
        id: Set(member),
        account_id: Set(account),
        email: Set(email.into()),
        password_hash: Set(password_hash),
        role: Set(Role::Owner),
        email_verified_at: Set(None),
        created_at: Set(now),
    })
    .exec_without_returning(txn)
    .await?;
    post_link_in(txn, account, member, email, company, public_url, now).await
}

async fn remind_in(txn: &impl ConnectionTrait, known: &member::Model, public_url: &str, now: entity::Time) -> Result<(), DbErr> {
    if known.email_verified_at.is_none() {
        return post_link_in(txn, known.account_id, known.id, &known.email, "", public_url, now).await;
    }
    let locale = letters::locale_of(txn, known.account_id).await?;
    let letter = letters::already_member(locale, &format!("{public_url}/login"), &format!("{public_url}/forgot"));
    letters::post_in(txn, known.account_id, &known.email, letter, now).await
}

async fn post_link_in(
    txn: &impl ConnectionTrait,
    account: AccountId,
    member: MemberId,
    email: &str,
    company: &str,
    public_url: &str,
    now: entity::Time,
) -> Result<(), DbErr> {
    let token = link::issue_in(txn, member, Purpose::Verify, now).await?;
    let letter = letters::verify(company, &format!("{public_url}/verify?token={token}"));
    letters::post_in(txn, account, email, letter, now).await
}

/// Mails the link again to an address that is not verified yet; for any other address it does nothing, and looks the same.
///
/// # Errors
/// When the database refuses.
pub async fn resend(db: &DatabaseConnection, email: &str, public_url: &str, now: entity::Time) -> Result<(), DbErr> {
    let txn = db.begin().await?;
    if let Some(known) = member::Entity::by_email(email).one(&txn).await?
        && known.email_verified_at.is_none()
    {
        post_link_in(&txn, known.account_id, known.id, &known.email, "", public_url, now).await?;
    }
    txn.commit().await
}

/// Redeems the link: the address is proved, and the account gets its plan, its first period and its free credit.
///
/// # Errors
/// See [`LinkError`].
pub async fn verify(db: &DatabaseConnection, token: &str, now: entity::Time) -> Result<member::Model, LinkError> {
    let txn = db.begin().await?;
    let id = link::redeem_in(&txn, token, Purpose::Verify, now).await?.ok_or(LinkError::Invalid)?;
    let member = member::Entity::find_by_id(id).one(&txn).await?.ok_or(LinkError::Invalid)?;
    if member.email_verified_at.is_some() {
        // A second link of the same address: nothing is left to do.
        txn.commit().await?;
        return Ok(member);
    }
    let account = account::Entity::find_by_id(member.account_id).one(&txn).await?.ok_or(LinkError::Invalid)?;
    let verified = member::ActiveModel { id: Set(member.id), email_verified_at: Set(Some(now)), ..Default::default() };
    let member = member::Entity::update(verified).exec(&txn).await?;
    subscription::start_in(&txn, &account, account.now(now)).await?;
    txn.commit().await?;
    Ok(member)
}

/// Forgets sign-ups that nobody confirmed within a week: the address is free again.
///
/// # Errors
/// When the database refuses.
pub async fn sweep_unverified(db: &DatabaseConnection, now: entity::Time) -> Result<u64, DbErr> {
    let old = sea_orm::Statement::from_sql_and_values(
        db.get_database_backend(),
        "WITH stale AS (
             DELETE FROM member m WHERE m.email_verified_at IS NULL AND m.created_at < $1
             AND NOT EXISTS (SELECT 1 FROM member o WHERE o.account_id = m.account_id AND o.email_verified_at IS NOT NULL)
             RETURNING account_id),
         letters AS (UPDATE mail SET account_id = NULL FROM stale WHERE mail.account_id = stale.account_id)
         SELECT account_id FROM stale",
        [(now - TimeDelta::days(7)).into()],
    );
    let accounts = db.query_all_raw(old).await?;
    let mut count = 0;
    for row in accounts {
        let id: AccountId = row.try_get("", "account_id")?;
        count += account::Entity::delete_by_id(id).exec(db).await?.rows_affected;
    }
    Ok(count)
}

/// The address in lower case, when it can be one. Whether it exists is what the link is for.
fn address(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let (name, domain) = text.rsplit_once('@')?;
    let plain = !text.chars().any(|c| c.is_whitespace() || c.is_control() || matches!(c, ',' | ';' | '<' | '>' | '"'));
    let whole = !name.is_empty() && domain.len() >= 3 && domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
    (plain && whole && text.len() <= 254 && text.parse::<lettre::Address>().is_ok()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn addresses_are_kept_in_lower_case_and_nonsense_is_refused() {
        assert_eq!(address(" Ada@Example.COM ").as_deref(), Some("ada@example.com"));
        for nonsense in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "ada@example.com,eve@example.com",
            "ada@.com",
            "Ada <ada@example.com>",
        ] {
            assert_eq!(address(nonsense), None, "{nonsense}");
        }
    }
}
