//! Webhooks of Stripe: proving who sent them, and the little of them that is believed. What happened is asked of Stripe again.

use std::str::FromStr;

use entity::Time;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use crate::platform::secret;

/// How old, or how far in the future, a signature may be.
const TOLERANCE_SECONDS: i64 = 300;

/// Why a webhook is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the Stripe-Signature header is missing or unreadable")]
    Malformed,
    #[error("the signature is more than five minutes away from now")]
    Stale,
    #[error("no active secret made this signature")]
    Forged,
}

/// Checks a `Stripe-Signature` header over the raw body. Any of the secrets may have signed: two while one is rotated.
///
/// # Errors
/// See [`SignatureError`].
pub fn verify(header: &str, body: &[u8], secrets: &[SecretString], now: Time) -> Result<(), SignatureError> {
    let fields = || header.split(',').filter_map(|field| field.trim().split_once('='));
    let stamp = fields().find(|(name, _)| *name == "t").map(|(_, value)| value).ok_or(SignatureError::Malformed)?;
    let seconds = i64::from_str(stamp).map_err(|_| SignatureError::Malformed)?;
    let message = [stamp.as_bytes(), b".", body].concat();
    let expected: Vec<_> = secrets.iter().map(|key| secret::sign(key.expose_secret(), &message)).collect();
    let signatures = || fields().filter(|(name, _)| *name == "v1").map(|(_, value)| value);
    if signatures().next().is_none() {
        return Err(SignatureError::Malformed);
    }
    if !signatures().any(|given| expected.iter().any(|right| secret::equal(given, right))) {
        return Err(SignatureError::Forged);
    }
    if now.timestamp().checked_sub(seconds).is_none_or(|age| age.abs() > TOLERANCE_SECONDS) {
        return Err(SignatureError::Stale);
    }
    Ok(())
}

/// What is taken from a webhook: which event, and which object to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub event_id: String,
    pub kind: String,
    /// Empty when the object has none.
    pub object_id: String,
    pub livemode: bool,
    /// Of another account that is connected to ours.
    pub foreign: bool,
}

impl Notice {
    /// Reads the body of any event of any API version.
    ///
    /// # Errors
    /// When it is no event.
    pub fn parse(body: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Event {
            id: String,
            r#type: String,
            #[serde(default)]
            livemode: bool,
            /// Only told of accounts that are connected to ours.
            account: Option<String>,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            object: Object,
        }
        #[derive(Deserialize)]
        struct Object {
            #[serde(default)]
            id: String,
        }
        let event: Event = serde_json::from_slice(body)?;
        Ok(Self {
            event_id: event.id,
            kind: event.r#type,
            object_id: event.data.object.id,
            livemode: event.livemode,
            foreign: event.account.is_some(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1","type":"invoice.paid","data":{"object":{"id":"in_1"}}}"#;

    fn now() -> Time {
        "2026-11-20T12:00:00Z".parse().unwrap()
    }

    fn signed(key: &str, seconds: i64) -> String {
        let signature = secret::sign(key, [seconds.to_string().as_bytes(), b".", BODY].concat());
        format!("t={seconds},v1={signature},v0=old")
    }

    fn check(header: &str, body: &[u8]) -> Result<(), SignatureError> {
        verify(header, body, &["whsec_new".into(), "whsec_old".into()], now())
    }

    #[test]
    fn either_secret_may_sign_while_one_is_rotated() {
        let at = now().timestamp();
        assert_eq!(check(&signed("whsec_old", at), BODY), Ok(()));
        assert_eq!(check(&signed("whsec_new", at - 300), BODY), Ok(()));
        let two = format!("{},v1={}", signed("whsec_gone", at), signed("whsec_new", at).split_once("v1=").unwrap().1);
        assert_eq!(check(&two, BODY), Ok(()));
    }

    #[test]
    fn forged_changed_stale_and_unreadable_are_refused() {
        let at = now().timestamp();
        assert_eq!(check(&signed("whsec_other", at), BODY), Err(SignatureError::Forged));
        assert_eq!(check(&signed("whsec_new", at), b"{}"), Err(SignatureError::Forged));
        assert_eq!(check(&signed("whsec_new", at - 301), BODY), Err(SignatureError::Stale));
        assert_eq!(check(&signed("whsec_new", at + 301), BODY), Err(SignatureError::Stale));
        for header in ["", "t=1", "v1=00", "t=x,v1=00", "nonsense", "t=,v1="] {
            assert_eq!(check(header, BODY), Err(SignatureError::Malformed), "{header:?}");
        }
        assert_eq!(check(&format!("t={},v1=00", i64::MIN), BODY), Err(SignatureError::Forged));
    }

    #[test]
    fn a_notice_names_the_object_to_read() {
        let notice = Notice::parse(BODY).unwrap();
        assert_eq!((notice.event_id.as_str(), notice.kind.as_str(), notice.object_id.as_str()), ("evt_1", "invoice.paid", "in_1"));
        assert!(Notice::parse(b"[]").is_err());
    }
}
