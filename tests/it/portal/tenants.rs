//! A member sees their own account and nothing of another.

use entity::ids::InvoiceId;
use entity::{account, api_key, period};
use lensmeter::auth::key::{self, Scope};
use lensmeter::billing::close;
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::platform::config::Seller;
use sea_orm::{DatabaseConnection, EntityTrait as _};

use super::Portal;
use crate::support::make;

#[tokio::test]
async fn another_accounts_key_and_invoice_are_not_there() {
    let portal = Portal::start().await;
    let other = make::account(&portal.db).await;
    let (key, _) = key::create_in(&*portal.db, &other, None, "of the other", &[Scope::Infer], make::start()).await.expect("a key");
    let browser = portal.member("ada@example.com").await;

    assert!(!browser.get("/app/keys").await.html.contains("of the other"));
    let refused = browser.post_from("/app/keys", &format!("/app/keys/{}/revoke", key.id), &[]).await;
    assert_eq!(refused.status, 404);
    let untouched = api_key::Entity::find_by_id(key.id).one(&*portal.db).await.expect("a row").expect("the key");
    assert!(untouched.revoked_at.is_none());

    let invoice = issue(&portal.db, &other).await;
    assert!(lensmeter::billing::invoice::find(&*portal.db, other.id, invoice).await.expect("a row").is_some());
    for id in [invoice.to_string(), InvoiceId::new().to_string(), "inv_x".to_owned(), other.id.to_string()] {
        for tail in ["", "/pdf", "/export"] {
            assert_eq!(browser.get(&format!("/app/invoices/{id}{tail}")).await.status, 404, "{id}{tail}");
        }
    }
}

/// Closes the account's first period and issues its invoice.
async fn issue(db: &DatabaseConnection, account: &account::Model) -> InvoiceId {
    let period = period::Entity::of(account.id).one(db).await.expect("a row").expect("the open period");
    let later = period.ends_at + chrono::TimeDelta::hours(1);
    assert_eq!(close::close_due(db, account.id, later).await.expect("closed"), 1);
    let job = FinalizeInvoice { account: account.id, period: period.id };
    finalize::issue(db, &Seller::default(), &job, later).await.expect("issued").id
}
