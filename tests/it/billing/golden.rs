//! How documents add up, case by case: what a reader would check with a pocket calculator.

use std::fmt::Write as _;

use entity::ids::PriceId;
use entity::invoice_line::Kind;
use entity::money::{Minor, Nanos, exponent};
use lensmeter::billing::invoice::line::Line;
use lensmeter::billing::invoice::total::{self, Coupon, Terms, Totals};
use lensmeter::billing::tax::{Category, Rule};
use lensmeter::metering::digest::Digest;
use proptest::prelude::*;

const DOLLAR: i64 = 1_000_000_000;

fn fee(amount: i64, currency: &str) -> Line {
    Line::new(Kind::BaseFee, "Standard plan, monthly fee".into(), None, 1, Nanos(amount), exponent(currency)).unwrap()
}

fn usage(quantity: i64, exact: i64, currency: &str) -> Line {
    let digest = Digest::default();
    Line::usage("Detection".into(), PriceId::new(), (quantity, quantity), Nanos(exact), digest, exponent(currency)).unwrap()
}

fn other(kind: Kind, exact: i64, currency: &str) -> Line {
    Line::new(kind, kind.as_str().into(), None, 1, Nanos(exact), exponent(currency)).unwrap()
}

fn terms(burnt: i64, promotional: i64) -> Terms {
    Terms { burnt: Nanos(burnt), promotional: Nanos(promotional), least_charge: Minor(50), ..Terms::default() }
}

fn percent(basis_points: i32) -> Coupon {
    Coupon { code: format!("P{basis_points}"), description: "Per cents".into(), basis_points: Some(basis_points), amount: None }
}

fn off(amount: i64) -> Coupon {
    Coupon { code: format!("A{amount}"), description: "An amount".into(), basis_points: None, amount: Some(Minor(amount)) }
}

fn vat(basis_points: u32, included: bool) -> Option<Rule> {
    Some(Rule { country: "DE".into(), name: "VAT".into(), category: Category::S, basis_points, included })
}

/// The document as text.
fn shown(name: &str, currency: &str, lines: &[Line], terms: &Terms) -> String {
    let digits = exponent(currency);
    let Totals { subtotal, credits_applied, promotional, discounts, discount, tax, carried_in, carried_out, total } =
        total::add_up(lines, terms, digits).unwrap();
    let mut text = format!("== {name} ({})\n", currency.to_uppercase());
    for line in lines {
        let (exact, rounding) = (line.exact.decimal(digits), line.rounding.decimal(digits));
        writeln!(text, "{:<28} {:>12}   exact {exact}, rounding {rounding}", line.description, line.amount.decimal(digits)).unwrap();
    }
    writeln!(text, "{:<28} {:>12}", "subtotal", subtotal.decimal(digits)).unwrap();
    for (coupon, amount) in terms.coupons.iter().zip(&discounts) {
        writeln!(text, "{:<28} {:>12}", coupon.code, Minor(-amount.0).decimal(digits)).unwrap();
    }
    if let Some(tax) = &tax {
        let word = if tax.rule.included { "included" } else { "added" };
        let (base, amount) = (tax.base.decimal(digits), tax.amount.decimal(digits));
        writeln!(text, "{:<28} {amount:>12}   {:?} {} bp on {base}, {word}", "tax", tax.rule.category, tax.rule.basis_points).unwrap();
    }
    let gift = promotional.decimal(digits);
    writeln!(text, "{:<28} {:>12}   of it a gift {gift}", "credit applied", Minor(-credits_applied.0).decimal(digits)).unwrap();
    for (word, amount) in [("discounts", Minor(-discount.0)), ("carried in", carried_in), ("carried out", Minor(-carried_out.0))] {
        if amount.0 != 0 {
            writeln!(text, "{word:<28} {:>12}", amount.decimal(digits)).unwrap();
        }
    }
    writeln!(text, "{:<28} {:>12}\n", "total", total.decimal(digits)).unwrap();
    text
}

