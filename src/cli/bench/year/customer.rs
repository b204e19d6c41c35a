//! An account's year: what it does is drawn, and when; its clock takes it there.

use chrono::TimeDelta;
use entity::account::{self, Locale, Mode};
use entity::ids::{AccountId, KeyId, MemberId};
use entity::member::{self, Role};
use entity::{Time, auto_top_up};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use sea_orm::{ActiveValue::Set, EntityTrait as _, TransactionTrait as _};

use super::Settings;
use super::calls::{self, Call};
use super::catalogue::{self, CURRENCIES};
use super::deeds::{self, Deed};
use super::house::House;
use crate::accounts::clock::{self, Advance};
use crate::auth::key::{self, Scope};
use crate::billing::subscription;

/// Where and how accounts are: country, VAT id, time zone, language.
const PLACES: [(&str, Option<&str>, &str, Locale); 6] = [
    ("DE", Some("DE123456789"), "Europe/Berlin", Locale::En),
    ("FR", Some("FR83404833048"), "Europe/Paris", Locale::En),
    ("FR", None, "Europe/Paris", Locale::En),
    ("US", None, "America/New_York", Locale::En),
    ("JP", None, "Asia/Tokyo", Locale::En),
    ("CN", None, "Asia/Shanghai", Locale::Zh),
];
/// Days on which an account makes calls.
const BUSY_DAYS: u32 = 24;
const YEAR: i64 = 366;

/// An account and what it has in hand.
pub(super) struct Customer {
    pub account: account::Model,
    pub worth: i64,
    pub key: KeyId,
    pub dice: SmallRng,
    /// For references that are used once.
    pub deeds: usize,
}

/// Lives the year of an account. Returns its deeds and how many were refused.
///
/// # Errors
/// When something fails that is no refusal.
pub(super) async fn live(house: &House, number: usize, settings: &Settings) -> anyhow::Result<(usize, usize)> {
    let mut dice = SmallRng::seed_from_u64(settings.seed ^ ((number as u64) << 32));
    let begins: Time = "2027-06-15T00:00:00Z".parse()?;
    // Whatever the day: also the 31st, and the hours that a clock leaves out.
    let begins = begins + TimeDelta::seconds(dice.random_range(0..20 * 86_400));
    let mut days: Vec<(i64, Deed)> = deeds::drawn(&mut dice);
    days.extend(
        (0..BUSY_DAYS)
            .map(|_| (dice.random_range(0..YEAR * 86_400), Deed::Calls(dice.random_range(1..=settings.calls / BUSY_DAYS * 2 + 1)))),
    );
    days.sort_by_key(|(second, _)| *second);
    let mut customer = sign_up(house, number, dice, begins).await?;
    let mut refused = 0;
    for (second, deed) in &days {
        customer.go_to(house, begins + TimeDelta::seconds(*second)).await?;
        refused += usize::from(!customer.act(house, *deed).await?);
    }
    customer.go_to(house, begins + TimeDelta::days(YEAR)).await?;
    Ok((days.len(), refused))
}

async fn sign_up(house: &House, number: usize, mut dice: SmallRng, begins: Time) -> anyhow::Result<Customer> {
    let (currency, worth) = CURRENCIES[dice.random_range(0..CURRENCIES.len())];
    let (country, tax_id, time_zone, locale) = PLACES[dice.random_range(0..PLACES.len())];
    let wall = house.clock.now();
    let account = account::Model {
        clock_offset_seconds: (begins - wall).num_seconds(),
        country: Some(country.into()),
        tax_id: tax_id.map(str::to_owned),
        time_zone: time_zone.into(),
        locale,
        e_invoice: dice.random_bool(0.2),
        ..account::Model::new(AccountId::new(), format!("Company {number}"), currency, Mode::Test, begins)
    };
    let txn = house.db.begin().await?;
    account::Entity::insert(account::ActiveModel::from(account.clone())).exec_without_returning(&txn).await?;
    let owner = member::ActiveModel {
        id: Set(MemberId::new()),
        account_id: Set(account.id),
        email: Set(format!("owner-{}@example.com", account.id)),
        password_hash: Set("nobody logs in".into()),
        role: Set(Role::Owner),
        email_verified_at: Set(Some(wall)),
        created_at: Set(wall),
    };
    member::Entity::insert(owner).exec_without_returning(&txn).await?;
    subscription::start_in(&txn, &account, account.now(wall)).await?;
    txn.commit().await?;
    let key = key::create_in(&house.db, &account, None, "year", &Scope::ALL, wall).await?.0.id;
    Ok(Customer { account, worth, key, dice, deeds: 0 })
}

impl Customer {
    /// Lets the account's time be `then`, and all that falls due by then happen.
    async fn go_to(&mut self, house: &House, then: Time) -> anyhow::Result<()> {
        let exact = (then - self.account.now(house.clock.now())).max(TimeDelta::zero());
        clock::advance(house.means(), &house.clock, self.account.id, Advance { months: 0, exact }).await?;
        self.look(house).await
    }

    /// As the account is now.
    pub async fn look(&mut self, house: &House) -> anyhow::Result<()> {
        let known = account::Entity::find_by_id(self.account.id).one(&house.db).await?;
        self.account = known.ok_or_else(|| anyhow::anyhow!("the account is gone"))?;
        Ok(())
    }

    /// Makes calls; false when all of them were refused.
    pub async fn call(&mut self, house: &House, count: u32) -> anyhow::Result<bool> {
        let calls: Vec<Call> = (0..count)
            .map(|_| Call {
                task: ["detect", "detect", "detect", "classify", "embed"][self.dice.random_range(0..5)],
                pixels: self.dice.random_range(1..12_000_000),
                compute_us: self.dice.random_range(0..90_000),
            })
            .collect();
        Ok(calls::make(house, &self.account, self.key, calls).await? < count as usize)
    }

    /// One of the plans in the account's currency.
    pub fn plan(&mut self) -> String {
        let codes = catalogue::codes(&self.account.currency);
        codes[self.dice.random_range(0..codes.len())].clone()
    }

    /// Whether credit buys itself.
    pub async fn buys_itself(&self, house: &House) -> anyhow::Result<bool> {
        Ok(auto_top_up::Entity::of(self.account.id).one(&house.db).await?.is_some_and(|row| row.enabled))
    }
}
