//! async-stripe reads our answers: one missing required member fails a whole object there.

use stripe_shared::{
    CheckoutSession, CheckoutSessionStatus, CreditNote, Customer, Dispute, Event, Invoice, InvoicePayment, InvoiceStatus, PaymentIntent,
    PaymentMethod, Refund, SetupIntent, TaxId,
};

use super::{Stand, text};

fn read<T: miniserde::Deserialize>(what: &str, answer: &serde_json::Value) -> T {
    miniserde::json::from_str(&answer.to_string()).unwrap_or_else(|_| panic!("async-stripe cannot read {what}: {answer:#}"))
}

#[tokio::test]
async fn async_stripe_reads_every_object() {
    let stand = Stand::start("", None).await;
    let customer = stand.customer().await;
    let session = stand.top_up(&customer).await;
    read::<CheckoutSession>("an open session", &stand.get(&format!("/v1/checkout/sessions/{session}")).await);
    stand.fill(&format!("/pay/{session}"), "4242424242424242").await;
    let answer = stand
        .get(&format!("/v1/checkout/sessions/{session}?expand[]=line_items&expand[]=payment_intent.latest_charge&expand[]=customer"))
        .await;
    let paid: CheckoutSession = read("a paid session", &answer);
    assert_eq!(paid.status, Some(CheckoutSessionStatus::Complete));
    assert_eq!(paid.line_items.map(|items| items.data.len()), Some(1));
    let intent = text(&answer["payment_intent"], "id");
    read::<PaymentIntent>(
        "a payment intent",
        &stand.get(&format!("/v1/payment_intents/{intent}?expand[]=payment_method&expand[]=latest_charge")).await,
    );
    read::<stripe_types::List<PaymentMethod>>("cards", &stand.get(&format!("/v1/customers/{customer}/payment_methods")).await);
    read::<Refund>("a refund", &stand.post("/v1/refunds", &[("payment_intent", &intent), ("amount", "100")]).await.1);

    let invoice = stand.invoice(&customer, "4200").await;
    stand.fill(&format!("/invoice/{invoice}"), "4242424242424242").await;
    let answer = stand.get(&format!("/v1/invoices/{invoice}?expand[]=payments.data.payment.payment_intent&expand[]=customer")).await;
    let read_back: Invoice = read("an invoice", &answer);
    assert_eq!((read_back.status, read_back.total, read_back.lines.data.len()), (Some(InvoiceStatus::Paid), 4200, 1));
    read::<stripe_types::List<InvoicePayment>>("invoice payments", &stand.get(&format!("/v1/invoice_payments?invoice={invoice}")).await);
    read::<stripe_types::List<Invoice>>("invoices", &stand.get("/v1/invoices").await);

    let setup = [("mode", "setup"), ("currency", "usd"), ("customer", customer.as_str()), ("success_url", "http://shop.test/ok")];
    let (_, setup) = stand.post("/v1/checkout/sessions?", &setup).await;
    read::<CheckoutSession>("a setup session", &setup);
    read::<SetupIntent>("a setup intent", &stand.get(&format!("/v1/setup_intents/{}", text(&setup, "setup_intent"))).await);
    read::<Customer>("a customer", &stand.get(&format!("/v1/customers/{customer}")).await);
    let note = [("invoice", invoice.as_str()), ("amount", "100"), ("refund_amount", "100")];
    read::<CreditNote>("a credit note", &stand.post("/v1/credit_notes", &note).await.1);
    stand.paid(&customer, "pm_card_createDispute").await;
    read::<stripe_types::List<Dispute>>("disputes", &stand.get("/v1/disputes").await);
    let tax_id = stand.post(&format!("/v1/customers/{customer}/tax_ids"), &[("type", "eu_vat"), ("value", "DE123456789")]).await.1;
    read::<TaxId>("a tax id", &tax_id);
    let events: stripe_types::List<Event> = read("events", &stand.get("/v1/events?limit=100").await);
    assert!(events.data.len() > 10);
}
