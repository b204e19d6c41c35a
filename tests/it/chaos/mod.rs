//! A month of a customer and Stripe, disturbed: webhooks that come twice, late, in another order or never, processes that are
//! killed between any two steps, and a Stripe that lies or is away. The end is always the same.

mod away;
mod blow;
mod courier;
mod killed;
mod lies;
mod month;
mod news;
mod pages;
mod state;
mod till;
mod world;

/// A number that the environment may give, as for nightly runs.
fn asked(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}
