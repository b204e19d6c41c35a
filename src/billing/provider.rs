//! The payment provider in our words: what the rest of billing may know of it. Stripe is the only one, so [`Provider`] is
//! Stripe's handle and the verbs are Stripe's functions; a second one is told apart here (docs/decisions/0029).

use entity::Time;
use entity::ids::InvoiceId;
use entity::money::Minor;
use sea_orm::DbErr;

pub use super::stripe::{
    Stripe as Provider, books, capabilities, card, charge, checkout, credit_note, customer, dispute, event, intent, invoice, portal, refund,
};

/// What a provider can do beside taking a payment on a page of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Charges a saved card while nobody is there: without it nothing buys or pays itself.
    pub off_session: bool,
    /// Pages offer Alipay and WeChat Pay for amounts in this currency.
    pub wallets: bool,
    /// Has a page for each invoice where it can be paid by hand.
    pub hosted_invoice: bool,
    /// The least that it charges, in minor units: less is carried on to the next document.
    pub least_charge: Minor,
}

/// Why the provider did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It said no, in its own form. `replayed`: for good, under this key.
    #[error("the payment provider answered {status} {kind} {code}: {message} (request {request_id})")]
    Refused { status: u16, kind: String, code: String, message: String, request_id: String, replayed: bool },
    /// The bank wants the customer to confirm: nothing is refused yet.
    #[error("the bank wants the customer to confirm the payment (request {request_id})")]
    ActionNeeded { request_id: String },
    /// Something else answered: a proxy, an outage page.
    #[error("the payment provider answered {status}: {body} (request {request_id})")]
    Http { status: u16, body: String, request_id: String },
    /// No answer; whether it was done is unknown, and the same key asks again.
    #[error("the payment provider did not answer: {0}")]
    Network(String),
    #[error("the payment provider's answer cannot be read: {0}")]
    Decode(String),
    /// Ours: what was to be asked could not be noted.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl ProviderError {
    /// True when the same request will never succeed: 4xx but for conflicts and rate limits.
    pub fn is_final(&self) -> bool {
        match self {
            Self::ActionNeeded { .. } => true,
            Self::Refused { status, .. } | Self::Http { status, .. } => {
                (400..500).contains(status) && ![401, 403, 408, 409, 424, 429].contains(status)
            }
            Self::Network(_) | Self::Decode(_) | Self::Database(_) => false,
        }
    }

    /// True when the key of the request will be answered like that for ever, though another may succeed.
    pub fn spoils_its_key(&self) -> bool {
        matches!(self, Self::Refused { status: 500.., replayed: true, .. })
    }
}

/// A payment page for credit, to be made.
#[derive(Debug)]
pub struct NewSession<'a> {
    pub customer: &'a str,
    /// Our id of what is paid: in the metadata, and the idempotency key.
    pub top_up: &'a str,
    pub amount: Minor,
    pub currency: &'a str,
    pub description: &'a str,
    pub success_url: &'a str,
    pub cancel_url: &'a str,
}

/// A payment page as it stands.
#[derive(Debug, Clone)]
pub struct Session {
    pub id: String,
    pub url: Option<String>,
    /// True once the money is there, which the return of the customer alone does not say.
    pub paid: bool,
    /// The page is over and done with, though wallets may still be paying.
    pub complete: bool,
    pub expired: bool,
    /// The payment itself was given up after the page was complete.
    pub failed: bool,
    pub amount: Minor,
    pub currency: String,
    pub customer: Option<String>,
    pub payment_intent: Option<String>,
    /// Known once paid or set up: what can be charged again.
    pub payment_method: Option<String>,
    /// Whether [`Self::payment_method`] may be charged while nobody is there. Wallets may not.
    pub reusable: bool,
    /// Our id of what is paid. `None`: the page saves a card, or is not ours.
    pub top_up: Option<String>,
    /// Of a page that saves a card: the account that it is saved for.
    pub account: Option<String>,
    /// Of a page that saves a card: what saved it.
    pub setup: Option<String>,
}

