//! What others tell us over HTTP: verified, stored once, answered at once; acted upon later by the worker.

mod stripe;

use poem::{Route, post};

/// Adds the routes of this surface.
pub fn mount(route: Route) -> Route {
    route.at("/inbound/stripe", post(stripe::receive))
}
