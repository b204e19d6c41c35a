//! Saved cards, and wallets that cannot be saved.

use entity::account::Model as Account;
use entity::money::Minor;
use entity::top_up::State;
use lensmeter::billing::{buyer, card, top_up};
use lensmeter::platform::clock::Clock;
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::collecting::Till;
use super::{assert_balanced, balance};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;
const BACK: &str = "https://lensmeter.test/app/billing/cards";

async fn again(db: &DatabaseConnection, account: &Account) -> Account {
    entity::account::Entity::find_by_id(account.id).one(db).await.unwrap().unwrap()
}

async fn save(db: &DatabaseConnection, till: &Till, account: &Account, number: &str) -> Account {
    let page = card::add(db, &till.stripe, account, ("ada@example.com", BACK), make::start()).await.expect("a page");
    till.pay(&page, number).await;
    till.news(db, make::start()).await;
    again(db, account).await
}

/// `(last four, default)`, the newest first.
async fn saved(till: &Till, account: &Account) -> Vec<(String, bool)> {
    card::saved(&till.stripe, account).await.expect("a list").into_iter().map(|saved| (saved.card.last4, saved.default)).collect()
}

#[tokio::test]
async fn a_card_is_saved_without_a_payment_and_the_last_chosen_one_stays() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    assert!(card::saved(&till.stripe, &account).await.unwrap().is_empty());
    let account = save(&db, &till, &account, "4242424242424242").await;
    assert_eq!(saved(&till, &account).await, [("4242".into(), true)]);
    let account = save(&db, &till, &account, "5555555555554444").await;
    assert_eq!(saved(&till, &account).await, [("4444".into(), true), ("4242".into(), false)], "the newest is for invoices");

    let first = card::saved(&till.stripe, &account).await.unwrap().remove(1).card.id;
    assert!(card::make_default(&till.stripe, &account, &first).await.unwrap());
    // All news of the pages come once more, late.
    let pages = till.get("/v1/checkout/sessions").await;
    for page in pages["data"].as_array().unwrap() {
        card::sync_page(&db, &till.stripe, page["id"].as_str().unwrap(), make::start()).await.expect("applied");
    }
    assert_eq!(saved(&till, &account).await, [("4444".into(), false), ("4242".into(), true)], "what the customer chose stays");

    assert!(card::remove(&till.stripe, &account, &first).await.unwrap());
    assert_eq!(saved(&till, &account).await, [("4444".into(), true)], "invoices are charged to what is left");
    assert!(!card::remove(&till.stripe, &account, &first).await.unwrap(), "it is gone");
}

#[tokio::test]
async fn another_account_has_none_of_them() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let mine = make::account(&db).await;
    let mine = save(&db, &till, &mine, "4242424242424242").await;
    let theirs = make::account(&db).await;
    let theirs = save(&db, &till, &theirs, "5555555555554444").await;
    let id = card::saved(&till.stripe, &mine).await.unwrap().remove(0).card.id;
    assert!(!card::make_default(&till.stripe, &theirs, &id).await.unwrap());
    assert!(!card::remove(&till.stripe, &theirs, &id).await.unwrap());
    assert_eq!(saved(&till, &mine).await, [("4242".into(), true)]);
}

#[tokio::test]
async fn a_page_that_was_left_saves_nothing_and_the_portal_opens() {
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    card::add(&db, &till.stripe, &account, ("ada@example.com", BACK), make::start()).await.expect("a page");
    till.news(&db, make::start()).await;
    let account = again(&db, &account).await;
    assert!(saved(&till, &account).await.is_empty());
    let portal = card::visit_portal(&db, &till.stripe, &account, ("ada@example.com", BACK), make::start()).await.expect("an address");
    assert!(portal.starts_with("http"), "{portal}");
}

#[tokio::test]
async fn a_wallet_pays_and_leaves_no_card_behind() {
    let db = db::fresh().await;
    let till = Till::open().await;
    for (wallet, outcome) in [("alipay", "complete"), ("wechat_pay", "later"), ("alipay", "later")] {
        let account = make::account(&db).await;
        let before = balance(&db, &account).await.remaining().0;
        let links = ("https://a.test", "https://b.test");
        let page = top_up::start(&db, &till.stripe, &account, "ada@example.com", Minor(1_000), links, make::start()).await.unwrap();
        till.wallet(&page, wallet, outcome).await;
        till.news(&db, make::start()).await;
        let row = async || top_up::list(&*db, account.id).await.unwrap().remove(0);
        if outcome == "later" {
            assert_eq!(row().await.state, State::Pending, "{wallet}: complete is not paid");
            let session = till.get(&format!("/v1/checkout/sessions/{}", row().await.stripe_session_id.unwrap())).await;
            let intent = session["payment_intent"].as_str().expect("an intent").to_owned();
            let end = if wallet == "alipay" { "fail" } else { "succeed" };
            till.post(&format!("/sandbox/payment_intents/{intent}/{end}"), &[]).await;
            till.news(&db, make::start()).await;
        }
        let failed = (wallet, outcome) == ("alipay", "later");
        assert_eq!(row().await.state, if failed { State::Failed } else { State::Paid }, "{wallet} {outcome}");
        let credited = balance(&db, &account).await.remaining().0 - before;
        assert_eq!(credited, if failed { 0 } else { 10 * DOLLAR });
        assert!(saved(&till, &again(&db, &account).await).await.is_empty(), "nothing to charge again");
    }
    assert_balanced(&db).await;
}

#[tokio::test]
async fn stripe_is_told_who_is_billed_when_that_changes() {
    use lensmeter::accounts::details::{self, Details};
    let db = db::fresh().await;
    let till = Till::open().await;
    let account = make::account(&db).await;
    let account = save(&db, &till, &account, "4242424242424242").await;
    let customer = account.stripe_customer_id.clone().unwrap();
    let mut typed = Details::from(&account);
    typed.name = "Ada & Daughters".into();
    (typed.city, typed.country, typed.tax_id) = ("Berlin".into(), "DE".into(), "DE123456789".into());
    details::store(&*db, account.id, typed.clone(), Clock::System.now()).await.unwrap();
    till.work(&db, Clock::System.now()).await;
    let told = till.get(&format!("/v1/customers/{customer}")).await;
    assert_eq!((told["name"].as_str(), told["address"]["city"].as_str()), (Some("Ada & Daughters"), Some("Berlin")));
    let ids = async || till.get(&format!("/v1/customers/{customer}/tax_ids")).await["data"].clone();
    assert_eq!((ids().await[0]["type"].as_str(), ids().await[0]["value"].as_str()), (Some("eu_vat"), Some("DE123456789")));

    (typed.country, typed.tax_id) = ("FR".into(), "FR12345678901".into());
    details::store(&*db, account.id, typed.clone(), Clock::System.now()).await.unwrap();
    till.work(&db, Clock::System.now()).await;
    let now = ids().await;
    assert_eq!((now.as_array().unwrap().len(), now[0]["value"].as_str()), (1, Some("FR12345678901")), "one, the new one");
    typed.tax_id = String::new();
    details::store(&*db, account.id, typed, Clock::System.now()).await.unwrap();
    buyer::run(&db, &till.stripe, buyer::SyncBuyer { account: account.id }).await.expect("told");
    assert!(ids().await.as_array().unwrap().is_empty());
}
