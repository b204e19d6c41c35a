//! An account on a plan of a test's own, whose calls are metered by the real writer.

use std::sync::Arc;

use entity::ids::{EventId, RequestId};
use entity::money::Nanos;
use entity::{Time, account, invoice, invoice_line};
use lensmeter::auth::key::Caller;
use lensmeter::billing::allowance::{Allowances, Measured};
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::billing::{close, plan};
use lensmeter::metering::limits::Spender;
use lensmeter::metering::{Committed, Metering, Rejected, Usage};
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::seller;
use crate::support::db::{self, TestDb};
use crate::support::make;

/// Enough for any test.
pub const PLENTY: Nanos = Nanos(1_000_000_000_000_000);

pub struct Shop {
    pub db: TestDb,
    pub account: account::Model,
    pub caller: Arc<Caller>,
    pub metering: Metering,
}

/// A call to meter.
#[derive(Clone, Copy)]
pub struct Call {
    pub task: &'static str,
    pub model: &'static str,
    pub pixels: i64,
    pub compute_us: i64,
}

pub const DETECT: Call = Call { task: "detect", model: "elements", pixels: 1_000_000, compute_us: 30_000 };

/// The text of a plan with these prices.
pub fn plan_of(code: &str, currency: &str, head: &str, prices: &str) -> String {
    format!(
        "code = \"{code}\"\nname = \"Test\"\ndescription = \"For tests.\"\ncurrency = \"{currency}\"\nsignup_credit = \"0\"\n\
         requests_per_minute = 600\n{head}\n{prices}"
    )
}

impl Shop {
    /// An account that is on this plan from the start on, with plenty of credit. The shipped plans are in dollars: in another
    /// currency this one is the only one.
    pub async fn on(text: &str) -> Self {
        let db = db::fresh().await;
        let file = plan::parse("test.toml", text).expect("a plan");
        let currency = file.currency.clone();
        plan::apply(&db, vec![file], make::start()).await.expect("applied");
        let account = make::account_in(&db, &currency).await;
        make::credit(&db, &account, PLENTY).await;
        let (caller, _) = make::key(&db, &account).await;
        let metering = Metering::start(&db);
        Self { db, account, caller, metering }
    }

    /// Admits and commits a call as inference does.
    pub async fn call(&self, call: Call, at: Time) -> Result<Committed, Rejected> {
        let admission = Allowances::default().price_of(&self.db, &self.account, call.task, call.model, at).await.expect("a price");
        let worst = admission.worst(1).expect("fits");
        let spender = Spender { account: self.account.id, key: self.caller.key.id, period: admission.period_id, at };
        let hold = self.metering.limits.reserve(&spender, worst).await.map_err(drop).expect("credit");
        let price = admission.price(call.pixels);
        let measured = Measured { images: 1, compute_us: call.compute_us, tokens_in: 0, tokens_out: 0 };
        let usage = Usage {
            event: EventId::new(),
            price: price.price_id,
            task: call.task,
            model: call.model.into(),
            model_version: "1".into(),
            request: RequestId::new(),
            quantity: price.quantity(&measured),
            pixels: call.pixels,
            compute_us: call.compute_us,
            charge: price.charge(),
            hold,
            record: None,
        };
        self.metering.writer.commit(usage).await
    }

    /// So many calls, one after the other.
    pub async fn calls(&self, count: usize, call: Call) -> Vec<i64> {
        let mut amounts = Vec::new();
        for _ in 0..count {
            amounts.push(self.call(call, make::start()).await.expect("committed").amount.0);
        }
        amounts
    }

    /// Lets the open period end, and issues every invoice that is not issued yet. The last one, as text.
    pub async fn end_period(&self) -> String {
        let open = super::open_period(&self.db, &self.account).await;
        let now = open.ends_at + chrono::TimeDelta::hours(1);
        close::close_due(&self.db, self.account.id, now).await.expect("closed");
        self.issue(open.id, now).await
    }

    /// The invoice of a closed period, as text.
    pub async fn issue(&self, period: entity::ids::PeriodId, now: Time) -> String {
        let job = FinalizeInvoice { account: self.account.id, period };
        let invoice = finalize::issue(&self.db, &seller(), &job, now).await.expect("issued");
        text_of(&self.db, &invoice).await
    }
}

/// `usage: 3 × Image detection = 0.0045 → 0.00`, a line each, and the sums.
pub async fn text_of(db: &DatabaseConnection, invoice: &invoice::Model) -> String {
    let exponent = entity::money::exponent(&invoice.currency);
    let mut text = String::new();
    for line in invoice_line::Entity::of(invoice).all(db).await.expect("lines") {
        let (exact, amount) = (line.exact_nanos.decimal(exponent), line.amount_minor.decimal(exponent));
        text.push_str(&format!("{}: {} x {} = {exact} -> {amount}\n", line.kind.as_str(), line.quantity, line.description));
    }
    let [subtotal, credits, total] =
        [invoice.subtotal_minor, invoice.credits_applied_minor, invoice.total_minor].map(|amount| amount.decimal(exponent));
    text.push_str(&format!("{subtotal} - {credits} = {total} {}", invoice.currency));
    let stored = invoice::Entity::find_by_id(invoice.id).one(db).await.expect("the database").expect("the invoice");
    assert!(stored.number.is_some());
    text
}
