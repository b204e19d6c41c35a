//! The simulated clock: whatever falls due over a long jump happens in its order, at its own time.

use chrono::TimeDelta;
use entity::account::{self, Standing};
use entity::credit_grant::Kind;
use entity::money::{Minor, Nanos};
use entity::{Time, credit_movement, invoice as rows, mail};
use lensmeter::accounts::clock::{self, Advance};
use lensmeter::billing::alert::{self, Settings};
use lensmeter::billing::credit::adjust::{self, Adjustment};
use lensmeter::billing::invoice::{self, act::Why};
use lensmeter::billing::jobs::Means;
use lensmeter::billing::{reconcile, top_up};
use lensmeter::platform::clock::Clock;
use lensmeter::platform::config::{Dunning, Seller};
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};

use super::collecting::{Till, standing};
use super::{URL, assert_balanced, plain_paper, reread, seller};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;
const WHY: Why<'_> = Why { actor: "operator", reason: "a gift" };

async fn advance(db: &DatabaseConnection, till: &Till, account: &account::Model, by: Advance) -> Time {
    let (seller, dunning) = (Seller { template: Some(plain_paper()), ..seller() }, Dunning::default());
    let means = Means { db, stripe: &till.stripe, seller: &seller, dunning: &dunning, public_url: URL };
    clock::advance(means, &Clock::manual(make::start()), account.id, by).await.expect("moved").now
}

fn months(months: u32) -> Advance {
    Advance { months, ..Advance::default() }
}

/// A customer whose card works so far.
async fn customer(db: &DatabaseConnection, till: &Till) -> account::Model {
    let account = make::account(db).await;
    let links = ("https://a.test", "https://b.test");
    let page = top_up::start(db, &till.stripe, &account, "ada@example.com", Minor(2_000), links, make::start()).await.expect("a page");
    till.pay(&page, "4242424242424242").await;
    let id = top_up::list(db, account.id).await.unwrap()[0].id;
    top_up::sync(db, &till.stripe, URL, id, make::start()).await.expect("credited");
    account
}

/// The letters so far, oldest first, each with the day that it names next.
async fn letters(db: &DatabaseConnection) -> Vec<String> {
    let all = mail::Entity::find().order_by_asc(mail::Column::Id).all(db).await.unwrap();
    let named = |letter: &mail::Model| {
        let day = letter.text_body.split_once("again on ").or_else(|| letter.text_body.split_once("refused from "));
        day.map(|(_, rest)| rest.chars().take(10).collect::<String>())
    };
    all.iter()
        .map(|letter| match (letter.letter.as_str(), named(letter)) {
            ("payment_failed", Some(day)) => format!("payment_failed, next {day}"),
            (name, _) => name.to_owned(),
        })
        .collect()
}

/// What the customer hears of an invoice that fails on a day: four retries, then the day of suspension.
fn failing(from: &str) -> Vec<String> {
    let first: chrono::NaiveDate = from.parse().unwrap();
    [1, 3, 5, 7, 10].map(|days| format!("payment_failed, next {}", first + TimeDelta::days(days))).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_happens_in_its_order_whatever_the_jumps() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = customer(&db, &till).await;
    advance(&db, &till, &account, months(3)).await;
    let mut expected: Vec<String> = ["receipt", "invoice", "invoice", "invoice"].map(str::to_owned).into();
    assert_eq!(letters(&db).await, expected);

    till.decline_from_now_on(&account, &db).await;
    let ends = make::start() + TimeDelta::days(128);
    let gift = Adjustment::Give { amount: Nanos(10 * DOLLAR), kind: Kind::Promotional, priority: None, expires_at: Some(ends) };
    adjust::adjust(&db, account.id, gift, ("gift", WHY), make::start()).await.unwrap();
    let settings = Settings { credit_below: Some(Nanos(25 * DOLLAR)), ..Settings::default() };
    alert::set_in(&*db, account.id, &settings).await.unwrap();
    advance(&db, &till, &account, months(2)).await;
    // The gift ends between the last try and the suspension; the next invoice fails on the day it is issued.
    expected.extend(failing("2027-03-20"));
    expected.extend(["credit_low".to_owned(), "suspended".to_owned(), "payment_failed, next 2027-04-21".to_owned()]);
    assert_eq!(letters(&db).await, expected);
    let lost = credit_movement::Entity::of(account.id).one(&*db).await.unwrap().expect("the gift");
    assert_eq!((lost.at, lost.amount_nanos), (ends, Nanos(10 * DOLLAR)), "at its own time");

    for unpaid in invoice::list(&*db, account.id).await.unwrap().iter().filter(|row| row.due().0 > 0) {
        till.pay(unpaid.stripe_hosted_url.as_deref().expect("a page"), "4242424242424242").await;
    }
    advance(&db, &till, &account, Advance { exact: TimeDelta::minutes(1), ..Advance::default() }).await;
    expected.extend(["invoice", "invoice", "restored"].map(str::to_owned));
    assert_eq!((letters(&db).await, standing(&db, &account).await), (expected.clone(), Standing::Active));

    let end = advance(&db, &till, &account, months(7)).await;
    assert_eq!(end, "2027-11-20T12:01:00Z".parse::<Time>().unwrap());
    expected.extend(failing("2027-05-20"));
    expected.push("suspended".to_owned());
    for month in 6..=10 {
        expected.extend(failing(&format!("2027-{month:02}-20")));
    }
    expected.push("payment_failed, next 2027-11-21".to_owned());
    assert_eq!(letters(&db).await, expected, "told once that it is suspended");

    let mut issued = invoice::list(&*db, account.id).await.unwrap();
    issued.reverse();
    let days: Vec<String> = issued.iter().map(|row| row.issued_at.expect("issued").date_naive().to_string()).collect();
    let of = |month: u32| format!("{}-{:02}-20", 2026 + (month - 1) / 12, (month - 1) % 12 + 1);
    assert_eq!(days, (12..24).map(of).collect::<Vec<_>>(), "each on the day its period ended");
    let paid = |row: &rows::Model| row.paid_at.map(|at| at.date_naive().to_string());
    assert_eq!(issued.iter().map(paid).collect::<Vec<_>>()[..3], [Some(of(12)), Some(of(13)), Some(of(14))]);
    assert_eq!((paid(&issued[3]), paid(&issued[5])), (Some("2027-04-20".into()), None));
    assert_balanced(&db).await;
    assert_eq!(reconcile::differences(&db, None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_moves_at_once_add_up_and_every_month_is_charged_once() {
    let db = db::fresh().await;
    let till = std::sync::Arc::new(Till::open().await);
    let account = customer(&db, &till).await;
    let moves: Vec<_> = (0..2)
        .map(|_| {
            let (db, till, account) = ((*db).clone(), till.clone(), account.clone());
            tokio::spawn(async move { advance(&db, &till, &account, months(1)).await })
        })
        .collect();
    let mut ends = Vec::new();
    for end in moves {
        ends.push(end.await.unwrap());
    }
    ends.sort();
    assert_eq!(ends, ["2026-12-20T12:00:00Z", "2027-01-20T12:00:00Z"].map(|text| text.parse::<Time>().unwrap()));
    let issued = invoice::list(&*db, account.id).await.unwrap();
    assert_eq!(issued.len(), 2);
    for row in &issued {
        assert_eq!(reread(&db, row).await.paid_minor, Minor(500));
    }
    assert_eq!(letters(&db).await, ["receipt", "invoice", "invoice"]);
    assert_balanced(&db).await;
}
