//! What an operator does to invoices: withdraw, give up, correct, note a transfer, add an item. Each with a reason, which
//! stands in the audit log.

use entity::credit_note::Settlement;
use entity::ids::InvoiceId;
use entity::money::{Minor, exponent};
use entity::{credit_note, invoice, invoice_item};
use poem::web::Data;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};
use sea_orm::{EntityTrait as _, Iterable as _};

use super::gate::Operator;
use super::{Tag, amount, credit};
use crate::app::App;
use crate::billing::invoice::act::{Why, credit_note as notes, transfer, void, write_off};
use crate::billing::invoice::item::{self, NewItem};
use crate::platform::audit;
use crate::web::json::fields::{Fields, FromFields, JsonBody};
use crate::web::json::problem::{Code, Problem};

pub struct InvoicesApi;

/// Why something is done.
#[derive(Debug, Object)]
pub struct Reason {
    /// For the audit log.
    pub reason: String,
}

impl FromFields for Reason {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self { reason: fields.needed_text("reason")? })
    }
}

/// What is taken off an invoice.
#[derive(Debug, Object)]
pub struct NewCreditNote {
    /// A decimal text in the invoice's currency, with the tax in it.
    pub amount: String,
    /// `none` takes it off what is unpaid; `refund` sends what was paid back; `credit` turns it into credit.
    pub settlement: String,
    /// Stands on the document.
    pub reason: String,
}

impl FromFields for NewCreditNote {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            amount: fields.needed_text("amount")?,
            settlement: fields.needed_text("settlement")?,
            reason: fields.needed_text("reason")?,
        })
    }
}

/// Money that came by another way than through Stripe.
#[derive(Debug, Object)]
pub struct Transfer {
    /// A decimal text in the invoice's currency.
    pub amount: String,
    /// The bank's reference: noted once.
    pub reference: String,
    /// For the audit log.
    pub reason: String,
}

impl FromFields for Transfer {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            amount: fields.needed_text("amount")?,
            reference: fields.needed_text("reference")?,
            reason: fields.needed_text("reason")?,
        })
    }
}

/// What is added to the next invoice.
#[derive(Debug, Object)]
pub struct NewInvoiceItem {
    /// Stands on the invoice.
    pub description: String,
    /// How many, 1 when it is left out.
    pub quantity: i64,
    /// Of one, as a decimal text in the account's currency; below zero it is given back.
    pub unit_amount: String,
    /// For the audit log.
    pub reason: String,
}

impl FromFields for NewInvoiceItem {
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem> {
        Ok(Self {
            description: fields.needed_text("description")?,
            quantity: fields.whole("quantity", 1, 1_000_000)?.unwrap_or(1),
            unit_amount: fields.needed_text("unit_amount")?,
            reason: fields.needed_text("reason")?,
        })
    }
}

/// What `object` says of an answer here.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum ActObject {
    /// An invoice.
    Invoice,
    /// A credit note.
    CreditNote,
    /// An item that waits for its invoice.
    InvoiceItem,
}

/// What the act left.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Acted {
    /// What it is.
    pub object: ActObject,
    /// `inv_…`, `cn_…` or `ii_…`
    pub id: String,
    /// The number on the document.
    pub number: Option<String>,
    /// Of an invoice: `open`, `void` or `uncollectible`.
    pub status: Option<String>,
    /// Of an invoice: `unpaid`, `processing`, `partial`, `paid` or `refunded`.
    pub payment_status: Option<String>,
    /// The total, or the amount.
    pub amount: String,
    /// Of an invoice: what is still to pay.
    pub due: Option<String>,
    /// Its currency.
    pub currency: String,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Billing")]
impl InvoicesApi {
    /// Withdraw an invoice
    ///
    /// Of which nothing was paid. Its period's document is issued anew with what is known of the buyer today: the answer.
    #[oai(path = "/invoices/:id/void", method = "post", operation_id = "voidInvoice")]
    async fn void(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `inv_…`
        id: Path<String>,
        body: JsonBody<Reason>,
    ) -> Result<Json<Acted>, Problem> {
        let seller = &app.config.seller;
        let new = void::void(&app.db, &app.stripe, seller, known(&id)?, why(&body.0.reason), app.clock.now()).await?;
        Ok(Json(Acted::invoice(new)))
    }

