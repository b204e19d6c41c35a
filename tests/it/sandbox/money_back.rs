//! Refunds, disputes and credit notes.

use serde_json::Value;

use super::{Stand, text};

async fn code(stand: &Stand, path: &str, form: &[(&str, &str)]) -> (u16, String) {
    let (status, body) = stand.post(path, form).await;
    (status, body["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_refund_may_fail_after_it_was_told() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let mut ends = Vec::new();
    for card in ["pm_card_visa", "pm_card_pendingRefund", "pm_card_refundFail"] {
        let intent = text(&stand.paid(&customer, card).await, "id");
        let (_, told) = stand.post("/v1/refunds", &[("payment_intent", &intent), ("amount", "1000")]).await;
        let id = text(&told, "id");
        let read = stand.get(&format!("/v1/refunds/{id}")).await;
        let charge = stand.get(&format!("/v1/charges/{}", text(&read, "charge"))).await;
        ends.push((text(&told, "status"), text(&read, "status"), charge["amount_refunded"].as_i64().expect("a number")));
    }
    let ends: Vec<_> = ends.iter().map(|(told, read, left)| (told.as_str(), read.as_str(), *left)).collect();
    assert_eq!(ends, [("succeeded", "succeeded", 1000), ("pending", "succeeded", 1000), ("succeeded", "failed", 0)]);

    let intent = text(&stand.paid(&customer, "pm_card_visa").await, "id");
    let (_, refund) = stand.post("/v1/refunds", &[("payment_intent", &intent)]).await;
    assert_eq!(code(&stand, "/v1/refunds", &[("payment_intent", &intent)]).await, (400, "charge_already_refunded".into()));
    let failed = stand.control(&format!("refunds/{}/fail", text(&refund, "id"))).await;
    assert_eq!((failed["status"].as_str(), failed["failure_reason"].as_str()), (Some("failed"), Some("unknown")));
    assert_eq!(stand.post("/v1/refunds", &[("payment_intent", &intent)]).await.0, 200, "it can be tried again");
    let events = stand.events().await;
    for kind in ["refund.created", "refund.updated", "refund.failed", "charge.refunded"] {
        assert!(events.iter().any(|event| event == kind), "{kind}");
    }
}

#[tokio::test]
async fn a_dispute_takes_the_money_and_evidence_decides() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let mut ends = Vec::new();
    for evidence in ["winning_evidence", "losing_evidence", ""] {
        let intent = text(&stand.paid(&customer, "pm_card_createDispute").await, "id");
        let dispute = stand.get(&format!("/v1/disputes?payment_intent={intent}")).await["data"][0].clone();
        let id = text(&dispute, "id");
        assert_eq!((dispute["status"].as_str(), dispute["amount"].as_i64()), (Some("needs_response"), Some(2500)));
        assert_eq!(code(&stand, "/v1/refunds", &[("payment_intent", &intent)]).await, (400, "charge_disputed".into()));
        let answered = match evidence {
            "" => stand.post(&format!("/v1/disputes/{id}/close"), &[]).await.1,
            text => stand.post(&format!("/v1/disputes/{id}"), &[("evidence[uncategorized_text]", text), ("submit", "true")]).await.1,
        };
        let read = stand.get(&format!("/v1/disputes/{id}")).await;
        ends.push((text(&answered, "status"), text(&read, "status"), read["balance_transactions"].as_array().map_or(0, Vec::len)));
        assert_eq!(code(&stand, &format!("/v1/disputes/{id}/close"), &[]).await, (400, "dispute_already_closed".into()));
    }
    let ends: Vec<_> = ends.iter().map(|(told, read, count)| (told.as_str(), read.as_str(), *count)).collect();
    assert_eq!(ends, [("under_review", "won", 2), ("under_review", "lost", 1), ("lost", "lost", 1)]);

    let intent = text(&stand.paid(&customer, "pm_card_visa").await, "id");
    let dispute = stand.control(&format!("disputes?payment_intent={intent}&reason=product_not_received")).await;
    let won = stand.control(&format!("disputes/{}/won", text(&dispute, "id"))).await;
    assert_eq!((won["reason"].as_str(), won["status"].as_str()), (Some("product_not_received"), Some("won")));
    assert_eq!(stand.post("/v1/refunds", &[("payment_intent", &intent)]).await.0, 200, "the money is back");
    let events = stand.events().await;
    for kind in ["created", "funds_withdrawn", "updated", "closed", "funds_reinstated"] {
        assert!(events.contains(&format!("charge.dispute.{kind}")), "{kind}");
    }
}

async fn of_invoice(stand: &Stand, id: &str) -> (String, i64, i64) {
    let invoice: Value = stand.get(&format!("/v1/invoices/{id}")).await;
    let number = |name: &str| invoice[name].as_i64().expect("a number");
    (
        text(&invoice, "status"),
        number("amount_remaining"),
        number("pre_payment_credit_notes_amount") + number("post_payment_credit_notes_amount"),
    )
}

#[tokio::test]
async fn a_credit_note_lowers_what_is_open() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let id = stand.invoice(&customer, "5000").await;
    let note = async |form: &[(&str, &str)]| stand.post("/v1/credit_notes", &[&[("invoice", id.as_str())], form].concat()).await;
    assert_eq!(note(&[("amount", "5001")]).await.0, 400, "more than it asks for");
    let (_, first) = note(&[("amount", "2000"), ("reason", "product_unsatisfactory"), ("memo", "sorry")]).await;
    assert_eq!(
        (first["type"].as_str(), first["total"].as_i64(), first["lines"]["data"][0]["amount"].as_i64()),
        (Some("pre_payment"), Some(2000), Some(2000))
    );
    assert_eq!(of_invoice(&stand, &id).await, ("open".into(), 3000, 2000));
    assert_eq!(stand.post(&format!("/v1/credit_notes/{}/void", text(&first, "id")), &[]).await.1["status"], "void");
    assert_eq!(of_invoice(&stand, &id).await, ("open".into(), 5000, 0));
    note(&[("amount", "1500")]).await;
    assert_eq!(stand.fill(&format!("/invoice/{id}"), "4242424242424242").await.0, 303);
    let intents = stand.get(&format!("/v1/payment_intents?customer={customer}")).await;
    assert_eq!(intents["data"][0]["amount_received"], 3500, "what was left");

    let whole = stand.invoice(&customer, "700").await;
    let (_, all) = stand
        .post(
            "/v1/credit_notes",
            &[
                ("invoice", &whole),
                ("lines[0][type]", "custom_line_item"),
                ("lines[0][quantity]", "7"),
                ("lines[0][unit_amount]", "100"),
                ("lines[0][description]", "all of it"),
            ],
        )
        .await;
    assert_eq!(all["total"], 700);
    assert_eq!(of_invoice(&stand, &whole).await, ("paid".into(), 0, 700), "nothing is left to pay");
    assert_eq!(stand.get(&format!("/v1/credit_notes?invoice={id}")).await["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_credit_note_on_a_paid_invoice_says_where_the_money_goes() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let id = stand.invoice(&customer, "5000").await;
    assert_eq!(stand.fill(&format!("/invoice/{id}"), "4242424242424242").await.0, 303);
    let note = async |form: &[(&str, &str)]| stand.post("/v1/credit_notes", &[&[("invoice", id.as_str())], form].concat()).await;
    assert_eq!(note(&[("amount", "1000")]).await.0, 400, "nobody said where to");
    let (_, refunded) = note(&[("amount", "1000"), ("refund_amount", "1000")]).await;
    let refund = stand.get(&format!("/v1/refunds/{}", text(&refunded["refunds"][0], "refund"))).await;
    assert_eq!((refund["status"].as_str(), refund["amount"].as_i64()), (Some("succeeded"), Some(1000)));

    let intent = text(&refund, "payment_intent");
    let (_, own) = stand.post("/v1/refunds", &[("payment_intent", &intent), ("amount", "500")]).await;
    let (status, linked) =
        note(&[("amount", "500"), ("refunds[0][refund]", &text(&own, "id")), ("refunds[0][amount_refunded]", "500")]).await;
    assert_eq!((status, linked["type"].as_str()), (200, Some("post_payment")), "one that was made before");
    assert_eq!(note(&[("amount", "300"), ("credit_amount", "300")]).await.0, 200);
    assert_eq!(note(&[("amount", "200"), ("out_of_band_amount", "200")]).await.1["out_of_band_amount"], 200);
    assert_eq!(stand.get(&format!("/v1/customers/{customer}")).await["balance"], -300);
    assert_eq!(of_invoice(&stand, &id).await, ("paid".into(), 0, 2000));
    assert_eq!(note(&[("amount", "3001"), ("credit_amount", "3001")]).await.0, 400, "no more than the invoice");
    assert_eq!(stand.post(&format!("/v1/credit_notes/{}/void", text(&refunded, "id")), &[]).await.0, 400, "the money is gone");
    let taken = stand.get(&format!("/v1/charges/{}", text(&refund, "charge"))).await;
    assert_eq!(taken["amount_refunded"], 1500);
}
