//! Credit notes: what takes an amount off an issued invoice, with a number of its own. What was not paid yet is owed no more;
//! what was paid goes back to where it came from, or becomes credit.

use entity::credit_grant::Kind;
use entity::credit_note::{self, RefundState, Settlement};
use entity::ids::{CreditNoteId, InvoiceId};
use entity::invoice::PaymentState;
use entity::ledger_account::Code;
use entity::money::{Minor, Overflow};
use entity::{Time, account, invoice};
use sea_orm::{ActiveValue::Set, ConnectionTrait, DatabaseConnection, EntityTrait as _, TransactionTrait as _};
use serde_json::json;

use super::refund::{self, RefundCreditNote};
use super::{ActError, Why, find, lock_in, remote_note, standing, withdraw};
use crate::billing::credit::{self, NewGrant};
use crate::billing::invoice::draft::DraftError;
use crate::billing::invoice::note::SendCreditNote;
use crate::billing::ledger::{self, Booking};
use crate::billing::provider::Provider;
use crate::billing::{dunning, tax};
use crate::platform::queue;

/// Issues a credit note. `None` as the settlement takes `amount` off what is unpaid, the others give back what was paid.
///
/// # Errors
/// When the amount is above what is unpaid, or above what was paid and not yet given back.
pub async fn issue(
    db: &DatabaseConnection,
    stripe: &Provider,
    id: InvoiceId,
    (amount, settlement): (Minor, Settlement),
    why: Why<'_>,
    wall_now: Time,
) -> Result<credit_note::Model, ActError> {
    why.check()?;
    let known = find(db, id).await?;
    check(&known, amount, settlement)?;
    // Of all that is unpaid nothing is left to pay; of a part, the provider's copy gets a credit note as well.
    let whole = settlement == Settlement::None && amount == known.due() && known.credited_minor.0 == 0;
    if whole {
        withdraw(stripe, &known).await?;
    }
    let txn = db.begin().await?;
    let (account, invoice) = lock_in(&txn, &known).await?;
    check(&invoice, amount, settlement)?;
    let now = account.now(wall_now);
    let note = store_in(&txn, &account, &invoice, (amount, settlement), why, now).await?;
    book_in(&txn, &account, &note, now).await?;
    change_in(&txn, &invoice, &note, now).await?;
    settle_in(&txn, &account, &note, now, wall_now).await?;
    if !whole && settlement != Settlement::Refund {
        remote_note::enqueue_in(&txn, &note, wall_now).await?;
    }
    dunning::restore_in(&txn, &account, wall_now).await?;
    queue::enqueue_in(&txn, &SendCreditNote { credit_note: note.id }, Some(note.id.to_string()), wall_now).await?;
    let subject = note.id.to_string();
    let detail = json!({ "number": note.number, "invoice": invoice.id.to_string(), "amount": amount.decimal(account.exponent()),
                         "currency": note.currency, "settlement": settlement.as_str() });
    why.note_in(&txn, account.id, ("credit_note.issue", &subject), detail, wall_now).await?;
    txn.commit().await?;
    Ok(note)
}

fn check(invoice: &invoice::Model, amount: Minor, settlement: Settlement) -> Result<(), ActError> {
    standing(invoice)?;
    let above = |what, most| Err(ActError::Amount { what, most, currency: invoice.currency.clone() });
    if amount.0 <= 0 {
        return Err(ActError::Conflict("expected more than nothing"));
    }
    match settlement {
        Settlement::None if amount > invoice.due() => above("what is still to pay", invoice.due()),
        Settlement::Refund | Settlement::Credit if amount > given(invoice) => above("what was paid and not given back", given(invoice)),
        _ => Ok(()),
    }
}

/// What was paid and not given back yet, as money or as credit.
fn given(invoice: &invoice::Model) -> Minor {
    let uncredited = invoice.total_minor.0 - invoice.credited_minor.0 - invoice.due().0;
    Minor(uncredited.min(invoice.paid_minor.0 - invoice.refunded_minor.0).max(0))
}

async fn store_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    invoice: &invoice::Model,
    (amount, settlement): (Minor, Settlement),
    why: Why<'_>,
    now: Time,
) -> Result<credit_note::Model, ActError> {
    let suffix = account.id.to_string().to_uppercase();
    let note = credit_note::Model {
        id: CreditNoteId::new(),
        account_id: account.id,
        invoice_id: invoice.id,
        number: format!("LM-{}-CN-{:06}", &suffix[suffix.len() - 6..], account.next_credit_note_number),
        reason: why.reason.trim().into(),
        currency: invoice.currency.clone(),
        amount_minor: amount,
        tax_minor: tax_in(invoice, amount).map_err(DraftError::from)?,
        unpaid_minor: if settlement == Settlement::None { amount } else { Minor(0) },
        settlement,
        refund_state: if settlement == Settlement::Refund { RefundState::Pending } else { RefundState::None },
        stripe_refund_id: None,
        stripe_credit_note_id: None,
        refund_attempt: 1,
        created_by: why.actor.into(),
        created_at: now,
    };
    let next = account.next_credit_note_number + 1;
    account::Entity::update(account::ActiveModel { id: Set(account.id), next_credit_note_number: Set(next), ..Default::default() })
        .exec(txn)
        .await?;
    credit_note::Entity::insert(credit_note::ActiveModel::from(note.clone())).exec_without_returning(txn).await?;
    Ok(note)
}