    /// Write an invoice off
    ///
    /// What is still to pay of it is given up, and the account owes it no more.
    #[oai(path = "/invoices/:id/write-off", method = "post", operation_id = "writeOffInvoice")]
    async fn write_off(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `inv_…`
        id: Path<String>,
        body: JsonBody<Reason>,
    ) -> Result<Json<Acted>, Problem> {
        let row = write_off::write_off(&app.db, &app.stripe, known(&id)?, why(&body.0.reason), app.clock.now()).await?;
        Ok(Json(Acted::invoice(row)))
    }

    /// Issue a credit note
    ///
    /// Takes an amount off an invoice; a refund never goes above what was paid.
    #[oai(path = "/invoices/:id/credit-notes", method = "post", operation_id = "createCreditNote")]
    async fn credit_note(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `inv_…`
        id: Path<String>,
        body: JsonBody<NewCreditNote>,
    ) -> Result<Json<Acted>, Problem> {
        let (id, new) = (known(&id)?, body.0);
        let settlement = Settlement::iter().find(|settlement| settlement.as_str() == new.settlement);
        let settlement = settlement.ok_or_else(|| Problem::field(Code::InvalidField, "settlement", "expected none, refund or credit"))?;
        let what = (in_currency(&app, id, &new.amount).await?, settlement);
        let note = notes::issue(&app.db, &app.stripe, id, what, why(&new.reason), app.clock.now()).await?;
        Ok(Json(Acted::credit_note(note)))
    }

    /// Note a transfer
    ///
    /// Money for an invoice that did not come through Stripe.
    #[oai(path = "/invoices/:id/transfers", method = "post", operation_id = "noteTransfer")]
    async fn transfer(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `inv_…`
        id: Path<String>,
        body: JsonBody<Transfer>,
    ) -> Result<Json<Acted>, Problem> {
        let (id, new) = (known(&id)?, body.0);
        let what = (in_currency(&app, id, &new.amount).await?, new.reference.as_str());
        let row = transfer::note(&app.db, &app.stripe, id, what, why(&new.reason), app.clock.now()).await?;
        Ok(Json(Acted::invoice(row)))
    }

    /// Add a one-off item
    ///
    /// To the invoice of the account's open period.
    #[oai(path = "/accounts/:id/invoice-items", method = "post", operation_id = "createInvoiceItem")]
    async fn item(
        &self,
        _operator: Operator,
        app: Data<&App>,
        /// `acct_…`
        id: Path<String>,
        body: JsonBody<NewInvoiceItem>,
    ) -> Result<Json<Acted>, Problem> {
        let account = credit::find(&app, &id).await?;
        let NewInvoiceItem { description, quantity, unit_amount, reason } = body.0;
        let unit = amount::minor("unit_amount", &unit_amount, account.exponent())?;
        let new = NewItem { description: &description, quantity, unit };
        let row = item::add(&app.db, account.id, new, why(&reason), app.clock.now()).await?;
        Ok(Json(Acted::item(row)))
    }
}

pub(super) fn why(reason: &str) -> Why<'_> {
    Why { actor: audit::OPERATOR, reason }
}

fn known(id: &str) -> Result<InvoiceId, Problem> {
    id.parse().map_err(|_| Problem::new(Code::NotFound, "There is no such invoice."))
}

async fn in_currency(app: &App, id: InvoiceId, text: &str) -> Result<Minor, Problem> {
    let row = invoice::Entity::find_by_id(id).one(&app.db).await?;
    let row = row.ok_or_else(|| Problem::new(Code::NotFound, "There is no such invoice."))?;
    amount::minor("amount", text, exponent(&row.currency))
}

impl Acted {
    fn invoice(row: invoice::Model) -> Self {
        let digits = exponent(&row.currency);
        Self {
            object: ActObject::Invoice,
            id: row.id.to_string(),
            status: Some(row.document_state.as_str().to_owned()),
            payment_status: Some(row.payment_state.as_str().to_owned()),
            amount: row.total_minor.decimal(digits),
            due: Some(row.due().decimal(digits)),
            number: row.number,
            currency: row.currency,
        }
    }

    fn credit_note(row: credit_note::Model) -> Self {
        let amount = row.amount_minor.decimal(exponent(&row.currency));
        let (id, number) = (row.id.to_string(), Some(row.number));
        Self { object: ActObject::CreditNote, id, number, status: None, payment_status: None, amount, due: None, currency: row.currency }
    }

    fn item(row: invoice_item::Model) -> Self {
        let amount = row.amount_nanos.decimal(exponent(&row.currency));
        let id = row.id.to_string();
        Self {
            object: ActObject::InvoiceItem,
            id,
            number: None,
            status: None,
            payment_status: None,
            amount,
            due: None,
            currency: row.currency,
        }
    }
}
