//! Typed ids: a UUIDv7 in the database, `prefix_` plus 26 Crockford base-32 digits outside.

use std::fmt;

use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use uuid::Uuid;

/// Crockford's base 32, lower case: no `i l o u`, and double-click selects the whole id.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidId {
    /// The prefix that was expected, without its underscore.
    pub expected: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected an id that looks like {}_…", self.expected)
    }
}

impl std::error::Error for InvalidId {}

fn encode(value: u128) -> String {
    (0..26).rev().map(|digit| DIGITS[((value >> (digit * 5)) & 31) as usize] as char).collect()
}

fn decode(text: &str) -> Option<u128> {
    // 26 digits hold 130 bits: the first may only carry three.
    if text.len() != 26 || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |value, byte| {
        let digit = DIGITS.iter().position(|&known| known == byte)?;
        Some(value << 5 | digit as u128)
    })
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, DeriveValueType, serde::Serialize, serde::Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A fresh id. UUIDv7, so that ids made later sort later.
            #[expect(clippy::new_without_default, reason = "a fresh id is never a default value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), encode(self.0.as_u128()))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(|value| Self(Uuid::from_u128(value)))
                    .ok_or(InvalidId { expected: $prefix })
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }
    };
}

id_type!(/// A customer company.
    AccountId, "acct");
id_type!(/// A person in an account.
    MemberId, "mem");
id_type!(/// A browser session.
    SessionId, "ses");
id_type!(/// An API key.
    KeyId, "key");
id_type!(/// A plan.
    PlanId, "plan");
id_type!(/// One immutable version of a plan.
    PlanVersionId, "planv");
id_type!(/// One price of a plan version.
    PriceId, "price");
id_type!(/// A subscription of an account to a plan version.
    SubscriptionId, "sub");
id_type!(/// A billing period of an account.
    PeriodId, "per");
id_type!(/// A metered call.
    EventId, "evt");
id_type!(/// One HTTP request.
    RequestId, "req");
id_type!(/// What may be spent under one limit.
    BalanceId, "bal");
id_type!(/// A slice of a balance held by one replica.
    LeaseId, "lease");
id_type!(/// An account of the ledger.
    LedgerAccountId, "ledg");
id_type!(/// A transfer of the ledger.
    TransferId, "tr");
id_type!(/// A credit grant.
    GrantId, "grant");
id_type!(/// What became of a credit grant.
    CreditMovementId, "cm");
id_type!(/// A credit note.
    CreditNoteId, "cn");
id_type!(/// A coupon.
    CouponId, "coup");
id_type!(/// A coupon that an account has.
    CouponRedemptionId, "cred");
id_type!(/// An entry of the audit log.
    AuditId, "aud");
id_type!(/// A top-up of credit.
    TopUpId, "topup");
id_type!(/// An invoice.
    InvoiceId, "inv");
id_type!(/// A line of an invoice.
    InvoiceLineId, "il");
id_type!(/// An item that waits for its invoice.
    InvoiceItemId, "ii");
id_type!(/// A payment of an invoice.
    PaymentId, "pay");
id_type!(/// A mail in the outbox.
    MailId, "mail");
id_type!(/// A customer's asynchronous inference.
    JobId, "job");
id_type!(/// A job of our own background queue.
    QueueJobId, "qjob");
id_type!(/// A customer's webhook endpoint.
    EndpointId, "we");
id_type!(/// An event on its way to an endpoint.
    DeliveryId, "msg");
id_type!(/// An answer of the inference API.
    InferenceId, "inf");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_refuses_what_is_not_its_own() {
        let id = AccountId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), "acct_".len() + 26);
        assert!(id.to_string().parse::<KeyId>().is_err());
        assert!("acct_".parse::<AccountId>().is_err());
        // 26 digits that would need 129 bits.
        assert!("acct_80000000000000000000000000".parse::<AccountId>().is_err());
        assert_eq!("acct_7zzzzzzzzzzzzzzzzzzzzzzzzz".parse(), Ok(AccountId(Uuid::from_u128(u128::MAX))));
    }
}
