//! What usage costs, what is owed, and how it is paid: catalogue, rating, ledger, credit, periods, invoices, Stripe.

pub mod allowance;
pub mod close;
pub mod credit;
pub mod invoice;
pub mod ledger;
mod letters;
pub mod overview;
pub mod payment;
pub mod plan;
pub mod quote;
pub mod rating;
pub mod reconcile;
pub mod stripe;
pub mod subscription;
pub mod sweep;
pub mod sync;
pub mod top_up;
