//! Stripe's API, version [`API_VERSION`], as far as Lensmeter calls it.

mod api;
mod auth;
mod billing_portal;
mod checkout;
mod checkout_pay;
mod clock;
mod controls;
mod credit_notes;
mod customers;
mod deliveries;
mod disputes;
mod error;
mod events;
mod expand;
mod faults;
mod form;
mod idempotency;
mod invoice_finalize;
mod invoice_lines;
mod invoice_pay;
mod invoice_payments;
mod invoices;
mod known;
mod list;
mod params;
mod payment_intents;
mod payment_methods;
mod payments;
mod portal_configurations;
mod refunds;
mod requests;
mod routes;
mod setup_intents;
mod store;
mod tax_ids;
mod test_clocks;
mod wallets;
mod webhook_endpoints;

pub use self::{
    api::routes as api_routes,
    billing_portal::add_card as portal_add_card,
    checkout_pay::{Paid, pay as pay_session, resume as resume_session},
    clock::routes as clock_routes,
    controls::on as add_controls,
    deliveries::{Delivery, resend, send_webhooks},
    error::ApiError,
    faults::routes as fault_routes,
    invoice_pay::pay_by_hand as pay_invoice,
    payment_methods::{NewCard, detach_method, make_default},
    payments::settle_challenge,
    requests::routes as request_routes,
    routes::Call,
    setup_intents::settle_challenge as settle_setup_challenge,
    store::{State, Store},
    wallets::{Answer as WalletAnswer, answer as answer_wallet, choose as choose_wallet},
};

/// The one API version that is answered: the one that async-stripe 1.0.0-rc.10 and stripe-python 16.0.1 pin.
pub const API_VERSION: &str = "2026-09-30.endive";
