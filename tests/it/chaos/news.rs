//! Every webhook of a month twice, late, in another order or never, and before the answer of the call that caused it. With
//! `LENSMETER_SEEDS` as many months as it says.

use std::time::Instant;

use entity::account::Standing;

use super::courier::Tally;
use super::month::MONTH;
use super::state;
use super::world::World;

/// A month: where each step and then all of it ended.
async fn month(seed: Option<u64>) -> (Vec<(String, String)>, Tally) {
    let world = World::new(seed).await;
    world.tell_the_customer().await;
    let mut ends = Vec::new();
    for step in MONTH {
        step.act(&world).await;
        world.settle().await;
        ends.push((format!("{step:?}"), state::end(&world).await));
    }
    world.end().await;
    ends.push(("the end".into(), state::end(&world).await));
    assert_eq!(world.customer().await.standing, Standing::Active);
    let tally = world.courier.lock().await.tally;
    world.close().await.remove().await;
    (ends, tally)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_the_webhooks_the_month_ends_the_same() {
    let (expected, told) = month(None).await;
    println!("undisturbed, {} events:\n{}", told.events, expected.last().expect("an end").1);
    let seeds = super::asked("LENSMETER_SEEDS", 6);
    let (started, mut all, mut different) = (Instant::now(), Tally::default(), 0);
    for seed in 0..seeds {
        let (found, tally) = month(Some(seed)).await;
        all += tally;
        let first = expected.iter().zip(&found).map(|((step, one), (_, other))| (step, state::difference(one, other)));
        if let Some((step, difference)) = first.into_iter().find(|(_, difference)| !difference.is_empty()) {
            different += 1;
            println!("seed {seed}, {step}:\n{}", difference.join("\n"));
        }
    }
    println!("seeds | events | webhooks | events sent twice or more | dropped | delayed | different ends | seconds a month");
    println!(
        "{seeds} | {} | {} | {} | {} | {} | {different} | {:.1}",
        all.events,
        all.sent,
        all.duplicated,
        all.dropped,
        all.delayed,
        started.elapsed().as_secs_f64() / seeds.max(1) as f64
    );
    assert_eq!(different, 0);
}
