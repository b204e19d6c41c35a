//! What past periods would have cost under another plan.

use std::process::Command;

use entity::money::Nanos;
use lensmeter::billing::plan;
use lensmeter::billing::simulate::{SimulateError, Simulation, month, simulate};

use super::shop::{Call, DETECT, Shop, plan_of};
use super::use_images;
use crate::support::{db, make};

fn price(rest: &str) -> String {
    format!("[[price]]\nmeter = \"images\"\ntask = \"detect\"\ndescription = \"Detection\"\n{rest}\n")
}

async fn simulated(shop: &Shop, text: &str) -> Simulation {
    let file = plan::parse("other", text).expect("a plan");
    simulate(&*shop.db, &file, month("2026-11").expect("a month"), None).await.expect("simulated")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plan_costs_the_same_and_another_what_it_would() {
    let own = plan_of("test", "eur", "base_fee = \"5\"", &price("tiers = [{ up_to = 3, unit = \"0.10\" }, { unit = \"0.07\" }]"));
    let shop = Shop::on(&own).await;
    shop.calls(4, DETECT).await;
    shop.call(Call { pixels: 9_000_000, ..DETECT }, make::start()).await.unwrap();
    shop.end_period().await;
    let used = |found: &Simulation| found.periods.iter().find(|row| row.calls > 0).cloned().expect("the period with calls");
    let same = used(&simulated(&shop, &own).await);
    assert_eq!((same.old, same.new, same.unsold), (Nanos(5_440_000_000), Nanos(5_440_000_000), 0));

    let volume = plan_of(
        "other",
        "eur",
        "base_fee = \"1\"",
        &price("scheme = \"volume\"\ntiers = [{ up_to = 4, unit = \"0.10\" }, { unit = \"0.02\" }]"),
    );
    assert_eq!(used(&simulated(&shop, &volume).await).new, Nanos(1_100_000_000));
    let sizes = format!("{}{}", price("scheme = \"unit\"\nunit = \"0.01\""), price("scheme = \"unit\"\nunit = \"1\"\nmegapixels = \"8+\""));
    assert_eq!(used(&simulated(&shop, &plan_of("other", "eur", "base_fee = \"0\"", &sizes)).await).new, Nanos(1_040_000_000));
    let timed = price("scheme = \"unit\"\nunit = \"0.05\"\nminimum = \"0.5\"").replace("images", "compute_time");
    // Five times 30 ms at five cents a second, filled up to the minimum.
    assert_eq!(used(&simulated(&shop, &plan_of("other", "eur", "base_fee = \"0\"", &timed)).await).new, Nanos(500_000_000));
    let none = plan_of("other", "eur", "base_fee = \"0\"", &price("scheme = \"unit\"\nunit = \"1\"").replace("detect", "embed"));
    let unsold = used(&simulated(&shop, &none).await);
    assert_eq!((unsold.new, unsold.unsold), (Nanos(0), 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_currency_is_refused_for_one_account_and_left_out_among_all() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    use_images(&db, &account, 2, make::start()).await;
    let yen = plan::parse("yen", &plan_of("yen", "jpy", "base_fee = \"1\"", &price("scheme = \"unit\"\nunit = \"1\""))).unwrap();
    let months = month("2026-11").unwrap();
    let all = simulate(&*db, &yen, months, None).await.unwrap();
    assert_eq!((all.periods.len(), all.skipped), (0, 1));
    let one = simulate(&*db, &yen, months, Some(account.id)).await.unwrap_err();
    assert!(matches!(&one, SimulateError::Currency { account, found, .. } if account == "usd" && found == "jpy"), "{one}");
    let nobody = entity::ids::AccountId::new();
    assert!(matches!(simulate(&*db, &yen, months, Some(nobody)).await, Err(SimulateError::NoAccount(id)) if id == nobody));
    let empty = simulate(&*db, &yen, month("2020-01").unwrap(), None).await.unwrap();
    assert_eq!((empty.periods.len(), empty.totals()), (0, Ok((Nanos(0), Nanos(0)))));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_prints_a_table_json_and_for_whom_a_plan_changes() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    make::credit(&db, &account, Nanos(50_000_000_000)).await;
    use_images(&db, &account, 10_001, make::start()).await;
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("plans-{}", account.id));
    std::fs::create_dir_all(&folder).unwrap();
    let standard = include_str!("../../../plans/standard.toml");
    std::fs::write(folder.join("standard.toml"), standard.replace("\"0.0010\" },\n]", "\"0.0005\" },\n]")).unwrap();
    let plans = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lensmeter"));
        command.arg("plans").args(arguments).arg("--folder").arg(&folder).current_dir(&folder);
        command.envs([
            ("DATABASE_URL", db.url.as_str()),
            ("LENSMETER_SECRET", "a secret of at least thirty-two characters"),
            ("LENSMETER_STORAGE", "objects"),
            ("STRIPE_SECRET_KEY", "sk_test_nobody"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_nobody"),
            ("SMTP_URL", "smtp://127.0.0.1:9"),
        ]);
        let output = command.output().expect("the program runs");
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, diff, wrong) = plans(&["diff"]);
    assert_eq!(
        diff,
        "standard: price detect: price: \"0.0015 up to 10000, then 0.001\" -> \"0.0015 up to 10000, then 0.0005\"\n\
         standard: version 2 would be for new subscribers\nstandard: 1 subscriber stays on version 1\n",
        "{wrong}"
    );
    let (_, table, wrong) = plans(&["simulate", "--plan", "standard", "--period", "2026-11"]);
    assert!(
        table.contains("20.001") && table.contains("20.0005") && table.contains("-0.0005") && table.contains("total"),
        "{table}{wrong}"
    );
    let (_, json, _) = plans(&["simulate", "--plan", "standard", "--period", "2026-11", "--account", &account.id.to_string(), "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json["total"], serde_json::json!({ "old": "20.001", "new": "20.0005", "difference": "-0.0005" }));
    for (arguments, expected) in [
        (["--plan", "nobody", "--period", "2026-11"], "--plan: there is no plan \"nobody\""),
        (["--plan", "standard", "--period", "2026-13"], "--period: expected a month such as 2026-11, found \"2026-13\""),
    ] {
        let (done, _, said) = plans(&[&["simulate"][..], &arguments].concat());
        assert!(!done && said.contains(expected), "{said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
