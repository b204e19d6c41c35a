//! What the JSON surfaces share: errors as problem documents, bodies within bounds and read field by field, and the
//! finishing of OpenAPI documents. Here and not in `api`, because the operator's routes speak the same JSON and surfaces
//! never import one another.

pub mod body;
pub mod fields;
pub mod problem;
pub mod spec;

use poem::{Endpoint, IntoResponse as _, Request, Response};

use super::request_id;

/// Asks JSON routes. A small body is read before; whatever goes wrong comes out as a problem document.
pub async fn answer(routes: &impl Endpoint, mut request: Request, small: bool, public_url: &str) -> Response {
    let id = request_id::of(&request);
    // Boxed: metered calls do not take this way, and what is inline here would be moved with each of them.
    let bound = if small { Box::pin(body::bound(&mut request)).await } else { Ok(()) };
    let answered = match bound {
        Ok(()) => routes.call(request).await,
        Err(problem) => Err(problem.into()),
    };
    answered.map_or_else(|error| problem::rendered(error, public_url, id), |output| output.into_response())
}
