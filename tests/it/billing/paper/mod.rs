//! The paper: what an independent reader finds in it, in both languages and for every shape of invoice.

mod electronic;
mod shapes;
mod strange;

use std::process::Command;

use chrono::{TimeDelta, TimeZone as _, Utc};
use entity::account::{Collection, Locale};
use entity::ids::{AccountId, InvoiceId, InvoiceLineId, PeriodId, PriceId};
use entity::invoice::{DocumentState, Model as Invoice, PaymentState};
use entity::invoice_line::{Kind, Model as Row};
use entity::money::{Minor, Nanos, exponent};
use entity::price::{Cached, Meter, Rate, Tier, Tiers};
use lensmeter::billing::invoice::document;
use lensmeter::billing::invoice::line::Line;
use lensmeter::billing::invoice::snapshot::{Discount, Party, Plan, Price, Snapshot};
use lensmeter::billing::invoice::total::{self, Coupon, Terms};
use lensmeter::billing::proration::Share;
use lensmeter::billing::tax::{Category, Rule};

use super::seller;

/// An invoice as it is issued: lines and terms, added up by the product.
struct Paper {
    currency: &'static str,
    locale: Locale,
    e_invoice: bool,
    buyer: Party,
    lines: Vec<Line>,
    prices: Vec<Price>,
    terms: Terms,
}

fn price(description: &str, meter: Meter, tiers: &[(Option<i64>, i64)]) -> Price {
    let tiers = tiers.iter().map(|(up_to, nanos)| Tier { up_to: *up_to, unit_nanos: Nanos(*nanos), flat_nanos: Nanos(0) }).collect();
    Price {
        id: PriceId(uuid::Uuid::from_u128(7)).to_string(),
        task: Some("detect".into()),
        model: None,
        megapixels: None,
        meter,
        description: description.into(),
        rate: Rate::graduated(Tiers(tiers)),
        cached: Cached::Full,
    }
}

fn line(kind: Kind, description: &str, quantity: i64, exact: i64, currency: &str) -> Line {
    let usage = kind == Kind::Usage;
    let line =
        Line::new(kind, description.into(), usage.then(|| PriceId(uuid::Uuid::from_u128(7))), quantity, Nanos(exact), exponent(currency));
    Line { events: if usage { quantity } else { 0 }, ..line.expect("fits") }
}

fn coupon(code: &str, description: &str, basis_points: Option<i32>, amount: Option<i64>) -> Coupon {
    Coupon { code: code.into(), description: description.into(), basis_points, amount: amount.map(Minor) }
}

fn vat(category: Category, basis_points: u32, included: bool) -> Rule {
    Rule { country: "DE".into(), name: "VAT".into(), category, basis_points, included }
}

/// 10 002 images over two tiers and the plan's fee, for a German company.
fn usual(currency: &'static str) -> Paper {
    Paper {
        currency,
        locale: Locale::En,
        e_invoice: false,
        buyer: Party {
            name: "Ada & Sons".into(),
            address: "Hof 3\nHinterhaus".into(),
            postal_code: "80331".into(),
            city: "München".into(),
            country: "DE".into(),
            tax_id: "DE987654321".into(),
            email: "ada@example.com".into(),
        },
        lines: vec![
            line(Kind::BaseFee, "Standard plan, monthly fee", 1, 5_000_000_000, currency),
            line(Kind::Usage, "Object detection", 10_002, 15_002_000_000, currency),
        ],
        prices: vec![price("Object detection", Meter::Images, &[(Some(10_000), 1_500_000), (None, 1_000_000)])],
        terms: Terms::default(),
    }
}

