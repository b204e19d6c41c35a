//! Charging a saved card while nobody is there.

use std::collections::HashMap;

use entity::Time;
use sea_orm::DatabaseConnection;
use stripe_core::payment_intent::{CreatePaymentIntent, CreatePaymentIntentOffSession, ListPaymentIntent, RetrievePaymentIntent};
use stripe_shared::{ChargeStatus, PaymentIntent, PaymentIntentStatus};
use stripe_types::Expandable;

use super::{PAGE, Stripe};
use crate::billing::provider::{Charge, ChargeState, NewCharge, ProviderError};

/// Charges a saved card. The same thing is charged once.
///
/// # Errors
/// When the card is declined or its bank wants the customer; otherwise when Stripe refuses.
pub async fn create(db: &DatabaseConnection, stripe: &Stripe, new: NewCharge<'_>, wall_now: Time) -> Result<Charge, ProviderError> {
    let request = CreatePaymentIntent::new(new.amount.0, super::currency(new.currency)?)
        .customer(new.customer)
        .payment_method(new.payment_method)
        .description(new.description)
        .metadata(HashMap::from([("top_up_id".to_owned(), new.top_up.to_owned())]))
        .confirm(true)
        .off_session(CreatePaymentIntentOffSession::Bool(true));
    let earlier = async {
        let list = ListPaymentIntent::new().customer(new.customer).limit(PAGE);
        let made = stripe.all(list.paginate()).await?;
        // Of several attempts the one that took money counts.
        let mut ours: Vec<_> = made.into_iter().filter(|intent| of(intent) == Some(new.top_up)).collect();
        ours.sort_by_key(|intent| !matches!(intent.status, PaymentIntentStatus::Succeeded | PaymentIntentStatus::Processing));
        Ok(ours.into_iter().next())
    };
    stripe.once(db, format!("topup:{}", new.top_up), request, earlier, wall_now).await.map(ours)
}

/// Reads a charge.
///
/// # Errors
/// When Stripe refuses.
pub async fn find(stripe: &Stripe, id: &str) -> Result<Charge, ProviderError> {
    stripe.read(RetrievePaymentIntent::new(id)).await.map(ours)
}

/// Our clock and Stripe's agree to within this, in seconds.
const SKEW: i64 = 60;

/// Whether the latest try at a charge was refused, at `instant` or later.
///
/// # Errors
/// The refusal, as the answer had said it; and when Stripe refuses to tell.
pub(super) async fn refused_since(stripe: &Stripe, id: &str, instant: Time) -> Result<(), ProviderError> {
    let intent = stripe.read(RetrievePaymentIntent::new(id).expand(vec!["latest_charge".to_owned()])).await?;
    let Some(Expandable::Object(latest)) = &intent.latest_charge else { return Ok(()) };
    if latest.status != ChargeStatus::Failed || latest.created < instant.timestamp() - SKEW {
        return Ok(());
    }
    let (code, message) = (latest.failure_code.clone().unwrap_or_default(), latest.failure_message.clone().unwrap_or_default());
    let request_id = "unknown: its answer was lost".to_owned();
    Err(match ours(intent).state {
        ChargeState::ActionNeeded => ProviderError::ActionNeeded { request_id },
        _ => ProviderError::Refused { status: 402, kind: "card_error".into(), code, message, request_id, replayed: false },
    })
}

fn of(intent: &PaymentIntent) -> Option<&str> {
    intent.metadata.get("top_up_id").map(String::as_str)
}

fn ours(intent: PaymentIntent) -> Charge {
    let waits_for_the_bank = intent.last_payment_error.as_ref().is_some_and(|error| {
        let code = error.decline_code.as_deref().or(error.code.as_ref().map(|code| code.as_str()));
        code == Some("authentication_required")
    });
    Charge {
        top_up: of(&intent).map(str::to_owned),
        id: intent.id.to_string(),
        state: match intent.status {
            PaymentIntentStatus::Succeeded => ChargeState::Paid,
            PaymentIntentStatus::RequiresAction => ChargeState::ActionNeeded,
            PaymentIntentStatus::RequiresPaymentMethod if waits_for_the_bank => ChargeState::ActionNeeded,
            PaymentIntentStatus::RequiresPaymentMethod | PaymentIntentStatus::Canceled => ChargeState::Refused,
            _ => ChargeState::UnderWay,
        },
    }
}
