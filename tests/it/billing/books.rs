//! Periods, credit and the ledger.

use entity::credit_grant::Kind;
use entity::invoice::{DocumentState, PaymentState};
use entity::ledger_account::Code;
use entity::money::{Minor, Nanos};
use entity::{invoice, queue_job};
use lensmeter::billing::invoice::finalize::{self, FinalizeInvoice};
use lensmeter::billing::invoice::preview::preview;
use lensmeter::billing::{close, credit, ledger};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};

use super::{assert_balanced, balance, end_period, open_period, reread, seller, use_images};
use crate::support::{db, make};

const DOLLAR: i64 = 1_000_000_000;

#[tokio::test]
async fn signing_up_opens_a_month_and_gives_credit_once() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let period = open_period(&db, &account).await;
    assert_eq!((period.starts_at, period.ends_at), (make::start(), "2026-12-20T12:00:00Z".parse().unwrap()));
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(DOLLAR));
    assert_eq!(ledger::balance_of(&*db, None, Code::Promotion).await.unwrap(), Nanos(DOLLAR));
    let again = credit::grant_in(&*db, &account, Kind::Promotional, &format!("signup:{}", account.id), Nanos(DOLLAR), make::start()).await;
    assert!(!again.unwrap(), "the same reference is granted once");
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(DOLLAR));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_trial_owes_nothing_and_its_usage_is_paid_by_the_gift() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    use_images(&db, &account, 3, make::start()).await;
    let (invoice, _) = end_period(&db, &account).await;
    // Three images are 0.45 cents: the line rounds to nothing, the credit burnt is exact.
    assert_eq!((invoice.subtotal_minor, invoice.total_minor), (Minor(0), Minor(0)));
    assert_eq!((invoice.document_state, invoice.payment_state), (DocumentState::Open, PaymentState::Paid));
    assert_eq!(credit::unburnt(&*db, account.id).await.unwrap(), Nanos(DOLLAR - 3 * 1_500_000));
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(0));
    assert_eq!(ledger::balance_of(&*db, None, Code::Revenue).await.unwrap(), Nanos(-3 * 1_500_000));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn after_a_top_up_exactly_the_fee_is_owed_to_the_nano() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    make::credit(&db, &account, Nanos(20 * DOLLAR)).await;
    use_images(&db, &account, 5, make::start()).await;
    let coming = preview(&db, &account, &seller()).await.unwrap().unwrap();
    let (invoice, _) = end_period(&db, &account).await;
    // 0.75 cents round to one cent on the line, and the credit takes that cent off again.
    assert_eq!((invoice.subtotal_minor, invoice.credits_applied_minor, invoice.total_minor), (Minor(501), Minor(1), Minor(500)));
    assert_eq!((coming.subtotal, coming.credits_applied, coming.total), (Minor(501), Minor(1), Minor(500)), "the preview said so");
    assert_eq!(ledger::balance_of(&*db, Some(account.id), Code::Receivable).await.unwrap(), Nanos(5 * DOLLAR));
    assert_eq!(ledger::balance_of(&*db, None, Code::Rounding).await.unwrap(), Nanos(0));
    // The gift goes first: the paid credit is whole.
    assert_eq!(credit::unburnt(&*db, account.id).await.unwrap(), Nanos(21 * DOLLAR - 5 * 1_500_000));
    assert_eq!(balance(&db, &account).await.remaining(), Nanos(21 * DOLLAR - 5 * 1_500_000));
    assert_balanced(&db).await;
}

#[tokio::test]
async fn a_year_of_periods_is_closed_without_gap_or_overlap() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    let year_later = "2027-11-20T12:00:00Z".parse().unwrap();
    assert_eq!(close::close_due(&db, account.id, year_later).await.unwrap(), 12);
    assert_eq!(close::close_due(&db, account.id, year_later).await.unwrap(), 0);
    let mut periods = entity::period::Entity::of(account.id).all(&*db).await.unwrap();
    periods.sort_by_key(|period| period.starts_at);
    assert!(periods.windows(2).all(|pair| pair[0].ends_at == pair[1].starts_at));
    assert_eq!(periods.last().unwrap().starts_at, year_later);
    let jobs = queue_job::Entity::find().filter(queue_job::Column::Kind.eq("billing.finalize_invoice")).count(&*db).await.unwrap();
    assert_eq!(jobs, 12, "an invoice for each");
}

#[tokio::test(flavor = "multi_thread")]
async fn closers_at_once_close_once_and_workers_at_once_issue_once() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    use_images(&db, &account, 4, make::start()).await;
    let period = open_period(&db, &account).await;
    let now = period.ends_at;
    let closers = (0..4).map(|_| {
        let (db, id) = ((*db).clone(), account.id);
        tokio::spawn(async move { close::close_due(&db, id, now).await.unwrap() })
    });
    let mut closed = 0;
    for closer in closers.collect::<Vec<_>>() {
        closed += closer.await.unwrap();
    }
    assert_eq!(closed, 1);
    let workers = (0..4).map(|_| {
        let (db, job) = ((*db).clone(), FinalizeInvoice { account: account.id, period: period.id });
        tokio::spawn(async move { finalize::issue(&db, &seller(), &job, now).await.unwrap() })
    });
    let mut numbers = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        numbers.push(worker.await.unwrap().number.unwrap());
    }
    numbers.dedup();
    assert_eq!(numbers.len(), 1);
    assert!(numbers[0].starts_with("LM-") && numbers[0].ends_with("-000001"), "{numbers:?}");
    assert_eq!(invoice::Entity::of(account.id).count(&*db).await.unwrap(), 1);
    assert_balanced(&db).await;
}

#[tokio::test]
async fn books_that_disagree_issue_nothing() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    use_images(&db, &account, 2, make::start()).await;
    db.execute_unprepared("UPDATE usage_rollup SET amount_nanos = amount_nanos + 1").await.unwrap();
    let period = open_period(&db, &account).await;
    close::close_due(&db, account.id, period.ends_at).await.unwrap();
    let job = FinalizeInvoice { account: account.id, period: period.id };
    let error = finalize::issue(&db, &seller(), &job, period.ends_at).await.unwrap_err();
    assert!(error.to_string().contains("disagree"), "{error}");
    assert_eq!(invoice::Entity::of(account.id).count(&*db).await.unwrap(), 0);
    assert_eq!(credit::unburnt(&*db, account.id).await.unwrap(), Nanos(DOLLAR), "and takes no credit");
}

#[tokio::test]
async fn an_issued_invoice_is_frozen() {
    let db = db::fresh().await;
    let account = make::account(&db).await;
    make::credit(&db, &account, Nanos(DOLLAR)).await;
    let (invoice, _) = end_period(&db, &account).await;
    for change in [
        "UPDATE invoice SET total_minor = 1, subtotal_minor = 1",
        "UPDATE invoice SET snapshot = '{}'",
        "UPDATE invoice SET document_state = 'draft'",
        "UPDATE invoice_line SET amount_minor = 1",
        "DELETE FROM invoice_line",
        "UPDATE invoice_document SET pdf = ''",
        "UPDATE transfer SET amount_nanos = 1",
    ] {
        assert!(db.execute_unprepared(change).await.is_err(), "{change}");
    }
    db.execute_unprepared("UPDATE invoice SET payment_state = 'processing'").await.expect("how it is paid may change");
    assert_eq!(reread(&db, &invoice).await.total_minor, Minor(500));
}