impl Paper {
    fn issued(&self) -> (Invoice, Vec<Row>) {
        let totals = total::add_up(&self.lines, &self.terms, exponent(self.currency)).expect("adds up");
        let (from, to) = (Utc.with_ymd_and_hms(2026, 11, 20, 0, 0, 0).unwrap(), Utc.with_ymd_and_hms(2026, 12, 20, 0, 0, 0).unwrap());
        let discounts = self.terms.coupons.iter().zip(&totals.discounts).map(|(coupon, amount)| Discount {
            code: coupon.code.clone(),
            description: coupon.description.clone(),
            amount: *amount,
        });
        let snapshot = Snapshot {
            seller: Party::from(&seller()),
            buyer: self.buyer.clone(),
            plan: Plan { name: "Standard".into(), version: 1 },
            locale: self.locale,
            e_invoice: self.e_invoice,
            time_zone: "UTC".into(),
            period_starts_at: from,
            period_ends_at: to,
            prices: self.prices.clone(),
            share: Share { from, to, cycle: (from, to) },
            terms: self.terms.clone(),
            discounts: discounts.collect(),
            tax: totals.tax.clone(),
            promotional: totals.promotional,
        };
        let id = InvoiceId(uuid::Uuid::from_u128(1));
        let invoice = Invoice {
            id,
            account_id: AccountId(uuid::Uuid::from_u128(2)),
            period_id: PeriodId(uuid::Uuid::from_u128(3)),
            number: Some("LM-0A1B2C-000042".into()),
            document_state: DocumentState::Open,
            payment_state: PaymentState::Unpaid,
            currency: self.currency.into(),
            buyer_name: self.buyer.name.clone(),
            buyer_email: self.buyer.email.clone(),
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
            snapshot: serde_json::to_value(&snapshot).expect("JSON"),
            stripe_invoice_id: None,
            stripe_hosted_url: None,
            period_starts_at: from,
            period_ends_at: to,
            created_at: to + TimeDelta::hours(1),
            issued_at: Some(to + TimeDelta::hours(1)),
            paid_at: None,
            collection: Collection::Charge,
            due_at: None,
            action_needed_at: None,
        };
        let row = |(seq, line): (i32, &Line)| Row {
            id: InvoiceLineId(uuid::Uuid::from_u128(seq.unsigned_abs().into())),
            invoice_id: id,
            seq,
            kind: line.kind,
            description: line.description.clone(),
            price_id: line.price_id,
            quantity: line.quantity,
            exact_nanos: line.exact,
            amount_minor: line.amount,
            rounding_nanos: line.rounding,
            events: line.events,
            events_digest: line.events_digest.clone(),
        };
        (invoice, (1..).zip(&self.lines).map(row).collect())
    }

    async fn printed(&self) -> Printed {
        let (invoice, lines) = self.issued();
        Printed::of(document::render(None, &invoice, &lines).await.expect("a document"), invoice)
    }
}

/// A PDF in a folder of its own, for poppler's programs to read.
pub struct Printed {
    folder: std::path::PathBuf,
    pdf: Vec<u8>,
    invoice: Invoice,
}

impl Printed {
    pub fn of(pdf: Vec<u8>, invoice: Invoice) -> Self {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("paper-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("invoice.pdf"), &pdf).expect("written");
        Self { folder, pdf, invoice }
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).current_dir(&self.folder).output().expect("poppler-utils are installed");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        // Titles in the structure are told in UTF-16.
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn text(&self) -> String {
        let text = self.ask("pdftotext", &["-layout", "invoice.pdf", "-"]);
        // How wide a gap is, is poppler's taste.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// The XML that is embedded, if any.
    fn factur_x(&self) -> Option<String> {
        if !self.ask("pdfdetach", &["-list", "invoice.pdf"]).contains("factur-x.xml") {
            return None;
        }
        self.ask("pdfdetach", &["-savefile", "factur-x.xml", "-o", "out.xml", "invoice.pdf"]);
        Some(std::fs::read_to_string(self.folder.join("out.xml")).expect("extracted"))
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        // Kept for a look when asked for.
        if std::env::var_os("KEEP_PAPER").is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
