//! Stripe: the only place where its words are spoken. Above it, everything reads in those of [`super::provider`].

pub mod books;
pub mod card;
pub mod charge;
pub mod checkout;
mod client;
pub mod credit_note;
pub mod customer;
pub mod dispute;
pub mod event;
pub mod intent;
pub mod invoice;
pub mod portal;
pub mod refund;

use entity::Time;
use entity::money::Minor;
use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use stripe_client_core::{ListPaginator, PaginableList};
use stripe_types::{Currency, RangeBoundsTs, RangeQueryTs};

pub use client::Stripe;

use super::provider::{Capabilities, ProviderError};

/// On a page of Stripe's lists.
const PAGE: i64 = 100;

/// Currencies in which Alipay and WeChat Pay take money for anybody.
const WALLET_CURRENCIES: [&str; 10] = ["aud", "cad", "cny", "eur", "gbp", "hkd", "jpy", "nzd", "sgd", "usd"];

/// What Stripe can do with amounts in `currency`.
pub fn capabilities(currency: &str) -> Capabilities {
    Capabilities {
        off_session: true,
        wallets: WALLET_CURRENCIES.contains(&currency),
        hosted_invoice: true,
        least_charge: least_charge(currency),
    }
}

/// The currency as Stripe's type; ours are Stripe's lower-case codes already.
fn currency(code: &str) -> Result<Currency, ProviderError> {
    code.parse().map_err(|_| ProviderError::Decode(format!("Stripe knows no currency {code:?}")))
}

fn since(instant: Time) -> RangeQueryTs {
    RangeQueryTs::Bounds(RangeBoundsTs { gte: Some(instant.timestamp()), ..RangeBoundsTs::default() })
}

impl Stripe {
    /// Every object of a list, page by page.
    fn all<T>(&self, list: ListPaginator<T>) -> BoxFuture<'_, Result<Vec<T::Data>, ProviderError>>
    where
        T: PaginableList + Send + Sync + 'static,
        T::Data: Send,
    {
        Box::pin(async move { list.stream(self).try_collect().await })
    }
}

/// The least that Stripe charges, in minor units, by the currency of the account that is paid out to.
fn least_charge(currency: &str) -> Minor {
    Minor(match currency {
        "gbp" => 30,
        "bgn" => 100,
        "aed" | "myr" | "pln" | "ron" => 200,
        "dkk" => 250,
        "nok" | "sek" => 300,
        "cny" | "hkd" => 400,
        "mxn" | "thb" => 1_000,
        "czk" => 1_500,
        "huf" => 17_500,
        _ => 50,
    })
}
