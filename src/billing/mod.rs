//! What usage costs, what is owed, and how it is paid: catalogue, rating, ledger, credit, periods, invoices, Stripe.

pub mod alert;
pub mod allowance;
pub mod card;
pub mod auto_top_up;
pub mod close;
pub mod coupon;
pub mod credit;
pub mod dunning;
pub mod invoice;
pub mod jobs;
pub mod ledger;
mod letters;
pub mod overview;
pub mod payment;
pub mod plan;
pub mod proration;
pub mod quote;
pub mod rating;
pub mod reconcile;
pub mod simulate;
pub mod stripe;
pub mod subscription;
pub mod sweep;
pub mod sync;
pub mod tax;
pub mod top_up;