/// The tax in an amount that is credited after others: their sum's share of the document's tax less what those had, so that a
/// document credited in parts gives back its tax to the cent.
fn tax_in(invoice: &invoice::Model, amount: Minor) -> Result<Minor, Overflow> {
    let taxed = invoice.subtotal_minor.0 - invoice.discount_minor.0 + if invoice.tax_included { 0 } else { invoice.tax_minor.0 };
    if taxed <= 0 {
        return Ok(Minor(0));
    }
    let up_to = |credited: i64| tax::divided(i128::from(credited.min(taxed)) * i128::from(invoice.tax_minor.0), taxed.into());
    Ok(Minor(up_to(invoice.credited_minor.0 + amount.0)? - up_to(invoice.credited_minor.0)?))
}

async fn book_in(txn: &impl ConnectionTrait, account: &account::Model, note: &credit_note::Model, now: Time) -> Result<(), ActError> {
    let nanos = |minor: Minor| minor.nanos(account.exponent()).map_err(DraftError::from);
    let reference = note.id.to_string();
    let receivable = (Some(account.id), Code::Receivable);
    let net = Minor(note.amount_minor.0 - note.tax_minor.0);
    for (kind, code, amount) in
        [("credit_note.revenue", Code::Revenue, nanos(net)?), ("credit_note.tax", Code::Tax, nanos(note.tax_minor)?)]
    {
        let (debit, currency) = ((None, code), note.currency.as_str());
        ledger::post_in(txn, Booking { kind, reference: &reference, debit, credit: receivable, currency, amount, at: now }).await?;
    }
    Ok(())
}

async fn change_in(txn: &impl ConnectionTrait, invoice: &invoice::Model, note: &credit_note::Model, now: Time) -> Result<(), ActError> {
    let credited = Minor(invoice.credited_minor.0 + note.amount_minor.0);
    let settled = note.settlement == Settlement::None && note.amount_minor == invoice.due();
    let mut change = invoice::ActiveModel { id: Set(invoice.id), credited_minor: Set(credited), ..Default::default() };
    if settled {
        change.payment_state = Set(PaymentState::Paid);
        change.paid_at = Set(Some(now));
    }
    invoice::Entity::update(change).exec(txn).await?;
    Ok(())
}

/// Lets what was paid go back.
async fn settle_in(
    txn: &impl ConnectionTrait,
    account: &account::Model,
    note: &credit_note::Model,
    now: Time,
    wall_now: Time,
) -> Result<(), ActError> {
    match note.settlement {
        Settlement::None => Ok(()),
        Settlement::Refund => {
            refund::reserve_in(txn, note).await?;
            Ok(queue::enqueue_in(txn, &RefundCreditNote { credit_note: note.id }, Some(note.id.to_string()), wall_now).await?)
        }
        Settlement::Credit => {
            let new = NewGrant {
                kind: Kind::Paid,
                reference: &note.id.to_string(),
                amount: note.amount_minor.nanos(account.exponent()).map_err(DraftError::from)?,
                priority: None,
                expires_at: None,
                reason: &note.reason,
                source: ((Some(account.id), Code::Receivable), "credit_note.credit"),
            };
            credit::grant_new_in(txn, account, new, now).await?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::account::Collection;
    use entity::ids::{AccountId, PeriodId};
    use proptest::prelude::*;

    use super::*;

    fn invoice(subtotal: i64, tax: i64, included: bool) -> invoice::Model {
        let now = Time::UNIX_EPOCH;
        invoice::Model {
            id: InvoiceId::new(),
            account_id: AccountId::new(),
            period_id: PeriodId::new(),
            number: None,
            document_state: invoice::DocumentState::Open,
            payment_state: PaymentState::Unpaid,
            currency: "eur".into(),
            buyer_name: String::new(),
            buyer_email: String::new(),
            subtotal_minor: Minor(subtotal),
            credits_applied_minor: Minor(0),
            total_minor: Minor(subtotal + if included { 0 } else { tax }),
            discount_minor: Minor(0),
            tax_minor: Minor(tax),
            tax_included: included,
            carried_in_minor: Minor(0),
            carried_out_minor: Minor(0),
            paid_minor: Minor(0),
            credited_minor: Minor(0),
            refunded_minor: Minor(0),
            snapshot: json!({}),
            stripe_invoice_id: None,
            stripe_hosted_url: None,
            period_starts_at: now,
            period_ends_at: now,
            created_at: now,
            issued_at: None,
            paid_at: None,
            collection: Collection::Charge,
            due_at: None,
            action_needed_at: None,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn a_document_credited_in_parts_gives_back_its_tax_to_the_cent(
            subtotal in 1i64..10_000_000, share in 0i64..=30, included in any::<bool>(), cuts in proptest::collection::vec(1i64..10_000_000, 0..6)
        ) {
            let mut row = invoice(subtotal, subtotal * share / 100, included);
            let (total, mut tax) = (row.total_minor.0, 0);
            for cut in cuts {
                let part = Minor(cut.min(total - row.credited_minor.0));
                let own = tax_in(&row, part).unwrap().0;
                prop_assert!(own >= 0 && own <= part.0);
                tax += own;
                row.credited_minor.0 += part.0;
            }
            let rest = Minor(total - row.credited_minor.0);
            prop_assert_eq!(tax + tax_in(&row, rest).unwrap().0, row.tax_minor.0);
        }
    }
}
