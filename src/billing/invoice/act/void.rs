//! Withdrawing an unpaid document and issuing its period's anew, with what is known of the buyer today. In one transaction:
//! the usage of a period is never without a document, nor on two.

use entity::ids::InvoiceId;
use entity::invoice::DocumentState;
use entity::invoice_line::Kind;
use entity::money::{Nanos, Overflow};
use entity::{Time, invoice, invoice_item, invoice_line, period};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, Statement, TransactionTrait as _,
};
use serde_json::json;

use super::{ActError, Why, find, lock_in, standing, withdraw};
use crate::billing::credit::{self, burn};
use crate::billing::invoice::draft::{self, DraftError};
use crate::billing::invoice::finalize::{self, FinalizeInvoice};
use crate::billing::provider::Provider;
use crate::platform::config::Seller;
use crate::platform::queue;

/// Withdraws an invoice of which nothing was paid, and returns the one that replaces it.
///
/// # Errors
/// When something was paid or credited, when what it carried on stands on a later invoice, and when the new document cannot
/// be made.
pub async fn void(
    db: &DatabaseConnection,
    stripe: &Provider,
    seller: &Seller,
    id: InvoiceId,
    why: Why<'_>,
    wall_now: Time,
) -> Result<invoice::Model, ActError> {
    why.check()?;
    let known = find(db, id).await?;
    check(db, &known).await?;
    withdraw(stripe, &known).await?;
    let txn = db.begin().await?;
    let (account, old) = lock_in(&txn, &known).await?;
    check(&txn, &old).await?;
    let now = account.now(wall_now);
    undo_in(&txn, &old, now).await?;
    let period = period::Entity::of(account.id).filter(period::Column::Id.eq(old.period_id)).one(&txn).await?;
    let draft = draft::build_in(&txn, &account, &period.ok_or(DraftError::NotClosed)?, seller, now).await?;
    let change = draft.rebate.checked_sub(rebate_of(&txn, &old).await?).map_err(DraftError::from)?;
    if change.0 != 0 {
        credit::raise_in(&txn, account.id, change).await?;
    }
    let new = finalize::issue_in(&txn, &account, &draft, now).await?;
    let detail = json!({ "number": old.number, "replaced_by": new.id.to_string(), "new_number": new.number });
    why.note_in(&txn, account.id, ("invoice.void", &old.id.to_string()), detail, wall_now).await?;
    // Its document, and what follows: payment, mail.
    let job = FinalizeInvoice { account: account.id, period: old.period_id };
    queue::enqueue_in(&txn, &job, Some(new.id.to_string()), wall_now).await?;
    txn.commit().await?;
    Ok(new)
}

async fn check(db: &impl ConnectionTrait, invoice: &invoice::Model) -> Result<(), ActError> {
    standing(invoice)?;
    if invoice.paid_minor.0 != 0 || invoice.credited_minor.0 != 0 {
        return Err(ActError::State { found: invoice.payment_state.as_str(), advice: "issue a credit note instead" });
    }
    // Later documents took up what this one carried on.
    let later = invoice::Entity::of(invoice.account_id).filter(invoice::Column::Id.gt(invoice.id));
    let later = later.filter(invoice::Column::DocumentState.ne(DocumentState::Void));
    if invoice.carried_out_minor != invoice.carried_in_minor && later.count(db).await? > 0 {
        return Err(ActError::State { found: "carried over to a later invoice", advice: "add a one-off item to the next one instead" });
    }
    Ok(())
}

/// The opposite of everything that issuing did but for the number.
async fn undo_in(txn: &impl ConnectionTrait, old: &invoice::Model, now: Time) -> Result<(), DbErr> {
    burn::return_in(txn, old, now).await?;
    let reverse = "INSERT INTO transfer (id, kind, reference, debit_account_id, credit_account_id, amount_nanos, at)
                   SELECT gen_random_uuid(), 'void.' || kind, reference, credit_account_id, debit_account_id, amount_nanos, $2
                   FROM transfer WHERE reference = $1 AND kind LIKE 'invoice.%'";
    let values = [old.id.to_string().into(), now.into()];
    txn.execute_raw(Statement::from_sql_and_values(txn.get_database_backend(), reverse, values)).await?;
    invoice_item::Entity::update_many()
        .col_expr(invoice_item::Column::InvoiceId, Expr::value(Option::<uuid::Uuid>::None))
        .filter(invoice_item::Column::InvoiceId.eq(old.id))
        .exec(txn)
        .await?;
    let change = invoice::ActiveModel { id: Set(old.id), document_state: Set(DocumentState::Void), ..Default::default() };
    invoice::Entity::update(change).exec(txn).await?;
    Ok(())
}

/// What the document gave back of what was debited for usage.
async fn rebate_of(txn: &impl ConnectionTrait, old: &invoice::Model) -> Result<Nanos, DraftError> {
    let lines = invoice_line::Entity::of(old).filter(invoice_line::Column::Kind.eq(Kind::Volume)).all(txn).await?;
    let sum: Result<_, Overflow> = lines.iter().try_fold(Nanos(0), |sum, line| sum.checked_sub(line.exact_nanos));
    Ok(sum?)
}
