//! Where it ended: the books, the documents, the queue, and what Stripe has; without ids and instants, so that two ends can
//! be compared.

use sea_orm::{ConnectionTrait as _, Statement};
use serde_json::Value;

use super::world::World;

/// What is ours: a name and a query of one text each.
const OURS: &[(&str, &str)] = &[
    ("account", "SELECT standing || ' next invoice ' || next_invoice_number || ', credit note ' || next_credit_note_number FROM account"),
    ("balance", "SELECT credits || ' - ' || debits || ', held ' || held FROM balance"),
    (
        "books",
        "SELECT l.code || ' ' || sum(CASE WHEN t.debit_account_id = l.id THEN t.amount_nanos ELSE -t.amount_nanos END)
         FROM ledger_account l JOIN transfer t ON l.id IN (t.debit_account_id, t.credit_account_id) GROUP BY l.id, l.code",
    ),
    ("transfer", "SELECT kind || ' ' || amount_nanos FROM transfer"),
    ("grant", "SELECT kind || ' ' || amount_nanos || ', left ' || remaining_nanos FROM credit_grant"),
    ("top-up", "SELECT CASE WHEN automatic THEN 'automatic ' ELSE '' END || amount_minor || ' ' || state FROM top_up"),
    (
        "invoice",
        "SELECT right(number, 6) || ' ' || document_state || ' ' || payment_state || ' ' || total_minor || ', paid ' || paid_minor
             || ', credited ' || credited_minor || ', refunded ' || refunded_minor || ', lines '
             || (SELECT count(*) FROM invoice_line l WHERE l.invoice_id = invoice.id)
             || CASE WHEN stripe_invoice_id IS NULL THEN '' ELSE ', at Stripe' END FROM invoice",
    ),
    ("payment", "SELECT method || ' ' || amount_minor || ', refunded ' || refunded_minor FROM payment"),
    ("credit note", "SELECT amount_minor || ' ' || settlement || ' ' || refund_state FROM credit_note"),
    ("dispute", "SELECT state || ' ' || amount_minor || ', frozen ' || frozen_nanos FROM dispute"),
    ("difference", "SELECT object || ' ' || what || ': ' || ours || ', ' || theirs FROM stripe_difference WHERE resolved_at IS NULL"),
    ("dunning", "SELECT failures || ' failed, ' || told || ' told' FROM dunning"),
    ("mail", "SELECT letter || CASE WHEN sent_at IS NULL THEN ' (not sent)' ELSE '' END FROM mail"),
    ("job", "SELECT kind || ' ' || state || ' ' || coalesce(last_error, '') FROM queue_job WHERE key IS DISTINCT FROM 'periodic'"),
    ("credit movement", "SELECT kind || ' ' || amount_nanos FROM credit_movement"),
    ("audit", "SELECT action || ' by ' || actor FROM audit_log"),
    ("told the customer's server", "SELECT event FROM webhook_delivery"),
    ("event not done", "SELECT kind FROM stripe_inbox WHERE done_at IS NULL"),
];

/// What is Stripe's: a list, and the members of its objects that count.
const THEIRS: &[(&str, &[&str])] = &[
    ("customers", &["name", "balance"]),
    ("payment_intents", &["status", "amount", "amount_received"]),
    ("charges", &["status", "amount", "amount_refunded", "disputed"]),
    ("refunds", &["status", "amount"]),
    ("credit_notes", &["status", "amount"]),
    ("disputes", &["status", "amount"]),
    ("invoices", &["status", "total", "amount_paid", "attempt_count"]),
    ("checkout/sessions", &["mode", "status", "payment_status", "amount_total"]),
];

/// A line for each thing, in the order of the text.
pub async fn end(world: &World) -> String {
    let mut lines = Vec::new();
    for (name, sql) in OURS {
        let rows = world.db.query_all_raw(Statement::from_string(world.db.get_database_backend(), *sql)).await.expect("a query");
        lines.extend(rows.iter().map(|row| format!("{name}: {}", row.try_get_by_index::<String>(0).expect("a text"))));
    }
    for (name, members) in THEIRS {
        let list = world.till.get(&format!("/v1/{name}?limit=100")).await;
        for object in list["data"].as_array().expect("a list") {
            lines.push(format!("Stripe {name}: {}{}", said(object, members), lines_of(object)));
            if let Some(card) = object["invoice_settings"]["default_payment_method"].as_str() {
                let card = world.till.get(&format!("/v1/payment_methods/{card}")).await;
                lines.push(format!("Stripe default card: {}", card["card"]["last4"]));
            }
        }
    }
    lines.sort();
    lines.join("\n")
}

fn said(object: &Value, members: &[&str]) -> String {
    members.iter().map(|member| format!("{member} {}", object[*member])).collect::<Vec<_>>().join(", ")
}

fn lines_of(object: &Value) -> String {
    object["lines"]["data"].as_array().map(|lines| format!(", {} lines", lines.len())).unwrap_or_default()
}

/// Lines that only one of two ends has.
pub fn difference(expected: &str, found: &str) -> Vec<String> {
    let mut rest: Vec<&str> = found.lines().collect();
    let mut missing = Vec::new();
    for line in expected.lines() {
        match rest.iter().position(|other| *other == line) {
            Some(at) => drop(rest.remove(at)),
            None => missing.push(format!("- {line}")),
        }
    }
    missing.extend(rest.iter().map(|line| format!("+ {line}")));
    missing
}