#[test]
fn documents_add_up_as_by_hand() {
    let mut text = String::new();
    let mut case = |name: &str, currency: &str, lines: &[Line], terms: &Terms| text.push_str(&shown(name, currency, lines, terms));
    let five = || fee(5 * DOLLAR, "usd");
    case("zero usage on trial", "usd", &[], &terms(0, 0));
    case("zero usage, fee", "usd", &[five()], &terms(0, 0));
    case("one nano, covered", "usd", &[five(), usage(1, 1, "usd")], &terms(1, 1));
    case("one nano, not covered", "usd", &[five(), usage(1, 1, "usd")], &terms(0, 0));
    case("half a cent twice, covered", "usd", &[five(), usage(1, 5_000_000, "usd"), usage(1, 5_000_000, "usd")], &terms(10_000_000, 0));
    case("half a cent below", "usd", &[five(), usage(1, 4_999_999, "usd")], &terms(4_999_999, 0));
    case("credit ends in the middle", "usd", &[five(), usage(10_000, 15 * DOLLAR, "usd")], &terms(4_200_000_001, 4_200_000_001));
    case("gift and paid credit", "usd", &[five(), usage(10_000, 15 * DOLLAR, "usd")], &terms(15 * DOLLAR, DOLLAR));
    case("yen", "jpy", &[fee(500 * DOLLAR, "jpy"), usage(3, 1_500_000_000, "jpy")], &terms(1_500_000_000, 0));
    case("yen with tax of ten per cent", "jpy", &[fee(505 * DOLLAR, "jpy")], &Terms { tax: vat(1_000, false), ..terms(0, 0) });
    case("dinar, three digits", "kwd", &[fee(1_234_500_000, "kwd"), usage(1, 999_500, "kwd")], &terms(0, 0));
    case("two coupons", "usd", &[fee(20 * DOLLAR, "usd")], &Terms { coupons: vec![percent(1_250), off(300)], ..terms(0, 0) });
    case("a coupon above the total", "usd", &[five()], &Terms { coupons: vec![off(900)], ..terms(0, 0) });
    case("a coupon of all", "usd", &[five()], &Terms { coupons: vec![percent(10_000), off(100)], ..terms(0, 0) });
    case(
        "a coupon leaves credit alone",
        "usd",
        &[five(), usage(10, DOLLAR, "usd")],
        &Terms { coupons: vec![percent(5_000)], ..terms(DOLLAR, 0) },
    );
    case("tax added", "usd", &[five(), usage(10, DOLLAR, "usd")], &Terms { tax: vat(1_900, false), ..terms(DOLLAR, 0) });
    case("a gift is not taxed", "usd", &[five(), usage(10, DOLLAR, "usd")], &Terms { tax: vat(1_900, false), ..terms(DOLLAR, DOLLAR) });
    case("tax included", "usd", &[fee(119 * DOLLAR, "usd")], &Terms { tax: vat(1_900, true), ..terms(0, 0) });
    let reverse = Rule { country: "FR".into(), name: "VAT".into(), category: Category::AE, basis_points: 0, included: false };
    case("reverse charge", "usd", &[five()], &Terms { tax: Some(reverse), ..terms(0, 0) });
    case(
        "tax after coupons",
        "usd",
        &[fee(20 * DOLLAR, "usd")],
        &Terms { coupons: vec![percent(1_000)], tax: vat(770, false), ..terms(0, 0) },
    );
    case("too little to collect", "usd", &[fee(490_000_000, "usd")], &terms(0, 0));
    case("carried in is collected", "usd", &[fee(490_000_000, "usd")], &Terms { carried_in: Minor(49), ..terms(0, 0) });
    case("a credit item above the fee", "usd", &[five(), other(Kind::OneOff, -8 * DOLLAR, "usd")], &terms(0, 0));
    case("in the customer's favour", "usd", &[five()], &Terms { carried_in: Minor(-300), ..terms(0, 0) });
    case("tax given back", "usd", &[other(Kind::OneOff, -DOLLAR, "usd")], &Terms { tax: vat(1_900, false), ..terms(0, 0) });
    case(
        "a volume price gives back",
        "usd",
        &[five(), usage(100, 10 * DOLLAR, "usd"), other(Kind::Volume, -3 * DOLLAR, "usd")],
        &terms(7 * DOLLAR, 0),
    );
    case("a minimum is paid in money", "usd", &[usage(1, DOLLAR, "usd"), other(Kind::Minimum, 9 * DOLLAR, "usd")], &terms(DOLLAR, 0));
    insta::assert_snapshot!("documents", text);
}

#[test]
fn what_does_not_fit_is_refused() {
    let much = Line::new(Kind::OneOff, String::new(), None, 1, Nanos(i64::MAX), 9).unwrap();
    assert!(total::add_up(&[much.clone(), much], &terms(0, 0), 9).is_err());
}

fn any_line() -> impl Strategy<Value = Line> {
    let kinds = prop_oneof![Just(Kind::BaseFee), Just(Kind::Usage), Just(Kind::Minimum), Just(Kind::OneOff)];
    (kinds, -1_000_000_000_000i64..1_000_000_000_000).prop_map(|(kind, exact)| {
        let exact = if kind == Kind::OneOff { exact } else { exact.abs() };
        other(kind, exact, "usd")
    })
}

fn any_terms() -> impl Strategy<Value = (Terms, u8)> {
    let coupon = prop_oneof![(1i32..=10_000).prop_map(percent), (1i64..100_000).prop_map(off)];
    let coupons = proptest::collection::vec(coupon, 0..3);
    let rule = prop_oneof![Just(None), (0u32..3_000, any::<bool>()).prop_map(|(rate, included)| vat(rate, included))];
    (coupons, rule, -10_000i64..10_000, 0i64..100, any::<u8>()).prop_map(|(coupons, tax, carried, least, share)| {
        (Terms { coupons, tax, carried_in: Minor(carried), least_charge: Minor(least), ..Terms::default() }, share)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn nothing_is_lost_between_the_lines_and_the_total(lines in proptest::collection::vec(any_line(), 0..8), (mut terms, share) in any_terms()) {
        let whole = total::coverable(&lines).unwrap();
        terms.burnt = Nanos(whole.0 / 255 * i64::from(share));
        terms.promotional = Nanos(terms.burnt.0 / 2);
        let sums = total::add_up(&lines, &terms, 2).unwrap();
        let added = sums.tax.as_ref().filter(|tax| !tax.rule.included).map_or(0, |tax| tax.amount.0);
        prop_assert_eq!(
            sums.subtotal.0 - sums.discount.0 + added - sums.credits_applied.0 + sums.carried_in.0,
            sums.total.0 + sums.carried_out.0
        );
        prop_assert!(sums.total.0 == 0 || sums.total.0 >= terms.least_charge.0);
        prop_assert!(sums.total.0 >= 0 && sums.discount.0 >= 0 && sums.credits_applied.0 >= 0);
        prop_assert!(sums.promotional <= sums.credits_applied);
        prop_assert!(sums.discount.0 <= (sums.subtotal.0 - sums.credits_applied.0).max(0));
    }
}
