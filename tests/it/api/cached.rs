//! What a repeated image costs is the plan's to say; that it is repeated is on the receipt either way.

use std::time::Duration;

use entity::{period, price::Cached, usage_event};
use lensmeter::billing::close;
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::billing::invoice::{export, verify::verify};
use lensmeter::billing::plan;
use lensmeter::platform::config::Seller;
use lensmeter::vision::{ModelInfo, backend::Backend};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::Value;

use super::{Api, json as answer};
use crate::support::make;
use crate::support::model::{classifier, detector};

/// A product that keeps answers.
async fn keeping(models: Vec<(ModelInfo, Box<dyn Backend>)>) -> Api {
    let minute = Duration::from_secs(60);
    Api::with(models, |app| app.inference.vision = app.inference.vision.clone().with_cache(1 << 20, minute)).await
}

/// Puts the account onto a plan that gives repeated images away.
async fn repeats_are_free(api: &Api) {
    let text = include_str!("../../../plans/standard.toml").replace("cached = \"full\"", "cached = \"free\"");
    let plan = plan::parse("standard.toml", &text).expect("a plan");
    let changes = plan::diff(&*api.db, std::slice::from_ref(&plan)).await.expect("compared");
    let keys: Vec<(&str, &str)> =
        changes.iter().flat_map(|plan| &plan.changes).map(|change| (change.key.as_str(), change.to.as_str())).collect();
    assert_eq!(keys, [("price detect: cached", "free")]);
    plan::apply(&api.db, vec![plan], make::start()).await.expect("applied");
    let subscribe = "UPDATE subscription SET plan_version_id = (SELECT id FROM plan_version ORDER BY version DESC LIMIT 1)";
    api.db.execute_unprepared(subscribe).await.expect("subscribed");
    let (_, prices) = plan::current(&*api.db, api.account.id).await.expect("the database").expect("a plan");
    assert_eq!(prices.iter().map(|price| price.cached).collect::<Vec<_>>(), [Cached::Full, Cached::Free, Cached::Full]);
}

/// Whether it came from the cache, how many images it counted, and its price.
fn receipt(found: &Value) -> (bool, i64, &str) {
    let usage = &found["usage"];
    let cached = usage["cached"].as_bool().expect("a truth");
    (cached, usage["images"].as_i64().expect("a number"), usage["amount"].as_str().expect("an amount"))
}

#[tokio::test]
async fn a_repeated_image_costs_the_same_unless_the_plan_says_otherwise() {
    let api = keeping(vec![detector()]).await;
    let (first, second) = (answer(api.detect()).await, answer(api.detect()).await);
    assert_eq!(receipt(&first), (false, 1, "0.0015"));
    assert_eq!(receipt(&second), (true, 1, "0.0015"));
    assert_eq!(first["predictions"].as_array().map(Vec::len), second["predictions"].as_array().map(Vec::len));
    assert_ne!(first["id"], second["id"], "two calls, two answers");
    assert_eq!(api.books().await, ("0.997".to_owned(), 2));
}

#[tokio::test]
async fn a_repeated_image_is_free_where_the_plan_says_so_and_the_invoice_adds_up() {
    let api = keeping(vec![detector(), classifier("pets", "1")]).await;
    repeats_are_free(&api).await;
    assert_eq!(receipt(&answer(api.detect()).await), (false, 1, "0.0015"));
    for _ in 0..3 {
        assert_eq!(receipt(&answer(api.detect()).await), (true, 0, "0.00"));
    }
    let fresh = answer(api.detect().header("Cache-Control", "no-cache")).await;
    assert_eq!(receipt(&fresh), (false, 1, "0.0015"), "computed when asked to");
    assert_eq!(receipt(&answer(api.image("/v1/detect?iou=0.9")).await), (false, 1, "0.0015"), "other options, another answer");
    answer(api.image("/v1/classify")).await;
    assert_eq!(receipt(&answer(api.image("/v1/classify")).await), (true, 1, "0.001"), "not free for this task");
    assert_eq!(api.get("/v1/models/animals").await["price"]["description"], "Image detection (repeated images free)");
    let usage = api.get("/v1/usage").await;
    assert_eq!((&usage["total"]["events"], &usage["total"]["quantity"]), (&Value::from(8), &Value::from(5)));

    let events = usage_event::Entity::of(api.account.id).order_by_asc(usage_event::Column::Id).all(&*api.db).await.expect("events");
    let detections = events.iter().filter(|event| event.task == "detect");
    let places: Vec<(i64, i64)> = detections.map(|event| (event.quantity_before, event.quantity)).collect();
    assert_eq!(places, [(0, 1), (1, 0), (1, 0), (1, 0), (1, 1), (2, 1)]);
    verified(&api).await;
}

/// Ends the period; its invoice is computed again from its events.
async fn verified(api: &Api) {
    let open = period::Entity::of(api.account.id).filter(period::Column::State.eq(period::State::Open));
    let period = open.one(&*api.db).await.expect("the database").expect("an open period");
    let now = period.ends_at + chrono::TimeDelta::hours(1);
    close::close_due(&api.db, api.account.id, now).await.expect("closed");
    let job = FinalizeInvoice { account: api.account.id, period: period.id };
    let invoice = finalize::issue(&api.db, &Seller::default(), &job, now).await.expect("the books agree");
    let export = export::export(&api.db, &make::archive(), api.account.id, invoice.id).await.expect("the database").expect("the invoice");
    assert_eq!(verify(&export).expect("nothing differs").events, 8);
    let file = serde_json::to_string(&export).expect("JSON");
    assert!(file.contains("\"cached\":\"free\""), "the invoice says why events count nothing");
}
