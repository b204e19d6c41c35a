//! A customer company: the unit that is billed.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    Time,
    ids::AccountId,
    money::{self, Nanos},
};

/// Whether real money moves. Test-mode accounts may have a simulated clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Mode {
    /// Real money.
    #[sea_orm(string_value = "live")]
    Live,
    /// Stripe test mode or the sandbox.
    #[sea_orm(string_value = "test")]
    Test,
}

impl Mode {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// Whether the account may use what it bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Standing {
    /// All is paid.
    #[sea_orm(string_value = "active")]
    Active,
    /// A payment failed; dunning runs.
    #[sea_orm(string_value = "past_due")]
    PastDue,
    /// Refused until paid.
    #[sea_orm(string_value = "suspended")]
    Suspended,
    /// Closed for good.
    #[sea_orm(string_value = "closed")]
    Closed,
}

impl Standing {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::PastDue => "past_due",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }
}

/// The language of the account's documents and letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "lowercase")]
pub enum Locale {
    /// English.
    #[default]
    #[sea_orm(string_value = "en")]
    En,
    /// Simplified Chinese.
    #[sea_orm(string_value = "zh")]
    Zh,
}

impl Locale {
    /// The name as stored and as shown in the API: the language part of a BCP 47 tag.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Zh => "zh",
        }
    }
}

/// How invoices are collected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Collection {
    /// The saved card is charged.
    #[default]
    #[sea_orm(string_value = "charge")]
    Charge,
    /// They are sent, and paid by hand or by transfer until they are due.
    #[sea_orm(string_value = "send")]
    Send,
}

impl Collection {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Charge => "charge",
            Self::Send => "send",
        }
    }
}

/// A customer company: the unit that is billed.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    pub name: String,
    pub currency: String,
    pub mode: Mode,
    pub standing: Standing,
    pub stripe_customer_id: Option<String>,
    pub clock_offset_seconds: i64,
    pub next_invoice_number: i64,
    pub next_credit_note_number: i64,
    pub created_at: Time,
    pub locale: Locale,
    /// A name of the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
    pub address_line1: String,
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    /// ISO 3166-1 alpha-2, in capitals.
    pub country: Option<String>,
    /// The buyer's VAT id, without spaces and in capitals.
    pub tax_id: Option<String>,
    /// Whether invoices carry their data as EN 16931 XML (Factur-X).
    pub e_invoice: bool,
    /// What the customer expects to spend in a billing period. Nothing is refused beyond it.
    pub budget_nanos: Option<Nanos>,
    /// How its invoices are collected.
    pub collection: Collection,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// A new account in good standing that has told nothing but its name.
    pub fn new(id: AccountId, name: String, currency: &str, mode: Mode, created_at: Time) -> Self {
        Self {
            id,
            name,
            currency: currency.into(),
            mode,
            standing: Standing::Active,
            stripe_customer_id: None,
            clock_offset_seconds: 0,
            next_invoice_number: 1,
            next_credit_note_number: 1,
            created_at,
            locale: Locale::En,
            time_zone: "UTC".into(),
            address_line1: String::new(),
            address_line2: String::new(),
            postal_code: String::new(),
            city: String::new(),
            country: None,
            tax_id: None,
            e_invoice: false,
            budget_nanos: None,
            collection: Collection::Charge,
        }
    }

    /// The account's own time: the wall clock plus what its simulated clock was advanced by.
    pub fn now(&self, wall: Time) -> Time {
        wall + chrono::TimeDelta::seconds(self.clock_offset_seconds)
    }

    /// Digits behind the point of the account's currency.
    pub fn exponent(&self) -> u32 {
        money::exponent(&self.currency)
    }
}
