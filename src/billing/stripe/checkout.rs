//! Hosted pages: paying for credit, and saving a card.

use std::collections::HashMap;

use entity::Time;
use entity::money::Minor;
use sea_orm::DatabaseConnection;
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionPaymentMethodOptions, CreateCheckoutSessionPaymentMethodOptionsCard,
    CreateCheckoutSessionPaymentMethodOptionsCardSetupFutureUsage, CreateCheckoutSessionPaymentMethodOptionsWechatPay,
    CreateCheckoutSessionPaymentMethodOptionsWechatPayClient, CreateCheckoutSessionSetupIntentData, ListCheckoutSession, ProductData,
    RetrieveCheckoutSession,
};
use stripe_shared::{CheckoutSession, CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus};

use super::{PAGE, Stripe, capabilities, since};
use crate::billing::provider::{NewSession, ProviderError, Session};

/// Makes the payment page; a card used there is saved for invoices. Which ways to pay it offers is Stripe's choice by currency
/// and place (dynamic payment methods), Alipay and WeChat Pay among them.
///
/// # Errors
/// When Stripe refuses.
pub async fn create(db: &DatabaseConnection, stripe: &Stripe, new: NewSession<'_>, wall_now: Time) -> Result<Session, ProviderError> {
    let metadata = HashMap::from([("top_up_id".to_owned(), new.top_up.to_owned())]);
    let price = CreateCheckoutSessionLineItemsPriceData {
        unit_amount: Some(new.amount.0),
        product_data: Some(ProductData::new(new.description)),
        ..CreateCheckoutSessionLineItemsPriceData::new(super::currency(new.currency)?)
    };
    let item = CreateCheckoutSessionLineItems { price_data: Some(price), quantity: Some(1), ..CreateCheckoutSessionLineItems::new() };
    let intent =
        CreateCheckoutSessionPaymentIntentData { metadata: Some(metadata.clone()), ..CreateCheckoutSessionPaymentIntentData::new() };
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .customer(new.customer)
        .line_items(vec![item])
        .payment_intent_data(intent)
        .payment_method_options(options(new.currency))
        .client_reference_id(new.top_up)
        .metadata(metadata)
        .success_url(new.success_url)
        .cancel_url(new.cancel_url);
    let earlier = async {
        let list = ListCheckoutSession::new().customer(new.customer).limit(PAGE);
        let made = stripe.all(list.paginate()).await?;
        Ok(made.into_iter().find(|session| session.client_reference_id.as_deref() == Some(new.top_up)))
    };
    // Beside the charge that a card may have been asked for under the same purchase.
    stripe.once(db, format!("topup:{}:page", new.top_up), request, earlier, wall_now).await.map(ours)
}

/// On the card alone: asked for in general, saving would hide wallets, which cannot be charged again.
fn options(currency: &str) -> CreateCheckoutSessionPaymentMethodOptions {
    let card = CreateCheckoutSessionPaymentMethodOptionsCard {
        setup_future_usage: Some(CreateCheckoutSessionPaymentMethodOptionsCardSetupFutureUsage::OffSession),
        ..CreateCheckoutSessionPaymentMethodOptionsCard::new()
    };
    let web = CreateCheckoutSessionPaymentMethodOptionsWechatPayClient::Web;
    let wechat = capabilities(currency).wallets.then(|| CreateCheckoutSessionPaymentMethodOptionsWechatPay::new(web));
    CreateCheckoutSessionPaymentMethodOptions { card: Some(card), wechat_pay: wechat, ..CreateCheckoutSessionPaymentMethodOptions::new() }
}

/// Makes a page that saves a card for `account` and takes no money. One that was lost was never shown: the customer asks for
/// another.
///
/// # Errors
/// When Stripe refuses.
pub async fn create_setup(
    stripe: &Stripe,
    (customer, account, currency): (&str, &str, &str),
    (success_url, cancel_url): (&str, &str),
) -> Result<Session, ProviderError> {
    let metadata = HashMap::from([("account_id".to_owned(), account.to_owned())]);
    let intent = CreateCheckoutSessionSetupIntentData { metadata: Some(metadata.clone()), ..CreateCheckoutSessionSetupIntentData::new() };
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Setup)
        .currency(super::currency(currency)?)
        .customer(customer)
        .setup_intent_data(intent)
        .client_reference_id(account)
        .metadata(metadata)
        .success_url(success_url)
        .cancel_url(cancel_url);
    stripe.set(request, "setup").await.map(ours)
}

/// Reads a page.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, id: &str) -> Result<Session, ProviderError> {
    let expand = ["payment_intent.payment_method", "setup_intent"].map(str::to_owned);
    stripe.read(RetrieveCheckoutSession::new(id).expand(expand.to_vec())).await.map(ours)
}

/// Pages of a time that customers came through.
///
/// # Errors
/// When Stripe refuses.
pub async fn complete_since(stripe: &Stripe, instant: Time) -> Result<Vec<Session>, ProviderError> {
    let list = ListCheckoutSession::new().created(since(instant)).status(CheckoutSessionStatus::Complete).limit(PAGE);
    Ok(stripe.all(list.paginate()).await?.into_iter().map(ours).collect())
}

fn ours(session: CheckoutSession) -> Session {
    let intent = session.payment_intent.as_ref().and_then(|intent| intent.as_object());
    let setup = session.setup_intent.as_ref();
    let (paid_with, set_up) = (
        intent.and_then(|intent| intent.payment_method.as_ref()),
        setup.and_then(|setup| setup.as_object()).and_then(|setup| setup.payment_method.as_ref()),
    );
    let kept = paid_with.and_then(|method| method.as_object()).is_some_and(|method| method.customer.is_some());
    let paid = matches!(session.payment_status, CheckoutSessionPaymentStatus::Paid);
    let complete = matches!(session.status, Some(CheckoutSessionStatus::Complete));
    let is_setup = matches!(session.mode, CheckoutSessionMode::Setup);
    let gave_up = intent.is_some_and(|intent| {
        use stripe_shared::PaymentIntentStatus::{Canceled, RequiresPaymentMethod};
        matches!(intent.status, Canceled | RequiresPaymentMethod)
    });
    let mut metadata = session.metadata.unwrap_or_default();
    Session {
        id: session.id.to_string(),
        url: session.url,
        paid,
        complete,
        expired: matches!(session.status, Some(CheckoutSessionStatus::Expired)),
        failed: complete && !paid && !is_setup && gave_up,
        amount: Minor(session.amount_total.unwrap_or(0)),
        currency: session.currency.map(|currency| currency.to_string()).unwrap_or_default(),
        customer: session.customer.as_ref().map(|customer| customer.id().to_string()),
        payment_method: paid_with.or(set_up).map(|method| method.id().to_string()),
        reusable: kept || set_up.is_some(),
        payment_intent: session.payment_intent.as_ref().map(|intent| intent.id().to_string()),
        top_up: metadata.remove("top_up_id"),
        account: metadata.remove("account_id").filter(|_| is_setup),
        setup: setup.map(|setup| setup.id().to_string()),
    }
}
