//! Stripe's test cards, and what each of them does. Any other number is refused: no real card may end up here.

/// Why a charge fails, in Stripe's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decline {
    /// `error.code`
    pub code: &'static str,
    /// `error.decline_code`
    pub decline_code: &'static str,
    /// Text for the payer.
    pub message: &'static str,
}

/// When a card asks for 3-D Secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// Never.
    None,
    /// At set-up; afterwards it is charged off-session without.
    Setup,
    /// At each payment.
    Always,
}

/// What becomes of its refunds, after the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// They are told as they are.
    Nothing,
    /// They begin pending, and succeed.
    Succeeds,
    /// They are told as succeeded, and fail.
    Fails,
}

/// One test card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TestCard {
    /// The full number; only its last four digits are ever stored.
    pub number: &'static str,
    /// `card.brand`
    pub brand: &'static str,
    /// Stripe's ready-made payment method, usable in place of an id.
    pub alias: &'static str,
    /// What the demo's pages say about it.
    pub about: &'static str,
    /// Whether and when it asks for 3-D Secure.
    pub challenge: Challenge,
    /// Why saving it fails.
    pub on_attach: Option<Decline>,
    /// Why charging it fails.
    pub on_charge: Option<Decline>,
    /// Whether its owner disputes what it pays, as fraud.
    pub disputes: bool,
    /// What becomes of its refunds.
    pub refund: Later,
}

const fn decline(code: &'static str, decline_code: &'static str, message: &'static str) -> Option<Decline> {
    Some(Decline { code, decline_code, message })
}

const GENERIC: Option<Decline> = decline("card_declined", "generic_decline", "Your card was declined.");
const FUNDS: Option<Decline> = decline("card_declined", "insufficient_funds", "Your card has insufficient funds.");
const LOST: Option<Decline> = decline("card_declined", "lost_card", "Your card was declined.");
const STOLEN: Option<Decline> = decline("card_declined", "stolen_card", "Your card was declined.");
const EXPIRED: Option<Decline> = decline("expired_card", "expired_card", "Your card has expired.");
const CVC: Option<Decline> = decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.");
const PROCESSING: Option<Decline> =
    decline("processing_error", "processing_error", "An error occurred while processing your card. Try again in a little bit.");

const fn card(number: &'static str, brand: &'static str, alias: &'static str, about: &'static str) -> TestCard {
    TestCard {
        number,
        brand,
        alias,
        about,
        challenge: Challenge::None,
        on_attach: None,
        on_charge: None,
        disputes: false,
        refund: Later::Nothing,
    }
}

/// A card that cannot be saved and cannot be charged.
const fn refused(number: &'static str, alias: &'static str, about: &'static str, why: Option<Decline>) -> TestCard {
    TestCard { on_attach: why, on_charge: why, ..card(number, "visa", alias, about) }
}

/// The cards, in the order in which the pages show them.
pub const CARDS: &[TestCard] = &[
    card("4242424242424242", "visa", "pm_card_visa", "pays"),
    card("5555555555554444", "mastercard", "pm_card_mastercard", "pays"),
    card("378282246310005", "amex", "pm_card_amex", "pays"),
    refused("4000000000000002", "pm_card_chargeDeclined", "is declined", GENERIC),
    refused("4000000000009995", "pm_card_chargeDeclinedInsufficientFunds", "insufficient funds", FUNDS),
    refused("4000000000009987", "pm_card_chargeDeclinedLostCard", "lost card", LOST),
    refused("4000000000009979", "pm_card_chargeDeclinedStolenCard", "stolen card", STOLEN),
    refused("4000000000000069", "pm_card_chargeDeclinedExpiredCard", "expired card", EXPIRED),
    refused("4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", "wrong security code", CVC),
    refused("4000000000000119", "pm_card_chargeDeclinedProcessingError", "processing error", PROCESSING),
    TestCard { on_charge: GENERIC, ..card("4000000000000341", "visa", "pm_card_chargeCustomerFail", "saves, then declines") },
    TestCard {
        challenge: Challenge::Setup,
        ..card("4000002500003155", "visa", "pm_card_authenticationRequiredOnSetup", "3-D Secure once, at set-up")
    },
    TestCard {
        challenge: Challenge::Always,
        ..card("4000002760003184", "visa", "pm_card_authenticationRequired", "3-D Secure at each payment")
    },
    TestCard {
        challenge: Challenge::Always,
        on_charge: FUNDS,
        ..card("4000008260003178", "visa", "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds", "3-D Secure, then declines")
    },
    TestCard { disputes: true, ..card("4000000000000259", "visa", "pm_card_createDispute", "pays, then is disputed as fraud") },
    TestCard { refund: Later::Succeeds, ..card("4000000000007726", "visa", "pm_card_pendingRefund", "pays; refunds begin pending") },
    TestCard { refund: Later::Fails, ..card("4000000000005126", "visa", "pm_card_refundFail", "pays; refunds fail later") },
];

/// The test card with this number (digits only).
pub fn by_number(number: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.number == number)
}

/// The test card behind `pm_card_…`.
pub fn by_alias(alias: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.alias == alias)
}

/// The check digit that every card number carries.
pub fn luhn(number: &str) -> bool {
    let mut sum = 0;
    for (n, digit) in number.bytes().rev().enumerate() {
        if !digit.is_ascii_digit() {
            return false;
        }
        let value = u32::from(digit - b'0') * if n % 2 == 1 { 2 } else { 1 };
        sum += if value > 9 { value - 9 } else { value };
    }
    (12..=19).contains(&number.len()) && sum % 10 == 0
}
