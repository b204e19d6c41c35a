//! What an account or its operator does, and whether it was refused.

use chrono::TimeDelta;
use entity::credit_grant::Kind;
use entity::credit_note::Settlement;
use entity::invoice::{self, DocumentState, PaymentState};
use entity::money::{Minor, Nanos};
use entity::{account, top_up as top_ups};
use rand::RngExt as _;
use rand::rngs::SmallRng;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::catalogue::priced;
use super::customer::Customer;
use super::house::{COUPONS, House};
use super::refusal::done;
use crate::billing::auto_top_up::{self, Settings};
use crate::billing::coupon;
use crate::billing::credit::adjust::{self, Adjustment};
use crate::billing::invoice::act::{Why, credit_note, transfer, void, write_off};
use crate::billing::invoice::item::{self, NewItem};
use crate::billing::subscription::{self, Act};
use crate::billing::{invoice as invoices, payment, top_up};

const WHY: Why<'_> = Why { actor: "operator", reason: "it came up" };
const DOLLAR: i64 = 1_000_000_000;

/// Something to do.
#[derive(Debug, Clone, Copy)]
pub(super) enum Deed {
    Calls(u32),
    TopUp,
    BuyAutomatically,
    Gift,
    TakeBack,
    ChangeNow,
    ChangeLater,
    Pause,
    PauseLater,
    Resume,
    Cancel,
    Undo,
    Redeem,
    Charge,
    Refund,
    CreditUnpaid,
    CreditPaid,
    Withdraw,
    GiveUp,
    Transfer,
    CardFails,
    CardWorks,
    PayByHand,
    Move,
}

/// The deeds of a year but its calls, with the second at which each is done.
pub(super) fn drawn(dice: &mut SmallRng) -> Vec<(i64, Deed)> {
    use Deed::{
        BuyAutomatically, Cancel, CardFails, CardWorks, ChangeLater, ChangeNow, Charge, CreditPaid, CreditUnpaid, Gift, GiveUp, Move,
        Pause, PauseLater, PayByHand, Redeem, Refund, Resume, TakeBack, TopUp, Transfer, Undo, Withdraw,
    };
    // How often in a year, in tenths.
    let table = [
        (TopUp, 30),
        (BuyAutomatically, 4),
        (Gift, 20),
        (TakeBack, 5),
        (ChangeNow, 12),
        (ChangeLater, 10),
        (Pause, 4),
        (PauseLater, 3),
        (Resume, 6),
        (Cancel, 3),
        (Undo, 3),
        (Redeem, 10),
        (Charge, 12),
        (Refund, 5),
        (CreditUnpaid, 4),
        (CreditPaid, 4),
        (Withdraw, 12),
        (GiveUp, 6),
        (Transfer, 10),
        (CardFails, 12),
        (CardWorks, 4),
        (PayByHand, 6),
        (Move, 3),
    ];
    let mut drawn = vec![(0, ChangeNow), (60, TopUp)];
    for (deed, tenths) in table {
        let times = tenths / 10 + i32::from(dice.random_range(0..10) < tenths % 10);
        drawn.extend((0..times).map(|_| (dice.random_range(0..366 * 86_400i64), deed)));
    }
    drawn
}

impl Customer {
    /// Does it; false when it was refused.
    pub async fn act(&mut self, house: &House, deed: Deed) -> anyhow::Result<bool> {
        self.deeds += 1;
        match deed {
            Deed::Calls(count) => self.call(house, count).await,
            Deed::TopUp => self.top_up(house).await,
            Deed::BuyAutomatically => self.buy_automatically(house).await,
            Deed::Gift | Deed::TakeBack => self.adjust(house, matches!(deed, Deed::Gift)).await,
            Deed::ChangeNow => {
                let plan = self.plan();
                self.change(house, Act::ChangeNow(plan)).await
            }
            Deed::ChangeLater => {
                let plan = self.plan();
                self.change(house, Act::ChangeAtPeriodEnd(plan)).await
            }
            Deed::Pause => self.change(house, Act::PauseNow).await,
            Deed::PauseLater => self.change(house, Act::PauseAtPeriodEnd).await,
            Deed::Resume => self.change(house, Act::Resume).await,
            Deed::Cancel => self.change(house, Act::CancelAtPeriodEnd).await,
            Deed::Undo => self.change(house, Act::Undo).await,
            Deed::Redeem => {
                let code = COUPONS[self.dice.random_range(0..COUPONS.len())];
                done(coupon::redeem(&house.db, self.account.id, code, house.clock.now()).await)
            }
            Deed::Charge => self.charge(house).await,
            Deed::Refund | Deed::CreditPaid | Deed::CreditUnpaid | Deed::Withdraw | Deed::GiveUp | Deed::Transfer => {
                self.correct(house, deed).await
            }
            Deed::CardFails | Deed::CardWorks => self.card(house, matches!(deed, Deed::CardFails)).await,
            Deed::PayByHand => self.pay_by_hand(house).await,
            Deed::Move => self.move_away(house).await,
        }
    }

    async fn change(&self, house: &House, act: Act) -> anyhow::Result<bool> {
        done(subscription::act(&house.db, self.account.id, &act, house.clock.now()).await)
    }

    /// So many nanos of a dollar in the account's currency, in minor units.
    fn minor(&self, nanos_of_a_dollar: i64) -> Minor {
        priced(nanos_of_a_dollar, self.worth).round(self.account.exponent())
    }

