//! The catalogue in the database.

use lensmeter::billing::plan;
use sea_orm::ConnectionTrait as _;

use crate::support::{db, make};

#[tokio::test]
async fn a_changed_plan_is_a_new_version_and_an_unchanged_one_is_not() {
    let db = db::fresh().await;
    let text = include_str!("../../../plans/standard.toml");
    let file = plan::parse("bulk.toml", &text.replace("\"standard\"", "\"bulk\"")).unwrap();
    let first = plan::apply(&db, vec![file.clone()], make::start()).await.unwrap();
    assert_eq!((first[0].version, first[0].changed), (1, true));
    assert_eq!(plan::diff(&*db, std::slice::from_ref(&file)).await.unwrap()[0].changes, []);
    let again = plan::apply(&db, vec![file], make::start()).await.unwrap();
    assert_eq!((again[0].version, again[0].changed), (1, false));

    let account = make::account(&db).await;
    let dearer = plan::parse("standard.toml", &text.replace("0.0015", "0.0020")).unwrap();
    let diffs = plan::diff(&*db, std::slice::from_ref(&dearer)).await.unwrap();
    assert_eq!((diffs[0].version, diffs[0].subscribers.as_slice()), (Some(1), [(1, 1)].as_slice()), "for whom it would change");
    let changes = &diffs[0].changes;
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].from.as_str(), changes[0].to.as_str()), ("0.0015 up to 10000, then 0.001", "0.002 up to 10000, then 0.001"));
    assert_eq!(plan::apply(&db, vec![dearer], make::start()).await.unwrap()[0].version, 2);
    let (version, prices) = plan::current(&*db, account.id).await.unwrap().unwrap();
    assert_eq!((version.version, prices[1].tiers.0[0].unit_nanos.0), (1, 1_500_000), "who subscribed before keeps the price");
}

#[tokio::test]
async fn every_key_of_a_plan_survives_the_database() {
    let db = db::fresh().await;
    let file = plan::parse("all.toml", EVERYTHING).unwrap();
    assert!(plan::apply(&db, vec![file.clone()], make::start()).await.unwrap()[0].changed);
    assert_eq!(plan::newest_file(&*db, "all").await.unwrap().unwrap(), file);
    assert!(!plan::apply(&db, vec![file], make::start()).await.unwrap()[0].changed, "and is the same plan again");
}

#[tokio::test]
async fn what_cannot_follow_is_refused_and_nothing_is_applied() {
    let db = db::fresh().await;
    let text = include_str!("../../../plans/standard.toml");
    let other = plan::parse("standard.toml", &text.replace("\"usd\"", "\"eur\"")).unwrap();
    let fresh = plan::parse("fresh.toml", &text.replace("\"standard\"", "\"fresh\"")).unwrap();
    for refused in [
        plan::apply(&db, vec![fresh.clone(), other.clone()], make::start()).await.unwrap_err(),
        plan::diff(&*db, &[other]).await.unwrap_err(),
    ] {
        assert_eq!(
            refused.to_string(),
            "plan standard: currency: expected usd as in version 1, found eur; another currency is another plan"
        );
    }
    assert!(plan::newest(&*db, "fresh").await.unwrap().is_none(), "the plan before it was not applied either");

    assert!(db.execute_unprepared("UPDATE price SET included = 5").await.is_err(), "versions are immutable");
    // Somebody with all rights goes around the trigger.
    db.execute_unprepared("ALTER TABLE price DISABLE TRIGGER price_immutable; UPDATE price SET included = 5 WHERE task = 'embed'")
        .await
        .unwrap();
    let same = plan::parse("standard.toml", text).unwrap();
    let refused = plan::apply(&db, vec![same], make::start()).await.unwrap_err();
    assert!(refused.to_string().starts_with("plan standard: version 1 was changed in the database"), "{refused}");
}

/// Every key with another value than its default.
const EVERYTHING: &str = r#"
code = "all"
name = "All"
description = "Everything."
currency = "kwd"
base_fee = "1.234"
signup_credit = "0.000000001"
requests_per_minute = 7
weight = 3
billing = "calendar"
trial_days = 14
listed = false

[[price]]
meter = "images"
task = "detect"
description = "Any"
scheme = "volume"
tiers = [{ up_to = 10, unit = "0.5", flat = "1" }, { flat = "2" }]
included = 3
minimum = "1.5"
maximum = "2.5"
cached = "free"

[[price]]
meter = "images"
task = "detect"
megapixels = "8+"
description = "Large"
scheme = "package"
unit = "3"
per = 100

[[price]]
meter = "compute_time"
model = "elements"
description = "Time"
scheme = "unit"
unit = "0.05"

[[price]]
meter = "calls"
description = "The rest"
scheme = "flat"
flat = "9"
"#;
