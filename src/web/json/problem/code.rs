//! Every error code of the API: its status, its title, and what to do. The table is also the pages under `/docs/errors/`.

use poem::http::StatusCode;

/// What a code says to people.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// The `code` member, and the last part of the `type` URL.
    pub code: &'static str,
    pub status: StatusCode,
    /// One short sentence, the same for every occurrence.
    pub title: &'static str,
    /// What the caller does about it.
    pub advice: &'static str,
}

macro_rules! codes {
    ($($variant:ident $code:literal $status:ident $title:literal $advice:literal;)*) => {
        /// An error code. Codes are never renamed: programs branch on them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            /// All of them, in the order of their status.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// What the code says to people.
            pub fn about(self) -> About {
                match self {
                    $(Self::$variant => About { code: $code, status: StatusCode::$status, title: $title, advice: $advice },)*
                }
            }
        }
    };
}

codes! {
    InvalidJson "invalid_json" BAD_REQUEST "The body is not valid JSON."
        "Send one JSON object, encoded as UTF-8. The detail says where reading stopped.";
    InvalidRequest "invalid_request" BAD_REQUEST "The request cannot be read."
        "Compare the request with the API reference; the detail says what could not be read.";
    InvalidKey "invalid_key" UNAUTHORIZED "The API key is missing or not valid."
        "Send the whole key as `Authorization: Bearer lm_…` or `X-API-Key: lm_…`. A revoked or expired key never works again: make a new one under Keys in the portal.";
    InvalidToken "invalid_token" UNAUTHORIZED "The operator's token is missing or not valid."
        "Send the installation's LENSMETER_ADMIN_TOKEN as `Authorization: Bearer …`.";
    InsufficientCredit "insufficient_credit" PAYMENT_REQUIRED "The credit does not cover this call."
        "Top up under Billing in the portal, then send the same request again. Nothing was charged.";
    SpendCapReached "spend_cap_reached" PAYMENT_REQUIRED "The spend cap is reached."
        "Raise the cap under Billing or the budget under API keys in the portal, or wait for the next period. Nothing was charged.";
    AccountSuspended "account_suspended" PAYMENT_REQUIRED "The account is suspended until its open invoice is paid."
        "Pay it under Invoices in the portal, with any card: calls are answered again within a second of the payment. Nothing was charged.";
    Scope "scope" FORBIDDEN "The key does not have the scope this route needs."
        "Use a key with the scope that the detail names, or make one under Keys in the portal.";
    IpNotAllowed "ip_not_allowed" FORBIDDEN "The key may not be used from this address."
        "Call from an address on the key's allow-list, or change the list under Keys in the portal.";
    ModelNotAllowed "model_not_allowed" FORBIDDEN "The key may not use this model."
        "Ask for a model on the key's list, or change the list under Keys in the portal.";
    NotInPlan "not_in_plan" FORBIDDEN "The account's plan does not include this."
        "Look at what the plan includes under Billing in the portal, or ask us for another plan.";
    NotFound "not_found" NOT_FOUND "There is nothing here."
        "Check the path and the id. Ids of another account are not found either.";
    UnknownModel "unknown_model" NOT_FOUND "There is no such model."
        "`GET /v1/models` lists the models and the task of each.";
    MethodNotAllowed "method_not_allowed" METHOD_NOT_ALLOWED "The route does not know this method."
        "The API reference lists the methods of every path.";
    IdempotencyConflict "idempotency_conflict" CONFLICT "A request with this Idempotency-Key is still running."
        "Wait a moment and send the same request again: you will get the stored answer, free of charge.";
    PriceChanged "price_changed" CONFLICT "The price rose after the job was submitted."
        "Submit it again to have it run at the present price. Nothing was charged.";
    SubscriptionState "subscription_state" CONFLICT "The subscription is not in a state for this."
        "`GET /v1/subscription` shows what runs and what is to happen at the end of the period.";
    InvoiceState "invoice_state" CONFLICT "The invoice is not in a state for this."
        "The detail says what it is, and what to do instead.";
    TooManyKeys "too_many_keys" CONFLICT "The account has as many keys as it may have."
        "Revoke a key that is not used any more, then make the new one.";
    KeyInactive "key_inactive" CONFLICT "The key is revoked or expired."
        "It never works again, whatever is changed on it: make a new one.";
    TooManySecrets "too_many_secrets" CONFLICT "The key has as many old secrets as it may have."
        "Wait until one of them has run out, or rotate with `overlap` 0, which ends all old secrets at once.";
    LiveAccount "live_account" CONFLICT "The account is in live mode."
        "Only a test-mode account has a clock that can be moved: time is real where money is.";
    ImageTooLarge "image_too_large" PAYLOAD_TOO_LARGE "The image is too large."
        "Send at most 20 MB and at most the number of pixels that the detail names; scale the image down first.";
    BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "The body is too large."
        "Bodies of this route are small JSON objects, at most 64 KB.";
    UnsupportedMediaType "unsupported_media_type" UNSUPPORTED_MEDIA_TYPE "This kind of body is not understood."
        "For images send multipart/form-data with a field `image`, the raw bytes as image/jpeg, image/png or image/webp, or JSON. Everywhere else send application/json.";
    UndecodableImage "undecodable_image" UNPROCESSABLE_ENTITY "The image cannot be decoded."
        "Open the file in a viewer: it is empty, cut short or not an image. Send JPEG, PNG, WebP, GIF, BMP or TIFF. Nothing was charged.";
    ImageFetchFailed "image_fetch_failed" UNPROCESSABLE_ENTITY "The image cannot be fetched from its URL."
        "Give an https URL that anyone on the internet can open without logging in, and that answers with the image in a few seconds; or send the image itself. Nothing was charged.";
    UnknownField "unknown_field" UNPROCESSABLE_ENTITY "The request has a field that this route does not know."
        "Check the spelling of the field that `errors` names: nothing is ignored silently.";
    MissingField "missing_field" UNPROCESSABLE_ENTITY "A field that is needed is missing."
        "Add the field that `errors` names.";
    InvalidField "invalid_field" UNPROCESSABLE_ENTITY "A field has the wrong type or a value out of range."
        "`errors` names the field and what was expected.";
    IdempotencyMismatch "idempotency_mismatch" UNPROCESSABLE_ENTITY "This Idempotency-Key was used for another request."
        "Use a fresh key for every new request, and the same key only to repeat the very same one.";
    RateLimited "rate_limited" TOO_MANY_REQUESTS "Too many requests."
        "Wait for as many seconds as `Retry-After` says, then go on at a slower pace. Nothing was charged.";
    TooManyJobs "too_many_jobs" TOO_MANY_REQUESTS "The account has as many unfinished jobs as it may have."
        "Wait until some have ended, or cancel some, then submit this one again. Nothing was charged.";
    Internal "internal" INTERNAL_SERVER_ERROR "Something went wrong on our side."
        "Try again; if it stays, tell support the request id. Nothing was charged.";
    Overloaded "overloaded" SERVICE_UNAVAILABLE "The service is at its limit right now."
        "Wait for as many seconds as `Retry-After` says and try again. Nothing was charged.";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "The service cannot answer right now."
        "Wait for as many seconds as `Retry-After` says and try again. Nothing was charged.";
    Deadline "deadline" GATEWAY_TIMEOUT "The answer did not come in time."
        "Try again, with a smaller image if it stays. Nothing was charged.";
}

impl Code {
    /// The code with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.about().code == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_name() {
        for code in Code::ALL {
            assert_eq!(Code::named(code.about().code), Some(*code));
        }
    }
}
