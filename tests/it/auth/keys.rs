//! Which keys open, from where and until when; how they are changed and rotated; who hears of it.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use entity::account::{self, Standing};
use lensmeter::auth::key::{self, ChangeKeyError, Changes, KeyError, Keys, Scope, change_in, rotate_in};
use sea_orm::{ActiveModelTrait as _, ActiveValue::Set, ConnectionTrait as _, IntoActiveModel as _};

use crate::support::db::{self, TestDb};
use crate::support::make;

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

/// A key as the documentation says one is written, which nobody was given.
fn made_up(number: u32) -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let body = format!("lm_test_{number:012}_{number:037}");
    let mut rest = crc32fast::hash(body.as_bytes());
    let mut sum = Vec::new();
    for _ in 0..6 {
        sum.insert(0, char::from(DIGITS[(rest % 62) as usize]));
        rest /= 62;
    }
    body + &sum.into_iter().collect::<String>()
}

async fn opens(keys: &Keys, text: &str, now: entity::Time) -> bool {
    match keys.authenticate(text, ip("203.0.113.1"), now).await {
        Ok(_) => true,
        Err(KeyError::Invalid) => false,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn only_a_whole_live_key_opens() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = Keys::new(db.clone());
    let (caller, text) = make::key(&db, &account).await;
    let (_, others) = make::key(&db, &account).await;
    assert_eq!(keys.authenticate(&text, None, make::start()).await.unwrap().account.id, account.id);
    assert!(text.starts_with("lm_test_"));
    let swapped = format!("{}_{}", text.rsplit_once('_').unwrap().0, others.rsplit_once('_').unwrap().1);
    let huge = format!("lm_test_{}", "x".repeat(1 << 20));
    let unicode = text.replace(&text[20..23], "é");
    for wrong in [
        "",
        "lm_test_",
        "sk_test_1",
        &text[..text.len() - 1],
        &format!("{text}_x"),
        &swapped,
        &text.replace("lm_test_", "lm_live_"),
        &huge,
        &unicode,
        &made_up(1),
    ] {
        let refused = keys.authenticate(wrong, None, make::start()).await;
        assert!(matches!(refused, Err(KeyError::Invalid)), "{}", wrong.chars().take(80).collect::<String>());
    }
    keys.flush().await.unwrap();
    assert_eq!(key::list(&*db, account.id).await.unwrap().iter().filter_map(|key| key.last_used_at).collect::<Vec<_>>(), [make::start()]);
    let stranger = make::account(&db).await;
    assert!(!key::revoke(&*db, &keys, stranger.id, caller.key.id, make::start()).await.unwrap(), "another account's key");
    assert!(key::revoke(&*db, &keys, account.id, caller.key.id, make::start()).await.unwrap());
    assert!(!key::revoke(&*db, &keys, account.id, caller.key.id, make::start()).await.unwrap(), "a second time changes nothing");
    assert!(!opens(&keys, &text, make::start()).await);
    assert!(caller.may(Scope::Infer));
}

#[tokio::test]
async fn a_key_of_a_closed_account_or_past_its_end_opens_nothing() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = Keys::new(db.clone());
    let (caller, text) = make::key(&db, &account).await;
    let end = make::start() + TimeDelta::hours(1);
    let ends = Changes { expires_at: Some(Some(end)), ..Changes::default() };
    change_in(&*db, account.id, caller.key.id, ends.clone(), make::start()).await.unwrap();
    assert!(opens(&keys, &text, end - TimeDelta::microseconds(1)).await);
    // From memory, too: nothing is read again for it.
    assert!(!opens(&keys, &text, end).await);
    let past = change_in(&*db, account.id, caller.key.id, ends, end).await;
    assert!(matches!(past, Err(ChangeKeyError::Inactive)), "an expired key is not brought back: {past:?}");

    let (_, text) = make::key(&db, &account).await;
    assert!(opens(&keys, &text, make::start()).await);
    let closed = account::ActiveModel { standing: Set(Standing::Closed), ..account.into_active_model() };
    closed.update(&*db).await.unwrap();
    assert!(!opens(&Keys::new(db.clone()), &text, make::start()).await);
}

