//! Customers who ask their bank for the money back. The credit of a disputed top-up cannot be spent until it is decided; what is
//! lost is reversed in the books. The provider's invoice stays paid whatever happens: ours does not.

use chrono::TimeDelta;
use entity::account::Collection;
use entity::dispute::{self, State};
use entity::ids::{AccountId, BalanceId, InvoiceId, TopUpId};
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{Time, account, balance, invoice, payment, top_up};
use sea_orm::sea_query::{Expr, LockType};
use sea_orm::{
    ActiveModelTrait as _, ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _, TransactionTrait as _,
};
use serde_json::json;

use super::credit::revoke;
use super::ledger::{self, Booking, Side};
use super::provider::{Dispute, Provider, charge, dispute as remote};
use crate::platform::audit::{self, Act};
use crate::platform::queue::{Failure, Outcome};
use crate::webhooks::{self, Event};

/// An invoice that a dispute took the payment of is due after so long.
const TERM: TimeDelta = TimeDelta::days(14);

/// Reads a dispute from the provider and applies what it says; forward only, so that order and repetition of the news do not
/// matter.
///
/// # Errors
/// Retried while the provider or the database does not answer.
pub async fn sync(db: &DatabaseConnection, stripe: &Provider, id: &str, wall_now: Time) -> Outcome {
    let copy = remote::find(stripe, id).await?;
    let Some(new) = of_ours(db, &copy, wall_now).await? else { return uncredited(db, stripe, &copy).await };
    let txn = db.begin().await?;
    // The account first, as everybody does; then look again, as the news may come twice.
    let account = account::Entity::find_by_id(new.account_id).lock(LockType::NoKeyUpdate).one(&txn).await?;
    let Some(account) = account else { return Ok(()) };
    let known = dispute::Entity::find_by_id(id).lock_exclusive().one(&txn).await?;
    let before = known.as_ref().map(|row| row.state);
    if before == Some(copy.state) || matches!(before, Some(State::Won | State::Lost)) {
        return Ok(());
    }
    let now = account.now(wall_now);
    let row = known.unwrap_or(new);
    let row = step_in(&txn, &account, row, copy.state, now).await?;
    store_in(&txn, row.clone(), before.is_none()).await?;
    tell_in(&txn, &account, &row, wall_now).await?;
    Ok(txn.commit().await?)
}

/// The disputes of an account, the newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<dispute::Model>, DbErr> {
    dispute::Entity::of(account).order_by_desc(dispute::Column::CreatedAt).all(db).await
}

/// The latest dispute about an invoice of an account.
///
/// # Errors
/// When the database refuses.
pub async fn newest(db: &impl ConnectionTrait, account: AccountId, invoice: InvoiceId) -> Result<Option<dispute::Model>, DbErr> {
    dispute::Entity::of(account).filter(dispute::Column::InvoiceId.eq(invoice)).order_by_desc(dispute::Column::CreatedAt).one(db).await
}

/// The dispute as a row that is not stored yet. `None`: its payment is none of ours.
async fn of_ours(db: &DatabaseConnection, copy: &Dispute, wall_now: Time) -> Result<Option<dispute::Model>, DbErr> {
    let Some(intent) = &copy.payment else { return Ok(None) };
    let top_up = top_up::Entity::find()
        .filter(top_up::Column::StripePaymentIntentId.eq(intent.as_str()))
        .filter(top_up::Column::State.eq(top_up::State::Paid))
        .one(db)
        .await?;
    let payment = payment::Entity::find().filter(payment::Column::StripePaymentReference.eq(intent.as_str())).one(db).await?;
    let (account_id, top_up_id, invoice_id) = match (top_up, payment) {
        (Some(top_up), _) => (top_up.account_id, Some(top_up.id), None),
        (None, Some(payment)) => (payment.account_id, None, Some(payment.invoice_id)),
        (None, None) => return Ok(None),
    };
    let account = account::Entity::find_by_id(account_id).one(db).await?;
    Ok(account.map(|account| dispute::Model {
        id: copy.id.clone(),
        account_id,
        top_up_id,
        invoice_id,
        payment_intent: intent.clone(),
        amount_minor: copy.amount,
        currency: copy.currency.clone(),
        reason: copy.reason.clone(),
        state: State::Inquiry,
        frozen_nanos: Nanos(0),
        created_at: account.now(wall_now),
        closed_at: None,
    }))
}

/// A dispute may be told of before the payment: then it is looked at again. Others' payments are none of ours.
async fn uncredited(db: &DatabaseConnection, stripe: &Provider, copy: &Dispute) -> Outcome {
    let Some(intent) = &copy.payment else { return Ok(()) };
    let named = charge::find(stripe, intent).await?.top_up.and_then(|id| id.parse::<TopUpId>().ok());
    let Some(id) = named else { return Ok(()) };
    match top_up::Entity::find_by_id(id).one(db).await? {
        Some(_) => Err(Failure::Retry(format!("dispute {}: top-up {id} is not credited yet", copy.id))),
        None => Ok(()),
    }
}

