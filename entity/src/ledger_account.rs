//! An account of the ledger: ours, or one of a customer.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, LedgerAccountId};

/// What the ledger account stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Code {
    /// Money at the payment provider. Ours.
    #[sea_orm(string_value = "cash")]
    Cash,
    /// What we gave away. Ours.
    #[sea_orm(string_value = "promotion")]
    Promotion,
    /// Prepaid and promotional credit that a customer has not used.
    #[sea_orm(string_value = "credit")]
    Credit,
    /// What a customer owes us.
    #[sea_orm(string_value = "receivable")]
    Receivable,
    /// What we earned. Ours.
    #[sea_orm(string_value = "revenue")]
    Revenue,
    /// Residues of rounding to minor units. Ours.
    #[sea_orm(string_value = "rounding")]
    Rounding,
    /// Taxes that customers paid and that we owe. Ours.
    #[sea_orm(string_value = "tax")]
    Tax,
    /// Credit that expired. Ours.
    #[sea_orm(string_value = "breakage")]
    Breakage,
    /// What will never be paid. Ours.
    #[sea_orm(string_value = "bad_debt")]
    BadDebt,
    /// Credit that an operator took back. Ours.
    #[sea_orm(string_value = "adjustment")]
    Adjustment,
}

impl Code {
    /// The name as stored and as shown in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cash => "cash",
            Self::Promotion => "promotion",
            Self::Credit => "credit",
            Self::Receivable => "receivable",
            Self::Revenue => "revenue",
            Self::Rounding => "rounding",
            Self::Tax => "tax",
            Self::Breakage => "breakage",
            Self::BadDebt => "bad_debt",
            Self::Adjustment => "adjustment",
        }
    }
}

/// An account of the ledger: ours, or one of a customer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LedgerAccountId,
    pub account_id: Option<AccountId>,
    pub code: Code,
    pub currency: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
