//! Who gets in.

mod keys;

use entity::account::Mode;
use entity::{account, balance, mail, session as session_row};
use lensmeter::accounts::recovery::{self, ResetError};
use lensmeter::accounts::sign_up::{self, LinkError, SignUp, SignUpError};
use lensmeter::auth::session;
use lensmeter::auth::throttle::Throttle;
use lensmeter::auth::user::{self, LogInError};
use sea_orm::{DatabaseConnection, EntityTrait as _, QueryOrder as _};

use crate::support::{db, make};

const PASSWORD: &str = "four plain short words";

fn form(email: &str) -> SignUp {
    SignUp { email: email.into(), password: PASSWORD.into(), company: "Ada & Sons".into(), mode: Mode::Test }
}

/// The token in the newest mail.
async fn mailed_token(db: &DatabaseConnection) -> String {
    let letter = mail::Entity::find().order_by_desc(mail::Column::Id).one(db).await.unwrap().unwrap();
    letter.text_body.split("token=").nth(1).expect("a link").split_whitespace().next().expect("a token").to_owned()
}

#[tokio::test]
async fn a_sign_up_is_worth_nothing_before_its_link() {
    let db = db::fresh().await;
    make::catalogue(&db).await;
    let throttle = Throttle::default();
    sign_up::sign_up(&db, &form("Ada@Example.com"), "http://x", make::start()).await.unwrap();
    assert!(matches!(user::log_in(&db, &throttle, "ada@example.com", PASSWORD, "::1").await, Err(LogInError::Unverified)));
    assert!(balance::Entity::find().one(&*db).await.unwrap().is_none());

    let token = mailed_token(&db).await;
    let late = make::start() + chrono::TimeDelta::hours(25);
    assert!(matches!(sign_up::verify(&db, &token, late).await, Err(LinkError::Invalid)));
    let member = sign_up::verify(&db, &token, make::start()).await.unwrap();
    assert!(matches!(sign_up::verify(&db, &token, make::start()).await, Err(LinkError::Invalid)), "a link works once");
    assert_eq!(user::log_in(&db, &throttle, " ADA@example.com ", PASSWORD, "::1").await.unwrap().id, member.id);
    assert!(matches!(user::log_in(&db, &throttle, "ada@example.com", "wrong wrong wrong", "::1").await, Err(LogInError::Wrong)));
    assert_eq!(balance::Entity::find().one(&*db).await.unwrap().unwrap().remaining().0, 1_000_000_000);
}

#[tokio::test]
async fn a_known_address_gets_a_letter_and_no_second_account() {
    let db = db::fresh().await;
    make::catalogue(&db).await;
    sign_up::sign_up(&db, &form("ada@example.com"), "http://x", make::start()).await.unwrap();
    let token = mailed_token(&db).await;
    sign_up::verify(&db, &token, make::start()).await.unwrap();
    sign_up::sign_up(&db, &form("ADA@example.com"), "http://x", make::start()).await.unwrap();
    let letters = mail::Entity::find().order_by_asc(mail::Column::Id).all(&*db).await.unwrap();
    assert_eq!(letters.iter().map(|mail| mail.letter.as_str()).collect::<Vec<_>>(), ["verify", "already_member"]);
    assert_eq!(account::Entity::find().all(&*db).await.unwrap().len(), 1);
}

#[tokio::test]
async fn nonsense_is_refused_before_anything_is_written() {
    let db = db::fresh().await;
    let bad = [
        form("nobody"),
        SignUp { password: "short".into(), ..form("a@example.com") },
        SignUp { company: "  ".into(), ..form("a@example.com") },
    ];
    for form in bad {
        let refused = sign_up::sign_up(&db, &form, "http://x", make::start()).await;
        assert!(matches!(refused, Err(SignUpError::Email | SignUpError::Password(_) | SignUpError::Company)), "{refused:?}");
    }
    assert!(account::Entity::find().one(&*db).await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_password_ends_every_session() {
    let db = db::fresh().await;
    make::catalogue(&db).await;
    sign_up::sign_up(&db, &form("ada@example.com"), "http://x", make::start()).await.unwrap();
    let token = mailed_token(&db).await;
    let member = sign_up::verify(&db, &token, make::start()).await.unwrap();
    let cookie = session::open_in(&*db, &member, "test", "::1", make::start()).await.unwrap();
    let stored = session_row::Entity::find().one(&*db).await.unwrap().unwrap();
    assert_ne!(stored.token_hash, cookie.as_bytes(), "the cookie itself is not stored");
    assert_eq!(session::find(&*db, &cookie, make::start()).await.unwrap().unwrap().member.id, member.id);
    let fortnight = make::start() + chrono::TimeDelta::days(15);
    assert!(session::find(&*db, &cookie, fortnight).await.unwrap().is_none(), "an idle session ends");

    recovery::request(&db, "nobody@example.com", "http://x", make::start()).await.unwrap();
    recovery::request(&db, "ada@example.com", "http://x", make::start()).await.unwrap();
    let token = mailed_token(&db).await;
    assert!(matches!(recovery::reset(&db, &token, "short", make::start()).await, Err(ResetError::Password(_))));
    recovery::reset(&db, &token, "five other plain short words", make::start()).await.unwrap();
    assert!(session::find(&*db, &cookie, make::start()).await.unwrap().is_none());
    assert!(matches!(recovery::reset(&db, &token, "five other plain short words", make::start()).await, Err(ResetError::Link)));
}

#[tokio::test]
async fn a_form_does_not_flood_a_mailbox() {
    let db = db::fresh().await;
    make::catalogue(&db).await;
    for _ in 0..8 {
        sign_up::sign_up(&db, &form("ada@example.com"), "http://x", make::start()).await.unwrap();
        recovery::request(&db, "ada@example.com", "http://x", make::start()).await.unwrap();
    }
    assert_eq!(mail::Entity::find().all(&*db).await.unwrap().len(), 5);
    let later = make::start() + chrono::TimeDelta::hours(2);
    recovery::request(&db, "ada@example.com", "http://x", later).await.unwrap();
    assert_eq!(mail::Entity::find().all(&*db).await.unwrap().len(), 6);
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let db = db::fresh().await;
    let throttle = Throttle::default();
    for _ in 0..10 {
        assert!(matches!(user::log_in(&db, &throttle, "ada@example.com", PASSWORD, "::1").await, Err(LogInError::Wrong)));
    }
    assert!(matches!(user::log_in(&db, &throttle, "ada@example.com", PASSWORD, "::1").await, Err(LogInError::TooManyTries { .. })));
    assert!(matches!(user::log_in(&db, &throttle, "eve@example.com", PASSWORD, "::1").await, Err(LogInError::TooManyTries { .. })));
}
