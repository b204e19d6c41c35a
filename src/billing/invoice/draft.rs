//! Stores the draft of a closed period: the document with its lines, and what it takes of credit, coupons and items.

use entity::account::Collection;
use entity::ids::{InvoiceId, InvoiceLineId, PriceId};
use entity::member::Role;
use entity::money::{Minor, Nanos, Overflow};
use entity::{Time, account, coupon_use, invoice, invoice_item, invoice_line, member, period};
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use super::collect;
use super::compose::{self, Composed};
use super::line::Line;
use super::snapshot::{self, Party, Snapshot};
use crate::billing::credit::burn;
use crate::platform::config::Seller;

/// Why no invoice can be made of a period.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("the period is gone or still open")]
    NotClosed,
    /// Invariant 5 is broken: an operator must look before anything is sent.
    #[error("the books of price {price} disagree: rollups {rollups}, rated again {rated} (nanos)")]
    Books { price: PriceId, rollups: i64, rated: i64 },
    #[error("the account has no member to send the invoice to")]
    NoBuyer,
    #[error("{0}")]
    Overflow(Overflow),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl From<Overflow> for DraftError {
    fn from(overflow: Overflow) -> Self {
        Self::Overflow(overflow)
    }
}

/// A stored draft.
pub(super) struct Draft {
    pub invoice: invoice::Model,
    pub lines: Vec<Line>,
    /// Credit that it took.
    pub burnt: Nanos,
    /// What was debited for usage and is not charged after all.
    pub rebate: Nanos,
}

/// Builds and stores the draft and its lines, and takes the credit, the coupons and the items that it uses. The caller holds
/// the account's lock and issues the draft in the same transaction.
pub(super) async fn build_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    period: &period::Model,
    seller: &Seller,
    now: Time,
) -> Result<Draft, DraftError> {
    let composed = compose::compose(txn, account, period, seller).await?;
    let (burnt, rebate) = (composed.terms.burnt, composed.rebate()?);
    let buyer = buyer_of(txn, account).await?;
    let invoice = row(account, period, &composed, &buyer.email, seller, now)?;
    invoice::Entity::insert(invoice::ActiveModel::from(invoice.clone())).exec_without_returning(txn).await?;
    store_lines(txn, invoice.id, &composed.charges.lines).await?;
    burn::burn_in(txn, &invoice, &composed.taken, now).await?;
    take_in(txn, invoice.id, &composed).await?;
    Ok(Draft { invoice, lines: composed.charges.lines, burnt, rebate })
}

fn row(
    account: &account::Model,
    period: &period::Model,
    composed: &Composed,
    email: &str,
    seller: &Seller,
    now: Time,
) -> Result<invoice::Model, DraftError> {
    let Composed { charges, terms, totals, .. } = composed;
    let snapshot = Snapshot {
        seller: Party::from(seller),
        buyer: Party::buyer(account, email),
        plan: snapshot::Plan { name: charges.version.name.clone(), version: charges.version.version },
        locale: account.locale,
        e_invoice: account.e_invoice,
        time_zone: charges.time_zone.clone(),
        period_starts_at: period.starts_at,
        period_ends_at: period.ends_at,
        prices: charges.prices.iter().cloned().map(snapshot::Price::from).collect(),
        share: charges.share,
        terms: terms.clone(),
        discounts: snapshot::discounts(terms, totals),
        tax: totals.tax.clone(),
        promotional: totals.promotional,
    };
    Ok(invoice::Model {
        id: InvoiceId::new(),
        account_id: account.id,
        period_id: period.id,
        number: None,
        document_state: invoice::DocumentState::Draft,
        payment_state: invoice::PaymentState::Unpaid,
        currency: account.currency.clone(),
        buyer_name: account.name.clone(),
        buyer_email: email.into(),
        subtotal_minor: totals.subtotal,
        credits_applied_minor: totals.credits_applied,
        total_minor: totals.total,
        discount_minor: totals.discount,
        tax_minor: totals.tax.as_ref().map_or(Minor(0), |tax| tax.amount),
        tax_included: totals.tax.as_ref().is_some_and(|tax| tax.rule.included),
        carried_in_minor: totals.carried_in,
        carried_out_minor: totals.carried_out,
        paid_minor: Minor(0),
        credited_minor: Minor(0),
        refunded_minor: Minor(0),
        snapshot: serde_json::to_value(&snapshot).map_err(|error| DbErr::Custom(error.to_string()))?,
        stripe_invoice_id: None,
        stripe_hosted_url: None,
        period_starts_at: period.starts_at,
        period_ends_at: period.ends_at,
        created_at: now,
        issued_at: None,
        paid_at: None,
        collection: account.collection,
        due_at: (account.collection == Collection::Send).then(|| now + collect::TERM),
        action_needed_at: None,
    })
}

/// Who gets the invoice: the longest-standing owner.
async fn buyer_of(txn: &impl ConnectionTrait, account: &account::Model) -> Result<member::Model, DraftError> {
    member::Entity::of(account.id)
        .filter(member::Column::Role.eq(Role::Owner))
        .order_by_asc(member::Column::Id)
        .one(txn)
        .await?
        .ok_or(DraftError::NoBuyer)
}

async fn store_lines(txn: &impl ConnectionTrait, invoice: InvoiceId, lines: &[Line]) -> Result<(), DbErr> {
    let rows = (1..).zip(lines).map(|(seq, line)| invoice_line::ActiveModel {
        id: Set(InvoiceLineId::new()),
        invoice_id: Set(invoice),
        seq: Set(seq),
        kind: Set(line.kind),
        description: Set(line.description.clone()),
        price_id: Set(line.price_id),
        quantity: Set(line.quantity),
        exact_nanos: Set(line.exact),
        amount_minor: Set(line.amount),
        rounding_nanos: Set(line.rounding),
        events: Set(line.events),
        events_digest: Set(line.events_digest.clone()),
    });
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        invoice_line::Entity::insert_many(rows).exec_without_returning(txn).await?;
    }
    Ok(())
}

/// Items and coupons go to the document that has them.
async fn take_in(txn: &impl ConnectionTrait, invoice: InvoiceId, composed: &Composed) -> Result<(), DbErr> {
    let items: Vec<_> = composed.charges.items.iter().map(|item| item.id).collect();
    if !items.is_empty() {
        invoice_item::Entity::update_many()
            .col_expr(invoice_item::Column::InvoiceId, Expr::value(invoice))
            .filter(invoice_item::Column::Id.is_in(items))
            .exec(txn)
            .await?;
    }
    for (redemption, amount) in composed.redemptions.iter().zip(&composed.totals.discounts) {
        if amount.0 > 0 {
            let used = coupon_use::ActiveModel { invoice_id: Set(invoice), redemption_id: Set(*redemption), amount_minor: Set(*amount) };
            coupon_use::Entity::insert(used).exec_without_returning(txn).await?;
        }
    }
    Ok(())
}