async fn step_in(
    txn: &DatabaseTransaction,
    account: &account::Model,
    mut row: dispute::Model,
    state: State,
    now: Time,
) -> Result<dispute::Model, Failure> {
    let amount = row.amount_minor.nanos(account.exponent()).map_err(|error| Failure::Park(error.to_string()))?;
    match state {
        State::Inquiry => {}
        State::Open if row.top_up_id.is_some() => row.frozen_nanos = freeze_in(txn, account, amount).await?,
        State::Open => {}
        State::Won | State::Lost => {
            floor_in(txn, account, Nanos(-row.frozen_nanos.0)).await?;
            row.frozen_nanos = Nanos(0);
            row.closed_at = Some(now);
        }
    }
    if state == State::Lost {
        match row.invoice_id {
            Some(_) => lose_invoice_in(txn, account, &row, amount, now).await?,
            None => lose_credit_in(txn, account, &row, amount, now).await?,
        }
    }
    row.state = state;
    Ok(row)
}

async fn store_in(txn: &impl ConnectionTrait, row: dispute::Model, new: bool) -> Result<(), DbErr> {
    let row = dispute::ActiveModel::from(row);
    if new {
        return dispute::Entity::insert(row).exec_without_returning(txn).await.map(|_| ());
    }
    dispute::Entity::update(row.reset_all()).exec(txn).await.map(|_| ())
}

/// What is left of the credit, up to the amount, cannot be spent any more. What was spent stays spent.
async fn freeze_in(txn: &DatabaseTransaction, account: &account::Model, amount: Nanos) -> Result<Nanos, DbErr> {
    let frozen = amount.min(revoke::spendable_in(txn, account.id).await?);
    floor_in(txn, account, frozen).await?;
    Ok(frozen)
}

async fn floor_in(txn: &impl ConnectionTrait, account: &account::Model, by: Nanos) -> Result<(), DbErr> {
    if by.0 == 0 {
        return Ok(());
    }
    balance::Entity::update_many()
        .col_expr(balance::Column::Floor, Expr::cust_with_values("floor + $1", [by]))
        .filter(balance::Column::Id.eq(BalanceId(account.id.0)))
        .exec(txn)
        .await
        .map(|_| ())
}

/// The credit goes, as far as it is there, the last to be burnt first. What was used of it the customer owes.
async fn lose_credit_in(
    txn: &DatabaseTransaction,
    account: &account::Model,
    row: &dispute::Model,
    amount: Nanos,
    now: Time,
) -> Result<(), Failure> {
    let gone = revoke::revoke_in(txn, account.id, amount, "Disputed top-up", now).await?;
    book_in(txn, account, row, ("dispute.credit", (Some(account.id), Code::Credit)), gone, now).await?;
    book_in(txn, account, row, ("dispute.owed", (Some(account.id), Code::Receivable)), Nanos(amount.0 - gone.0), now).await?;
    Ok(())
}

/// The invoice is not paid any more; it cannot be charged there again, so it is awaited by transfer.
async fn lose_invoice_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    row: &dispute::Model,
    amount: Nanos,
    now: Time,
) -> Result<(), Failure> {
    book_in(txn, account, row, ("dispute.invoice", (Some(account.id), Code::Receivable)), amount, now).await?;
    let found = match row.invoice_id {
        Some(id) => invoice::Entity::find_by_id(id).lock_exclusive().one(txn).await?,
        None => None,
    };
    let Some(invoice) = found else { return Ok(()) };
    // What was refunded before is not taken a second time off what is paid.
    let kept = (invoice.paid_minor.0 - row.amount_minor.0).max(invoice.refunded_minor.0);
    let change = invoice::ActiveModel {
        id: Set(invoice.id),
        paid_minor: Set(Minor(kept)),
        payment_state: Set(if kept == 0 { PaymentState::Unpaid } else { PaymentState::Partial }),
        paid_at: Set(None),
        collection: Set(Collection::Send),
        due_at: Set(Some(now + TERM)),
        // Its page over there says that it is paid.
        stripe_hosted_url: Set(None),
        ..Default::default()
    };
    invoice::Entity::update(change).exec(txn).await?;
    Ok(())
}

async fn book_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    row: &dispute::Model,
    (kind, debit): (&str, Side),
    amount: Nanos,
    now: Time,
) -> Result<(), DbErr> {
    let credit = (None, Code::Cash);
    let booking = Booking { kind, reference: &row.id, debit, credit, currency: &account.currency, amount, at: now };
    ledger::post_in(txn, booking).await.map(|_| ())
}

/// The customer's servers, and the audit log that operators read.
async fn tell_in(txn: &impl ConnectionTrait, account: &account::Model, row: &dispute::Model, wall_now: Time) -> Result<(), DbErr> {
    let amount = row.amount_minor.decimal(account.exponent());
    let subject = row.invoice_id.map(|id| id.to_string()).or(row.top_up_id.map(|id| id.to_string())).unwrap_or_default();
    let detail =
        json!({ "dispute": row.id, "state": row.state.as_str(), "amount": amount, "currency": row.currency, "reason": row.reason });
    let (actor, reason) = (audit::PROVIDER, "the customer's bank asks for the money back");
    let act = Act { account: Some(account.id), actor, action: "payment.dispute", subject: &subject, reason, detail };
    audit::note_in(txn, act, wall_now).await?;
    let event = match row.state {
        State::Inquiry => return Ok(()),
        State::Open => Event::DisputeOpened,
        State::Won | State::Lost => Event::DisputeClosed,
    };
    let news = json!({ "id": row.id, "of": subject, "state": row.state.as_str(), "amount": amount, "currency": row.currency });
    webhooks::emit_in(txn, account.id, event, news, wall_now).await
}
