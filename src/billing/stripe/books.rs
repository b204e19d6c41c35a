//! Stripe's own list of what happened: asked now and then for what no webhook told.

use entity::Time;
use miniserde::json::Value;
use stripe_core::event::ListEvent;
use stripe_shared::Event;

use super::event::Notice;
use super::{PAGE, Stripe, since};
use crate::billing::provider::ProviderError;

/// What we act upon; the rest is neither asked for nor kept when it comes. At most 20 in a call.
const KINDS: [&[&str]; 2] = [
    &[
        "checkout.session.completed",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "checkout.session.expired",
        "setup_intent.succeeded",
        "setup_intent.setup_failed",
        "payment_method.attached",
        "payment_method.detached",
        "payment_method.updated",
        "payment_method.automatically_updated",
        "customer.updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
    ],
    &[
        "invoice.finalized",
        "invoice.paid",
        "invoice.payment_failed",
        "invoice.payment_action_required",
        "invoice.overdue",
        "invoice.voided",
        "invoice.marked_uncollectible",
        "invoice.finalization_failed",
        "invoice.sent",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "refund.created",
        "refund.updated",
        "refund.failed",
        "credit_note.created",
        "credit_note.voided",
    ],
];

/// What happened since an instant, the oldest first. Stripe remembers thirty days.
///
/// # Errors
/// When Stripe refuses.
pub async fn events_since(stripe: &Stripe, instant: Time) -> Result<Vec<Notice>, ProviderError> {
    let mut events = Vec::new();
    for kinds in KINDS {
        let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let list = ListEvent::new().created(since(instant)).types(kinds).limit(PAGE);
        events.extend(stripe.all(list.paginate()).await?);
    }
    events.sort_by_key(|event| event.created);
    Ok(events.into_iter().map(notice).collect())
}

fn notice(event: Event) -> Notice {
    let object_id = match &event.data.object {
        Value::Object(object) => object.get("id"),
        _ => None,
    };
    let object_id = match object_id {
        Some(Value::String(id)) => id.clone(),
        _ => String::new(),
    };
    Notice {
        event_id: event.id.to_string(),
        kind: event.type_.as_str().to_owned(),
        object_id,
        livemode: event.livemode,
        foreign: event.account.is_some(),
    }
}