#[tokio::test]
async fn a_list_of_addresses_keeps_others_out() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = Keys::new(db.clone());
    let (caller, text) = make::key(&db, &account).await;
    let listed = Some(Some(vec!["10.1.0.0/16".to_owned(), "2001:db8::/48".to_owned(), "::ffff:192.0.2.1".to_owned()]));
    let row =
        change_in(&*db, account.id, caller.key.id, Changes { allowed_ips: listed, ..Changes::default() }, make::start()).await.unwrap();
    assert_eq!(row.network_names().unwrap(), ["10.1.0.0/16", "192.0.2.1/32", "2001:db8::/48"]);
    keys.forget(&row.public_id).await;
    for inside in ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1", "192.0.2.1"] {
        keys.authenticate(&text, ip(inside), make::start()).await.unwrap_or_else(|error| panic!("{inside}: {error}"));
    }
    for outside in [ip("10.2.0.1"), ip("::ffff:10.2.0.1"), ip("2001:db8:1::1"), ip("::1"), None] {
        let refused = keys.authenticate(&text, outside, make::start()).await;
        assert!(matches!(refused, Err(KeyError::IpNotAllowed)), "{outside:?}");
    }
    for wrong in [vec![], vec!["example.com".to_owned()], vec!["10.0.0.0/33".to_owned()], vec!["::1".to_owned(); 101]] {
        let changes = Changes { allowed_ips: Some(Some(wrong.clone())), ..Changes::default() };
        let refused = change_in(&*db, account.id, caller.key.id, changes, make::start()).await;
        assert!(matches!(refused, Err(ChangeKeyError::Invalid { field: "allowed_ips", .. })), "{wrong:?}");
    }
}

/// Rotates and lets this process forget what it knew.
async fn rotated(
    db: &TestDb,
    keys: &Keys,
    account: &account::Model,
    id: entity::ids::KeyId,
    overlap: TimeDelta,
    now: entity::Time,
) -> String {
    let (row, text) = rotate_in(&**db, (account.id, account.mode), id, overlap, now).await.unwrap();
    assert_eq!(row.id, id);
    keys.forget(&row.public_id).await;
    text
}

#[tokio::test]
async fn both_secrets_open_while_a_key_is_rotated() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = Keys::new(db.clone());
    let (caller, first) = make::key(&db, &account).await;
    let (id, start) = (caller.key.id, make::start());
    let hour = TimeDelta::hours(1);

    let second = rotated(&db, &keys, &account, id, hour, start).await;
    assert_eq!(first[..21], second[..21], "the id stays");
    // A client whose answer was lost rotates again: the secret that is in use everywhere must not die of it.
    let third = rotated(&db, &keys, &account, id, hour, start + TimeDelta::minutes(1)).await;
    for text in [&first, &second, &third] {
        assert_eq!(keys.authenticate(text, None, start + TimeDelta::minutes(2)).await.unwrap().key.id, id);
    }
    let later = start + hour;
    assert!(!opens(&keys, &first, later).await);
    assert!(opens(&keys, &second, later).await && opens(&keys, &third, later).await);
    let latest = later + TimeDelta::minutes(1);
    assert!(!opens(&keys, &second, latest).await && opens(&keys, &third, latest).await);

    // A shorter overlap shortens what an earlier rotation left.
    let fourth = rotated(&db, &keys, &account, id, TimeDelta::days(30), latest).await;
    let fifth = rotated(&db, &keys, &account, id, TimeDelta::zero(), latest).await;
    assert!(!opens(&keys, &third, latest).await && !opens(&keys, &fourth, latest).await && opens(&keys, &fifth, latest).await);
}

#[tokio::test]
async fn rotation_has_bounds() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = Keys::new(db.clone());
    let (caller, _) = make::key(&db, &account).await;
    let id = caller.key.id;
    let rotate =
        async |overlap: TimeDelta| rotate_in(&*db, (account.id, account.mode), id, overlap, make::start()).await.map(|(_, text)| text);
    for overlap in [TimeDelta::seconds(-1), TimeDelta::days(30) + TimeDelta::seconds(1)] {
        assert!(matches!(rotate(overlap).await, Err(ChangeKeyError::Invalid { field: "overlap", .. })));
    }
    for _ in 0..5 {
        rotate(TimeDelta::days(1)).await.unwrap();
    }
    assert!(matches!(rotate(TimeDelta::days(1)).await, Err(ChangeKeyError::TooManySecrets)));
    rotate(TimeDelta::zero()).await.unwrap();
    rotate(TimeDelta::days(1)).await.unwrap();
    let other = make::account(&db).await;
    let stolen = rotate_in(&*db, (other.id, other.mode), id, TimeDelta::zero(), make::start()).await;
    assert!(matches!(stolen, Err(ChangeKeyError::NotFound)));
    assert!(key::revoke(&*db, &keys, account.id, id, make::start()).await.unwrap());
    assert!(matches!(rotate(TimeDelta::days(1)).await, Err(ChangeKeyError::Inactive)));
}

