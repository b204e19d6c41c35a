//! Invoices and their documents.

use chrono::{DateTime, Utc};
use entity::ids::InvoiceId;
use entity::money::Minor;
use entity::{invoice as rows, invoice_line};
use poem::web::Data;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::{Binary, Json};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi};
use sea_orm::{ColumnTrait as _, QueryFilter as _};

use super::auth::Key;
use super::paging::{Cursor, List};
use super::usage_csv::Csv;
use super::{Tag, money};
use crate::app::App;
use crate::auth::key::{Caller, Scope};
use crate::billing::invoice::finalize::snapshot_of;
use crate::billing::invoice::snapshot::Discount;
use crate::billing::invoice::{self, line, preview};
use crate::billing::tax::{Category, Tax};
use crate::metering::events::Which;
use crate::web::json::problem::Problem;

pub struct InvoicesApi;

/// What `object` says of an invoice.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum InvoiceObject {
    /// An invoice.
    Invoice,
    /// What the next invoice would be, were the period over now.
    UpcomingInvoice,
}

/// An invoice. Once issued it is frozen.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Invoice {
    /// `inv_…`; an upcoming invoice has none.
    pub id: Option<String>,
    /// `invoice`, or `upcoming_invoice`.
    pub object: InvoiceObject,
    /// The number on the document.
    pub number: Option<String>,
    /// The document: `open`, `void` or `uncollectible`.
    pub status: Option<String>,
    /// The payment: `unpaid`, `processing`, `partial`, `paid` or `refunded`.
    pub payment_status: Option<String>,
    /// Currency of every amount here.
    pub currency: String,
    /// The sum of the lines.
    pub subtotal: String,
    /// What coupons take off.
    pub discounts: Option<Vec<InvoiceDiscount>>,
    /// The tax; left out where none is charged.
    pub tax: Option<InvoiceTax>,
    /// What prepaid credit covers of it.
    pub credits_applied: String,
    /// What earlier invoices left for this one; below zero in your favour.
    pub carried_in: Option<String>,
    /// What this one leaves for the next, as it is too little to be collected.
    pub carried_out: Option<String>,
    /// The sum to pay.
    pub total: String,
    /// What of it is still to pay; an upcoming invoice has none.
    pub due: Option<String>,
    /// Start of the billing period, inclusive.
    pub period_start: DateTime<Utc>,
    /// End of the billing period, exclusive.
    pub period_end: DateTime<Utc>,
    /// When it was issued.
    pub issued_at: Option<DateTime<Utc>>,
    /// When it was paid in full.
    pub paid_at: Option<DateTime<Utc>>,
    /// A page where it can be paid.
    pub payment_url: Option<String>,
    /// What is charged; left out in lists.
    pub lines: Option<Vec<Line>>,
}

/// What a coupon takes off.
#[derive(Debug, Object)]
pub struct InvoiceDiscount {
    /// Its code.
    pub code: String,
    /// In words.
    pub description: String,
    /// A decimal text.
    pub amount: String,
}

/// The tax of an invoice.
#[derive(Debug, Object)]
pub struct InvoiceTax {
    /// Whose tax it is, ISO 3166-1 alpha-2.
    pub country: String,
    /// `VAT`, `GST`, …
    pub name: String,
    /// Per cent as a decimal text.
    pub percent: String,
    /// What it is on.
    pub base: String,
    /// A decimal text.
    pub amount: String,
    /// Whether prices hold it already.
    pub included: bool,
    /// Whether you owe it yourself.
    pub reverse_charge: bool,
}

/// What an invoice charges for.
#[derive(Debug, Object)]
#[oai(rename = "InvoiceLine")]
pub struct Line {
    /// `base_fee`, `usage`, `volume`, `minimum`, `proration` or `one_off`.
    pub kind: String,
    /// In words.
    pub description: String,
    /// Units charged.
    pub quantity: i64,
    /// The exact price, as a decimal text.
    pub exact: String,
    /// The price, rounded once.
    pub amount: String,
    /// How many usage events it sums up.
    pub events: i64,
}

