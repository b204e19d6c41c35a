//! For whoever watches the program: alive, able to serve, and its numbers.

use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{IntoResponse, Response, Route, get, handler};
use serde_json::{Value, json};

use crate::app::App;
use crate::platform::db;

/// Adds the three routes.
pub fn mount(route: Route) -> Route {
    route.at("/healthz", get(alive)).at("/readyz", get(ready)).at("/metrics", get(numbers))
}

/// The process runs and answers.
#[handler]
fn alive() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Everything that a request needs is there; a balancer sends nothing here until it is.
#[handler]
async fn ready(app: Data<&App>) -> Response {
    let (database, migrations) = match db::pending_migrations(&app.db).await {
        Ok(0) => ("ok".to_owned(), "ok".to_owned()),
        Ok(pending) => ("ok".to_owned(), format!("{pending} pending: run `lensmeter migrate`")),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            ("does not answer".to_owned(), "unknown".to_owned())
        }
    };
    let models = if app.inference.vision.models().is_empty() { "none is loaded" } else { "ok" };
    let whole = [database.as_str(), migrations.as_str(), models].iter().all(|state| *state == "ok");
    let (status, word) = if whole { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    let checks = json!({ "status": word, "database": database, "migrations": migrations, "models": models });
    Json(checks).with_status(status).into_response()
}

/// Prometheus' text format.
#[handler]
fn numbers(app: Data<&App>) -> Response {
    Response::builder().content_type("text/plain; version=0.0.4").body(app.metrics.render())
}