/// A charge of a saved card, to be made.
#[derive(Debug)]
pub struct NewCharge<'a> {
    pub customer: &'a str,
    pub payment_method: &'a str,
    pub amount: Minor,
    pub currency: &'a str,
    pub description: &'a str,
    /// Our id of what is paid: in the metadata, and the idempotency key.
    pub top_up: &'a str,
}

/// A charge as it stands.
#[derive(Debug, Clone)]
pub struct Charge {
    pub id: String,
    pub state: ChargeState,
    /// Our id of what is paid; `None` when it is not one of ours.
    pub top_up: Option<String>,
}

/// How far a charge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeState {
    Paid,
    /// The bank has not answered yet.
    UnderWay,
    /// The bank wants the customer to confirm it.
    ActionNeeded,
    /// Refused or given up: it takes no money any more.
    Refused,
}

/// A saved card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The provider's.
    pub id: String,
    pub brand: String,
    pub last4: String,
    /// Year and month: it is good until the end of that.
    pub expires: (i32, u32),
}

/// As people know it: `visa •••• 4242`.
impl std::fmt::Display for Card {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} •••• {}", self.brand, self.last4)
    }
}

/// Who is billed, as the provider is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buyer {
    pub name: String,
    pub email: String,
    /// Line 1, line 2, postal code, city, country: empty where it was not told.
    pub address: [String; 5],
    pub tax_id: Option<String>,
}

/// An invoice to be copied.
#[derive(Debug, Clone, Copy)]
pub struct NewInvoice<'a> {
    pub id: InvoiceId,
    pub customer: &'a str,
    pub currency: &'a str,
    pub number: &'a str,
    /// Sent and due after so many days; `None`: the saved card is charged.
    pub days_until_due: Option<u32>,
}

/// A line to be added; below zero for credit.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub description: String,
    pub amount: Minor,
    pub period: (Time, Time),
    pub metadata: std::collections::HashMap<String, String>,
}

/// An invoice as the provider has it.
#[derive(Debug, Clone)]
pub struct Remote {
    pub id: String,
    pub status: Status,
    pub lines: usize,
    pub subtotal: Minor,
    pub total: Minor,
    /// What the customer's balance there would add or take: always zero with us.
    pub starting_balance: Minor,
    pub amount_paid: Minor,
    /// Charges tried so far.
    pub attempts: u64,
    /// Where the customer can pay by hand, once finalized.
    pub hosted_url: Option<String>,
    /// The payment that settled it, or the one under way.
    pub payment: Option<String>,
    /// Our id; `None` when it is not one of ours.
    pub invoice: Option<String>,
}

/// Where the provider's invoice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Draft,
    Open,
    Paid,
    /// Void, uncollectible, or a word that we do not know.
    Other,
}

/// A refund to be made.
#[derive(Debug)]
pub struct NewRefund<'a> {
    pub payment: &'a str,
    pub amount: Minor,
    /// Our credit note, and its number on paper.
    pub credit_note: (&'a str, &'a str),
    /// Which try it is, from 1.
    pub attempt: i32,
}

/// A refund as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    pub id: String,
    /// The money came back to us.
    pub failed: bool,
    pub amount: Minor,
    pub payment: Option<String>,
    /// Our credit note; `None` when it is not one of ours.
    pub credit_note: Option<String>,
}

/// How a credit note gives back what it takes off an invoice.
#[derive(Debug, Clone)]
pub enum Return {
    /// Nothing was paid yet: less is to pay.
    Unpaid,
    /// By this refund.
    Refund(String),
    /// Outside of the provider: as credit, or by transfer.
    Elsewhere,
}

/// A credit note to be copied.
#[derive(Debug)]
pub struct NewCreditNote<'a> {
    pub invoice: &'a str,
    pub amount: Minor,
    pub by: Return,
    /// Ours, and its number on paper.
    pub credit_note: (&'a str, &'a str),
}

/// A dispute as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispute {
    pub id: String,
    pub payment: Option<String>,
    pub amount: Minor,
    pub currency: String,
    pub reason: String,
    pub state: entity::dispute::State,
}
