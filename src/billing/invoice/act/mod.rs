//! What an operator does to an issued invoice: withdraw, give up, correct, note a transfer. Each act is one transaction with
//! its entry in the audit log; Stripe's copy is withdrawn before, so that nobody pays what no longer stands.

pub mod credit_note;
pub mod refund;
pub mod remote_note;
pub mod transfer;
pub mod void;
pub mod write_off;

use entity::ids::{AccountId, InvoiceId};
use entity::invoice::DocumentState;
use entity::money::{Minor, exponent};
use entity::{Time, account, invoice};
use sea_orm::sea_query::LockType;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, QuerySelect as _};

use super::draft::DraftError;
use crate::billing::provider::{Provider, ProviderError, Status, invoice as remote};
use crate::platform::audit::{self, Act};

/// Who acts, and why: both stand in the audit log.
#[derive(Debug, Clone, Copy)]
pub struct Why<'a> {
    pub actor: &'a str,
    pub reason: &'a str,
}

/// Why an act was refused. Nothing is changed then.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    #[error("there is no such invoice")]
    Unknown,
    #[error("reason: expected 1 to 500 letters")]
    Reason,
    #[error("description: expected 1 to 500 letters: it stands on the invoice")]
    Description,
    #[error("the invoice is {found}: {advice}")]
    State { found: &'static str, advice: &'static str },
    #[error("amount: {what} is at most {}", .most.decimal(exponent(.currency)))]
    Amount { what: &'static str, most: Minor, currency: String },
    #[error("amount: {}", .0)]
    Conflict(&'static str),
    #[error("{0}")]
    Provider(#[from] ProviderError),
    #[error("{0}")]
    Draft(#[from] DraftError),
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Why<'_> {
    /// # Errors
    /// Without a reason.
    pub(in crate::billing) fn check(&self) -> Result<(), ActError> {
        let letters = self.reason.trim().chars().count();
        if (1..=500).contains(&letters) { Ok(()) } else { Err(ActError::Reason) }
    }

    /// Writes an act on an account's `subject` down in the audit log, in the transaction that does it.
    ///
    /// # Errors
    /// When the database refuses.
    pub(in crate::billing) async fn note_in(
        &self,
        txn: &impl ConnectionTrait,
        account: AccountId,
        (action, subject): (&str, &str),
        detail: serde_json::Value,
        wall_now: Time,
    ) -> Result<(), DbErr> {
        let act = Act { account: Some(account), actor: self.actor, action, subject, reason: self.reason, detail };
        audit::note_in(txn, act, wall_now).await
    }
}

async fn find(db: &DatabaseConnection, id: InvoiceId) -> Result<invoice::Model, ActError> {
    invoice::Entity::find_by_id(id).one(db).await?.filter(|invoice| invoice.document_state != DocumentState::Draft).ok_or(ActError::Unknown)
}

/// The account first, as issuing does: one order of locks, no deadlock.
async fn lock_in(txn: &impl ConnectionTrait, known: &invoice::Model) -> Result<(account::Model, invoice::Model), ActError> {
    let account = account::Entity::find_by_id(known.account_id).lock(LockType::NoKeyUpdate).one(txn).await?;
    let invoice = invoice::Entity::find_by_id(known.id).lock_exclusive().one(txn).await?;
    account.zip(invoice).ok_or(ActError::Unknown)
}

/// An issued document that stands, whatever was paid of it.
fn standing(invoice: &invoice::Model) -> Result<(), ActError> {
    match invoice.document_state {
        DocumentState::Open => Ok(()),
        other => Err(ActError::State { found: other.as_str(), advice: "that is an end" }),
    }
}

/// Ends Stripe's copy, so that it cannot be paid any more. Done again it finds that done.
async fn withdraw(stripe: &Provider, invoice: &invoice::Model) -> Result<(), ActError> {
    let Some(id) = &invoice.stripe_invoice_id else { return Ok(()) };
    match remote::find(stripe, id).await?.status {
        Status::Draft => remote::delete(stripe, id).await?,
        Status::Open => remote::void(stripe, id).await?,
        Status::Paid => return Err(ActError::State { found: "paid already", advice: "issue a credit note instead" }),
        Status::Other => {}
    }
    Ok(())
}