    async fn top_up(&mut self, house: &House) -> anyhow::Result<bool> {
        let dollars = self.dice.random_range(6..60);
        let amount = self.minor(dollars * DOLLAR).0.clamp(top_up::MINIMUM.0, top_up::MAXIMUM.0);
        let now = self.account.now(house.clock.now());
        let email = format!("owner-{}@example.com", self.account.id);
        let pages = ("https://lensmeter.test/a", "https://lensmeter.test/b");
        let page = top_up::start(&house.db, &house.till.stripe, &self.account, &email, Minor(amount), pages, now).await?;
        if !house.till.pay(&page).await? {
            return Ok(false);
        }
        let newest = top_ups::Entity::of(self.account.id).order_by_desc(top_ups::Column::Id).one(&house.db).await?;
        if let Some(row) = newest {
            top_up::sync(&house.db, &house.till.stripe, house.means().public_url, row.id, house.clock.now()).await?;
        }
        self.look(house).await?;
        Ok(true)
    }

    async fn buy_automatically(&mut self, house: &House) -> anyhow::Result<bool> {
        let amount = Minor(self.minor(10 * DOLLAR).0.max(top_up::MINIMUM.0));
        let enabled = !self.buys_itself(house).await?;
        let settings = Settings { enabled, threshold: priced(DOLLAR, self.worth), amount, daily_cap: Minor(amount.0 * 2) };
        auto_top_up::set(&house.db, &self.account, settings, self.account.now(house.clock.now())).await?;
        Ok(true)
    }

    async fn adjust(&mut self, house: &House, gives: bool) -> anyhow::Result<bool> {
        let amount = priced(self.dice.random_range(1..8_000) * 1_000_007, self.worth);
        let ends = self.account.now(house.clock.now()) + TimeDelta::seconds(self.dice.random_range(3_600..90 * 86_400));
        let kind = if self.dice.random_bool(0.8) { Kind::Promotional } else { Kind::Paid };
        let expires_at = self.dice.random_bool(0.7).then_some(ends);
        let what = if gives {
            Adjustment::Give { amount, kind, priority: Some(self.dice.random_range(0..120)), expires_at }
        } else {
            Adjustment::Revoke { amount }
        };
        let reference = self.deeds.to_string();
        done(adjust::adjust(&house.db, self.account.id, what, (&reference, WHY), house.clock.now()).await)
    }

    /// An item, sometimes below zero.
    async fn charge(&mut self, house: &House) -> anyhow::Result<bool> {
        let cents = self.dice.random_range(-900..3_000);
        let unit = self.minor(cents * 10_000_000);
        let new = NewItem { description: "Onboarding", quantity: self.dice.random_range(1..4), unit };
        done(item::add(&house.db, self.account.id, new, WHY, house.clock.now()).await)
    }

    /// What an operator does to one of the account's invoices, fit or not.
    async fn correct(&mut self, house: &House, deed: Deed) -> anyhow::Result<bool> {
        let all = invoices::list(&house.db, self.account.id).await?;
        if all.is_empty() {
            return Ok(false);
        }
        // Mostly one of the newest.
        let row = &all[self.dice.random_range(0..all.len().min(3))];
        let part = Minor((row.total_minor.0 * self.dice.random_range(1..=4) / 4).max(1));
        let (db, stripe, now) = (&house.db, &house.till.stripe, house.clock.now());
        let note = async |amount, how| done(credit_note::issue(db, stripe, row.id, (amount, how), WHY, now).await);
        match deed {
            Deed::Refund => note(part, Settlement::Refund).await,
            Deed::CreditPaid => note(part, Settlement::Credit).await,
            Deed::CreditUnpaid => note(row.due().max(Minor(1)), Settlement::None).await,
            Deed::Withdraw => done(void::void(db, stripe, &house.seller, row.id, WHY, now).await),
            Deed::GiveUp => done(write_off::write_off(db, stripe, row.id, WHY, now).await),
            _ => {
                let reference = format!("bank {} {}", self.account.id, self.deeds);
                done(transfer::note(db, stripe, row.id, (part, &reference), WHY, now).await)
            }
        }
    }

    async fn card(&self, house: &House, fails: bool) -> anyhow::Result<bool> {
        let Some(customer) = &self.account.stripe_customer_id else { return Ok(false) };
        house.till.fail(customer, fails).await?;
        Ok(true)
    }

    async fn pay_by_hand(&self, house: &House) -> anyhow::Result<bool> {
        let unpaid = invoice::Entity::of(self.account.id)
            .filter(invoice::Column::DocumentState.eq(DocumentState::Open))
            .filter(invoice::Column::PaymentState.eq(PaymentState::Unpaid));
        let mut paid = false;
        for row in unpaid.all(&house.db).await? {
            let Some(page) = &row.stripe_hosted_url else { continue };
            paid |= house.till.pay(page).await?;
            payment::sync(&house.db, &house.till.stripe, house.means().public_url, row.id, house.clock.now()).await?;
        }
        Ok(paid)
    }

    /// The next subscription is in another time zone, the next invoice in another country.
    async fn move_away(&mut self, house: &House) -> anyhow::Result<bool> {
        let zone = ["Europe/Berlin", "America/New_York", "Pacific/Apia", "UTC"][self.dice.random_range(0..4)];
        let change = account::ActiveModel {
            id: Set(self.account.id),
            time_zone: Set(zone.into()),
            country: Set(Some("DE".into())),
            tax_id: Set(None),
            budget_nanos: Set(Some(Nanos(1 + self.worth))),
            ..Default::default()
        };
        account::Entity::update(change).exec(&house.db).await?;
        self.look(house).await?;
        Ok(true)
    }
}