/// A document.
#[derive(ApiResponse)]
pub enum Pdf {
    /// The document as it was issued.
    #[oai(status = 200, content_type = "application/pdf")]
    Document(Binary<Vec<u8>>, #[oai(header = "Content-Disposition")] String),
}

#[OpenApi(prefix_path = "/v1", tag = "Tag::Invoices")]
impl InvoicesApi {
    /// List invoices
    ///
    /// Issued invoices, newest first, without their lines. Needs the scope `billing`.
    #[oai(path = "/invoices", method = "get", operation_id = "listInvoices")]
    async fn list(
        &self,
        key: Key,
        app: Data<&App>,
        /// How many at most.
        #[oai(validator(minimum(value = "1"), maximum(value = "100")), default = "super::paging::default_limit")]
        limit: Query<u64>,
        /// Continue behind this id.
        after: Query<Option<String>>,
        /// The page in front of this id.
        before: Query<Option<String>>,
    ) -> Result<Json<List<Invoice>>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let cursor: Cursor<InvoiceId> = Cursor::read(limit.0, after.0, before.0)?;
        let issued = rows::Entity::of(account.id).filter(rows::Column::DocumentState.ne(rows::DocumentState::Draft));
        let found = cursor.rows(&app.db, issued, rows::Column::Id).await?;
        Ok(Json(List::page(found, &cursor, |row| Invoice::of(row, None))))
    }

    /// Show the upcoming invoice
    ///
    /// What the invoice would be, were the period over now. Needs the scope `billing`.
    #[oai(path = "/invoices/upcoming", method = "get", operation_id = "getUpcomingInvoice")]
    async fn upcoming(&self, key: Key, app: Data<&App>) -> Result<Json<Invoice>, Problem> {
        let account = &key.with(Scope::Billing)?.account;
        let preview =
            preview::preview(&app.db, account, &app.config.seller).await?.ok_or_else(|| Problem::not_found("upcoming invoice"))?;
        Ok(Json(Invoice::upcoming(preview, &account.currency)))
    }

    /// Show an invoice
    ///
    /// With its lines. Needs the scope `billing`.
    #[oai(path = "/invoices/:id", method = "get", operation_id = "getInvoice")]
    async fn get(
        &self,
        key: Key,
        app: Data<&App>,
        /** `inv_…` */
        id: Path<String>,
    ) -> Result<Json<Invoice>, Problem> {
        let (row, lines) = find(&app, key.with(Scope::Billing)?, &id).await?;
        Ok(Json(Invoice::of(row, Some(lines))))
    }

    /// Download an invoice
    ///
    /// The PDF that was mailed. Needs the scope `billing`.
    #[oai(path = "/invoices/:id/pdf", method = "get", operation_id = "downloadInvoice")]
    async fn pdf(
        &self,
        key: Key,
        app: Data<&App>,
        /** `inv_…` */
        id: Path<String>,
    ) -> Result<Pdf, Problem> {
        let caller = key.with(Scope::Billing)?;
        let (row, _) = find(&app, caller, &id).await?;
        let name = file_name(&row, "pdf");
        let pdf = invoice::pdf(&app.db, caller.account.id, row.id).await?.ok_or_else(|| Problem::not_found("document yet"))?;
        Ok(Pdf::Document(Binary(pdf), format!("attachment; filename=\"{name}\"")))
    }

    /// Export the usage of an invoice
    ///
    /// One row per metered call that the invoice charges. Needs the scope `billing`.
    #[oai(path = "/invoices/:id/usage.csv", method = "get", operation_id = "exportInvoiceUsage")]
    async fn usage(
        &self,
        key: Key,
        app: Data<&App>,
        /** `inv_…` */
        id: Path<String>,
    ) -> Result<Csv, Problem> {
        let caller = key.with(Scope::Billing)?;
        let (row, _) = find(&app, caller, &id).await?;
        Csv::of(&app, &caller.account, Which::Period(row.period_id), &file_name(&row, "csv")).await
    }
}

async fn find(app: &App, caller: &Caller, id: &str) -> Result<(rows::Model, Vec<invoice_line::Model>), Problem> {
    let id: InvoiceId = id.parse().map_err(|_| Problem::not_found("invoice"))?;
    invoice::find(&app.db, caller.account.id, id).await?.ok_or_else(|| Problem::not_found("invoice"))
}

