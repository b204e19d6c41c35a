//! Redeeming a coupon on the billing page.

use entity::coupon::Duration;
use entity::money::Minor;
use lensmeter::billing::coupon::{self, NewCoupon, Off};

use super::Portal;
use crate::support::make;

const PAGE: &str = "/app/billing";

#[tokio::test]
async fn a_code_is_redeemed_and_a_wrong_one_said_beside_its_field() {
    let portal = Portal::start().await;
    for (code, off) in [("TENTH", Off::Percent(1_000)), ("EUROS", Off::Amount(Minor(500), "eur".into()))] {
        let new = NewCoupon { code: code.into(), description: format!("About {code}"), off, duration: Duration::Forever, months: None };
        coupon::create_in(&*portal.db, new, make::start()).await.expect("made");
    }
    let browser = portal.member("ada@example.com").await;
    let redeem = async |code: &str| browser.post_from(PAGE, "/app/billing/coupon", &[("code", code)]).await;
    for (code, says) in
        [("<b>", "There is no such coupon."), ("", "There is no such coupon."), ("euros", "This coupon is for accounts in EUR.")]
    {
        let refused = redeem(code).await;
        assert_eq!(refused.status, 422, "{code}");
        assert!(
            refused.html.contains(says) && refused.html.contains("aria-invalid") && !refused.html.contains("\"<b>\""),
            "{}",
            refused.html
        );
    }
    let done = redeem("tenth").await.html;
    assert!(done.contains("The coupon is yours") && done.contains("About TENTH"), "{done}");
    assert!(redeem("TENTH").await.html.contains("You have this coupon already."));
    let other = portal.member("bob@example.com").await;
    assert!(!other.get(PAGE).await.html.contains("About TENTH"), "another account has its own");
}
