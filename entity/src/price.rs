//! One price of a plan version: what it counts, for which calls, and how counted units become money.

use sea_orm::FromJsonQueryResult;
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{PlanVersionId, PriceId},
    money::Nanos,
};

/// Tiers in rising order; the last has no bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, FromJsonQueryResult)]
pub struct Tiers(pub Vec<Tier>);

/// What units up to `up_to` cost, counted from the start of the period after the included ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<i64>,
    /// Of [`Rate::per`] units.
    pub unit_nanos: Nanos,
    /// Once, when the tier is entered.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub flat_nanos: Nanos,
}

/// How tiers are applied to the units of a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// One amount for the period, from the first unit on.
    #[sea_orm(string_value = "flat")]
    Flat,
    /// Every unit costs the same.
    #[sea_orm(string_value = "unit")]
    Unit,
    /// Each unit is priced by the tier that it falls in.
    #[default]
    #[sea_orm(string_value = "graduated")]
    Graduated,
    /// All units are priced by the tier that the last one falls in.
    #[sea_orm(string_value = "volume")]
    Volume,
    /// Each started package of [`Rate::per`] units costs the same.
    #[sea_orm(string_value = "package")]
    Package,
}

impl Scheme {
    /// The name as stored and as in the catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Unit => "unit",
            Self::Graduated => "graduated",
            Self::Volume => "volume",
            Self::Package => "package",
        }
    }
}

/// What is counted of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// The call.
    #[sea_orm(string_value = "calls")]
    Calls,
    /// Images in it.
    #[sea_orm(string_value = "images")]
    Images,
    /// Tokens of the prompt.
    #[sea_orm(string_value = "tokens_in")]
    TokensIn,
    /// Tokens of the answer.
    #[sea_orm(string_value = "tokens_out")]
    TokensOut,
    /// Microseconds of device time, the call's share of its batch.
    #[sea_orm(string_value = "compute_time")]
    ComputeTime,
}

impl Meter {
    /// The name as stored and as in the catalogue.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Images => "images",
            Self::TokensIn => "tokens_in",
            Self::TokensOut => "tokens_out",
            Self::ComputeTime => "compute_time",
        }
    }

    /// Counted units in one unit as people say it: device time is counted in microseconds and priced by the second.
    #[must_use]
    pub fn scale(self) -> i64 {
        if self == Self::ComputeTime { 1_000_000 } else { 1 }
    }
}

/// How large an image is, in classes that prices can tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Megapixels {
    /// Up to 250 000 pixels.
    #[serde(rename = "0.25")]
    #[sea_orm(string_value = "0.25")]
    Quarter,
    /// Up to 500 000.
    #[serde(rename = "0.5")]
    #[sea_orm(string_value = "0.5")]
    Half,
    /// Up to 1 000 000.
    #[serde(rename = "1")]
    #[sea_orm(string_value = "1")]
    One,
    /// Up to 2 000 000.
    #[serde(rename = "2")]
    #[sea_orm(string_value = "2")]
    Two,
    /// Up to 4 000 000.
    #[serde(rename = "4")]
    #[sea_orm(string_value = "4")]
    Four,
    /// Up to 8 000 000.
    #[serde(rename = "8")]
    #[sea_orm(string_value = "8")]
    Eight,
    /// More.
    #[serde(rename = "8+")]
    #[sea_orm(string_value = "8+")]
    Above,
}

impl Megapixels {
    /// From the smallest to the largest.
    pub const ALL: [Self; 7] = [Self::Quarter, Self::Half, Self::One, Self::Two, Self::Four, Self::Eight, Self::Above];

    /// The class of an image of so many pixels.
    #[must_use]
    pub fn of(pixels: i64) -> Self {
        let bounds = [250_000, 500_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000];
        Self::ALL[bounds.iter().filter(|bound| pixels > **bound).count()]
    }

    /// The name as stored and as in the catalogue: the upper bound.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Quarter => "0.25",
            Self::Half => "0.5",
            Self::One => "1",
            Self::Two => "2",
            Self::Four => "4",
            Self::Eight => "8",
            Self::Above => "8+",
        }
    }
}

/// What an answer costs that no model ran for, because an equal call of the account was answered before or at the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "snake_case")]
pub enum Cached {
    /// As much as any other.
    #[default]
    #[sea_orm(string_value = "full")]
    Full,
    /// Nothing: it counts no unit.
    #[sea_orm(string_value = "free")]
    Free,
}

impl Cached {
    /// The name as stored, as in the catalogue and as shown in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Free => "free",
        }
    }
}

/// All that turns counted units into money. What is as ever is left out, so that what was written before it could be said
/// still reads the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    #[serde(default, skip_serializing_if = "is_graduated")]
    pub scheme: Scheme,
    pub tiers: Tiers,
    /// Units that a tier's price is for.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub per: i64,
    /// Units that cost nothing, before the first tier.
    #[serde(default, skip_serializing_if = "is_none")]
    pub included: i64,
    /// The least for a whole period, due at its close.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub minimum: Nanos,
    /// The most for a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Nanos>,
}

impl Rate {
    /// Graduated tiers and nothing else.
    #[must_use]
    pub fn graduated(tiers: Tiers) -> Self {
        Self { scheme: Scheme::Graduated, tiers, per: 1, included: 0, minimum: Nanos(0), maximum: None }
    }
}

fn is_zero(amount: &Nanos) -> bool {
    amount.0 == 0
}

fn is_graduated(scheme: &Scheme) -> bool {
    *scheme == Scheme::Graduated
}

fn one() -> i64 {
    1
}

fn is_one(per: &i64) -> bool {
    *per == 1
}

fn is_none(included: &i64) -> bool {
    *included == 0
}

/// One price of a plan version.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "price")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PriceId,
    pub plan_version_id: PlanVersionId,
    pub meter: Meter,
    /// `None`: every task that has no price of its own.
    pub task: Option<String>,
    /// A model by its name. `None`: every model that has no price of its own.
    pub model: Option<String>,
    /// Images of that size. `None`: those that have no price of their own.
    pub megapixels: Option<Megapixels>,
    pub description: String,
    pub scheme: Scheme,
    #[sea_orm(column_type = "JsonBinary")]
    pub tiers: Tiers,
    pub per: i64,
    pub included: i64,
    pub minimum_nanos: Nanos,
    pub maximum_nanos: Option<Nanos>,
    pub cached: Cached,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// What turns its units into money.
    #[must_use]
    pub fn rate(&self) -> Rate {
        Rate {
            scheme: self.scheme,
            tiers: self.tiers.clone(),
            per: self.per,
            included: self.included,
            minimum: self.minimum_nanos,
            maximum: self.maximum_nanos,
        }
    }

    /// Whether a call of this task, model and size may be priced by it.
    #[must_use]
    pub fn fits(&self, task: &str, model: &str, size: Megapixels) -> bool {
        self.task.as_deref().is_none_or(|own| own == task)
            && self.model.as_deref().is_none_or(|own| own == model)
            && self.megapixels.is_none_or(|own| own == size)
    }

    /// Of prices that fit a call, the highest one counts. No two of a plan version that fit are equal: their places differ.
    #[must_use]
    pub fn specificity(&self) -> u8 {
        u8::from(self.model.is_some()) * 4 + u8::from(self.task.is_some()) * 2 + u8::from(self.megapixels.is_some())
    }

    /// What the price is for, and whether a repeated image is free.
    #[must_use]
    pub fn described(&self) -> String {
        match self.cached {
            Cached::Full => self.description.clone(),
            Cached::Free => format!("{} (repeated images free)", self.description),
        }
    }
}