/// The number holds what we put there: letters, digits and dashes.
fn file_name(row: &rows::Model, extension: &str) -> String {
    format!("{}.{extension}", row.number.clone().unwrap_or_else(|| row.id.to_string()))
}

fn discounts(found: &[Discount], currency: &str) -> Option<Vec<InvoiceDiscount>> {
    let shown = |discount: &Discount| InvoiceDiscount {
        code: discount.code.clone(),
        description: discount.description.clone(),
        amount: money::minor(discount.amount, currency),
    };
    (!found.is_empty()).then(|| found.iter().map(shown).collect())
}

fn tax(found: &Tax, currency: &str) -> InvoiceTax {
    InvoiceTax {
        country: found.rule.country.clone(),
        name: found.rule.name.clone(),
        percent: Minor(found.rule.basis_points.into()).decimal(2),
        base: money::minor(found.base, currency),
        amount: money::minor(found.amount, currency),
        included: found.rule.included,
        reverse_charge: found.rule.category == Category::AE,
    }
}

fn carried(amount: Minor, currency: &str) -> Option<String> {
    (amount.0 != 0).then(|| money::minor(amount, currency))
}

impl Invoice {
    fn of(row: rows::Model, lines: Option<Vec<invoice_line::Model>>) -> Self {
        let snapshot = snapshot_of(&row).ok();
        let due = row.due();
        let currency = row.currency;
        let line = |line: invoice_line::Model| Line {
            kind: line.kind.as_str().to_owned(),
            description: line.description,
            quantity: line.quantity,
            exact: money::nanos(line.exact_nanos, &currency),
            amount: money::minor(line.amount_minor, &currency),
            events: line.events,
        };
        Self {
            id: Some(row.id.to_string()),
            object: InvoiceObject::Invoice,
            number: row.number,
            status: Some(row.document_state.as_str().to_owned()),
            payment_status: Some(row.payment_state.as_str().to_owned()),
            subtotal: money::minor(row.subtotal_minor, &currency),
            discounts: snapshot.as_ref().and_then(|snapshot| discounts(&snapshot.discounts, &currency)),
            tax: snapshot.and_then(|snapshot| snapshot.tax).map(|found| tax(&found, &currency)),
            credits_applied: money::minor(row.credits_applied_minor, &currency),
            carried_in: carried(row.carried_in_minor, &currency),
            carried_out: carried(row.carried_out_minor, &currency),
            total: money::minor(row.total_minor, &currency),
            due: Some(money::minor(due, &currency)),
            period_start: row.period_starts_at,
            period_end: row.period_ends_at,
            issued_at: row.issued_at,
            paid_at: row.paid_at,
            payment_url: row.stripe_hosted_url,
            lines: lines.map(|lines| lines.into_iter().map(line).collect()),
            currency,
        }
    }

    pub(super) fn upcoming(preview: preview::Preview, currency: &str) -> Self {
        let line = |line: line::Line| Line {
            kind: line.kind.as_str().to_owned(),
            description: line.description,
            quantity: line.quantity,
            exact: money::nanos(line.exact, currency),
            amount: money::minor(line.amount, currency),
            events: line.events,
        };
        Self {
            id: None,
            object: InvoiceObject::UpcomingInvoice,
            number: None,
            status: None,
            payment_status: None,
            currency: currency.to_owned(),
            subtotal: money::minor(preview.subtotal, currency),
            discounts: discounts(&preview.discounts, currency),
            tax: preview.tax.as_ref().map(|found| tax(found, currency)),
            credits_applied: money::minor(preview.credits_applied, currency),
            carried_in: carried(preview.carried_in, currency),
            carried_out: carried(preview.carried_out, currency),
            total: money::minor(preview.total, currency),
            due: None,
            period_start: preview.period.0,
            period_end: preview.period.1,
            issued_at: None,
            paid_at: None,
            payment_url: None,
            lines: Some(preview.lines.into_iter().map(line).collect()),
        }
    }
}
