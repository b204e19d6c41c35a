//! A new secret for a key: same id, same limits, same usage. The old one works on for a while, so that whoever uses it can
//! be changed over without a gap.

use chrono::TimeDelta;
use entity::account::Mode;
use entity::ids::{AccountId, KeyId};
use entity::{api_key, former_secret};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, IntoActiveModel as _,
    QueryFilter as _, QueryOrder as _,
};

use super::change::lock;
use super::{ChangeKeyError, text};
use crate::platform::secret;

/// The longest that an old secret may live on.
pub const MAX_OVERLAP: TimeDelta = TimeDelta::days(30);
/// Old secrets that a key has at a time: each call with one of them is compared with all.
const MAX_FORMER: usize = 5;

/// Gives a key a new secret, and every old one `overlap` more to live at the most; none with zero. The second value is the
/// whole new key: it is shown once and kept nowhere.
///
/// # Errors
/// See [`ChangeKeyError`].
pub async fn rotate_in(
    txn: &impl ConnectionTrait,
    (account, mode): (AccountId, Mode),
    id: KeyId,
    overlap: TimeDelta,
    now: entity::Time,
) -> Result<(api_key::Model, String), ChangeKeyError> {
    let key = lock(txn, account, id, now).await?;
    if overlap < TimeDelta::zero() || overlap > MAX_OVERLAP {
        let expected = format!("expected seconds from 0 to {} (30 days)", MAX_OVERLAP.num_seconds());
        return Err(ChangeKeyError::Invalid { field: "overlap", expected });
    }
    let end = now + overlap;
    former_secret::Entity::update_many()
        .col_expr(former_secret::Column::ExpiresAt, Expr::value(end))
        .filter(former_secret::Column::KeyId.eq(id))
        .filter(former_secret::Column::ExpiresAt.gt(end))
        .exec(txn)
        .await?;
    former_secret::Entity::delete_many()
        .filter(former_secret::Column::KeyId.eq(id))
        .filter(former_secret::Column::ExpiresAt.lte(now))
        .exec(txn)
        .await?;
    if overlap > TimeDelta::zero() {
        if former(txn, &[id], now).await?.len() >= MAX_FORMER {
            return Err(ChangeKeyError::TooManySecrets);
        }
        let old = former_secret::ActiveModel {
            secret_hash: Set(key.secret_hash.clone()),
            key_id: Set(id),
            hint: Set(key.hint.clone()),
            expires_at: Set(end),
        };
        former_secret::Entity::insert(old).exec_without_returning(txn).await?;
    }
    let whole = text::new_text(mode, &key.public_id);
    let mut row = key.into_active_model();
    row.secret_hash = Set(secret::sha256(text::secret_of(&whole)));
    row.hint = Set(text::hint_of(&whole).into());
    Ok((row.update(txn).await?, whole))
}

/// Old secrets of these keys that still open them, the one that ends first at the front.
///
/// # Errors
/// When the database refuses.
pub async fn former(db: &impl ConnectionTrait, keys: &[KeyId], now: entity::Time) -> Result<Vec<former_secret::Model>, DbErr> {
    former_secret::Entity::find()
        .filter(former_secret::Column::KeyId.is_in(keys.iter().copied()))
        .filter(former_secret::Column::ExpiresAt.gt(now))
        .order_by_asc(former_secret::Column::ExpiresAt)
        .all(db)
        .await
}