#[tokio::test]
async fn ten_thousand_invalid_keys_ask_the_database_for_few() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = Keys::new(db.clone());
    let (_, warm) = make::key(&db, &account).await;
    let (_, cold) = make::key(&db, &account).await;
    let address = ip("203.0.113.9");
    keys.authenticate(&warm, address, make::start()).await.unwrap();
    let (mut invalid, mut throttled) = (0, 0);
    for number in 0..10_000 {
        match keys.authenticate(&made_up(number), address, make::start()).await {
            Err(KeyError::Invalid) => invalid += 1,
            Err(KeyError::TooManyTries { wait }) => {
                assert!(wait <= Duration::from_secs(3), "{wait:?}");
                throttled += 1;
            }
            other => panic!("{:?}", other.map(|caller| caller.key.id)),
        }
    }
    println!("{invalid} looked up, {throttled} not");
    assert!(invalid < 100 && throttled > 9_900, "{invalid} looked up");
    // What the database is not asked for works with it away, too: who is known goes on working from the same address.
    keys.authenticate(&warm, address, make::start()).await.unwrap();
    assert!(matches!(keys.authenticate(&cold, address, make::start()).await, Err(KeyError::TooManyTries { .. })));
    keys.authenticate(&cold, ip("203.0.113.10"), make::start()).await.unwrap();
}

#[tokio::test]
async fn typos_do_not_ask_the_database() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let (_, text) = make::key(&db, &account).await;
    let keys = Keys::new(db.clone());
    db.cut().await;
    let typo = if text.ends_with('a') { "b" } else { "a" };
    let refused = keys.authenticate(&format!("{}{typo}", &text[..text.len() - 1]), None, make::start()).await;
    assert!(matches!(refused, Err(KeyError::Invalid)));
    assert!(matches!(keys.authenticate(&text, None, make::start()).await, Err(KeyError::Unavailable)), "a whole key does");
}

/// Waits until the key does not open any more, and says for how long.
async fn refused_after(keys: &Keys, text: &str) -> Duration {
    let since = Instant::now();
    while opens(keys, text, make::start()).await {
        assert!(since.elapsed() < Duration::from_secs(5), "the key opens for ever");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    since.elapsed()
}

/// A replica that listens, once it does.
async fn listening(db: &TestDb) -> Keys {
    let keys = Keys::new(lensmeter::platform::db::connect(&db.url, 2).await.expect("the database answers"));
    keys.listen_in_background();
    for _ in 0..500 {
        if listeners(db).await > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            return keys;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody listens");
}

const LISTENERS: &str = "FROM pg_stat_activity WHERE application_name = 'lensmeter: changes of keys' AND datname = current_database()";

async fn listeners(db: &TestDb) -> i64 {
    let statement = sea_orm::Statement::from_string(db.get_database_backend(), format!("SELECT count(*) AS n {LISTENERS}"));
    db.query_one_raw(statement).await.unwrap().unwrap().try_get("", "n").unwrap()
}

#[tokio::test]
async fn a_change_by_whatever_statement_is_heard() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = listening(&db).await;
    for (what, statement) in [
        ("revoked", "UPDATE api_key SET revoked_at = now() WHERE id = '{key}'"),
        ("expired", "UPDATE api_key SET expires_at = '2020-01-01' WHERE id = '{key}'"),
        ("its account is closed", "UPDATE account SET standing = 'closed' WHERE id = '{account}'"),
    ] {
        let (caller, text) = make::key(&db, &account).await;
        assert!(opens(&keys, &text, make::start()).await);
        // Older than what is trusted without a listener: from here on only being told helps.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let statement = statement.replace("{key}", &caller.key.id.0.to_string()).replace("{account}", &account.id.0.to_string());
        db.execute_unprepared(&statement).await.unwrap();
        let took = refused_after(&keys, &text).await;
        println!("{what}: refused after {took:?}");
        assert!(took < Duration::from_secs(1), "{what}: {took:?}");
    }
}

#[tokio::test]
async fn without_a_listener_keys_are_read_again_every_second() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let keys = listening(&db).await;
    let (caller, text) = make::key(&db, &account).await;
    assert!(opens(&keys, &text, make::start()).await);
    // Nobody can connect to it any more, and who is connected to hear is thrown out.
    let (server, name) = db.url.rsplit_once('/').unwrap();
    let admin = lensmeter::platform::db::connect(&format!("{server}/postgres"), 1).await.unwrap();
    admin.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await.unwrap();
    db.execute_unprepared(&format!("SELECT pg_terminate_backend(pid) {LISTENERS}")).await.unwrap();
    db.execute_unprepared(&format!("UPDATE api_key SET revoked_at = now() WHERE id = '{}'", caller.key.id.0)).await.unwrap();
    let took = refused_after(&keys, &text).await;
    println!("deaf: refused after {took:?}");
    assert!(took < Duration::from_millis(1500), "{took:?}");

    // And it listens again when it can.
    admin.execute_unprepared(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await.unwrap();
    for _ in 0..300 {
        if listeners(&db).await > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it does not listen again");
}
