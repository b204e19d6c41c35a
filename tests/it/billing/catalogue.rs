//! The catalogue in the database.

use lensmeter::billing::plan;

use crate::support::{db, make};

#[tokio::test]
async fn a_changed_plan_is_a_new_version_and_an_unchanged_one_is_not() {
    let db = db::fresh().await;
    let text = include_str!("../../../plans/standard.toml");
    let file = plan::parse("bulk.toml", &text.replace("\"standard\"", "\"bulk\"")).unwrap();
    let first = plan::apply(&db, vec![file.clone()], make::start()).await.unwrap();
    assert_eq!((first[0].version, first[0].changed), (1, true));
    assert_eq!(plan::diff(&*db, std::slice::from_ref(&file)).await.unwrap(), []);
    let again = plan::apply(&db, vec![file], make::start()).await.unwrap();
    assert_eq!((again[0].version, again[0].changed), (1, false));

    let account = make::account(&db).await;
    let dearer = plan::parse("standard.toml", &text.replace("0.0015", "0.0020")).unwrap();
    let changes = plan::diff(&*db, std::slice::from_ref(&dearer)).await.unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!((changes[0].from.as_str(), changes[0].to.as_str()), ("0.0015 up to 10000, then 0.001", "0.002 up to 10000, then 0.001"));
    assert_eq!(plan::apply(&db, vec![dearer], make::start()).await.unwrap()[0].version, 2);
    let (version, prices) = plan::current(&*db, account.id).await.unwrap().unwrap();
    assert_eq!((version.version, prices[1].tiers.0[0].unit_nanos.0), (1, 1_500_000), "who subscribed before keeps the price");
}
