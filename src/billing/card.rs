//! The card that invoices are charged to: asked of Stripe, which keeps it. Looked at once a period, so that it does not expire
//! before the next invoice unnoticed.

use chrono::{Months, NaiveDate, TimeDelta};
use entity::ids::AccountId;
use entity::member::Role;
use entity::{Time, account, member, period};
use sea_orm::{ColumnTrait as _, DatabaseConnection, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde::{Deserialize, Serialize};

use super::letters;
use super::stripe::Stripe;
use super::stripe::customer::{self, Card};
use crate::platform::mail;
use crate::platform::queue::{Job, Outcome};

/// Charges of the next invoice may be tried again for so long.
const TRIES: TimeDelta = TimeDelta::days(10);

/// Looks whether the card outlives the period.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckCard {
    pub account: AccountId,
}

impl Job for CheckCard {
    const KIND: &'static str = "billing.check_card";
}

/// Runs [`CheckCard`].
///
/// # Errors
/// Retried while Stripe or the database does not answer.
pub async fn check(db: &DatabaseConnection, stripe: &Stripe, public_url: &str, job: CheckCard, wall_now: Time) -> Outcome {
    let Some(account) = account::Entity::find_by_id(job.account).one(db).await? else { return Ok(()) };
    let Some(customer) = account.stripe_customer_id.as_deref() else { return Ok(()) };
    let open = period::Entity::of(account.id).filter(period::Column::State.eq(period::State::Open)).one(db).await?;
    let (Some(period), Some(card)) = (open, customer::card(stripe, customer).await?) else { return Ok(()) };
    if !expires_by(&card, period.ends_at + TRIES) {
        return Ok(());
    }
    let owner = member::Entity::of(account.id).filter(member::Column::Role.eq(Role::Owner)).order_by_asc(member::Column::Id);
    if let Some(owner) = owner.one(db).await? {
        let month = format!("{}-{:02}", card.expires.0, card.expires.1);
        let letter = letters::card_expiring(&account, &card.to_string(), &month, public_url);
        mail::post_in(db, Some(account.id), &owner.email, letter, wall_now).await?;
    }
    Ok(())
}

/// A card is good until the end of its month.
fn expires_by(card: &Card, instant: Time) -> bool {
    let (year, month) = card.expires;
    let end = NaiveDate::from_ymd_opt(year, month, 1).and_then(|first| first.checked_add_months(Months::new(1)));
    end.is_some_and(|end| end <= instant.date_naive())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_good_until_the_end_of_its_month() {
        let card = |year, month| Card { brand: "visa".into(), last4: "4242".into(), expires: (year, month) };
        let at = |text: &str| text.parse::<Time>().unwrap();
        assert!(!expires_by(&card(2026, 12), at("2026-12-31T23:59:59Z")));
        assert!(expires_by(&card(2026, 12), at("2027-01-01T00:00:00Z")));
        assert!(!expires_by(&card(2027, 13), at("2030-01-01T00:00:00Z")), "what is no month is no reason for a letter");
    }
}
