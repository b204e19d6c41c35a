//! What must hold whatever comes, over a thousand drawn cases each; a failure prints the case that it shrank to, and its seed.

use entity::credit_grant::{self, Kind};
use entity::ids::{AccountId, GrantId, InvoiceId, PriceId};
use entity::money::{Minor, Nanos, exponent};
use entity::price::{Cached, Meter, Rate, Scheme, Tier, Tiers};
use lensmeter::billing::credit::burn;
use lensmeter::billing::invoice::export::{Export, FORMAT, LineRecord};
use lensmeter::billing::invoice::line::Line;
use lensmeter::billing::invoice::record::EventRecord;
use lensmeter::billing::invoice::snapshot::{Party, Plan, Price, Snapshot};
use lensmeter::billing::invoice::total::{self, Terms};
use lensmeter::billing::invoice::verify::{Difference, verify};
use lensmeter::billing::proration::Share;
use lensmeter::billing::rating;
use lensmeter::metering::digest::Digest;
use proptest::prelude::*;

use crate::support::make;

fn grant(kind: Kind, remaining: i64) -> credit_grant::Model {
    credit_grant::Model {
        id: GrantId::new(),
        account_id: AccountId::new(),
        kind,
        reference: String::new(),
        amount_nanos: Nanos(remaining),
        remaining_nanos: Nanos(remaining),
        created_at: make::start(),
        priority: kind.priority(),
        effective_at: make::start(),
        expires_at: None,
        reason: String::new(),
    }
}

fn any_rate() -> impl Strategy<Value = Rate> {
    let tier = (1i64..50, 0i64..1_000_000_000, 0i64..1_000_000);
    let schemes = prop_oneof![Just(Scheme::Graduated), Just(Scheme::Volume)];
    (schemes, proptest::collection::vec(tier, 1..4), 0i64..20).prop_map(|(scheme, parts, included)| {
        let last = parts.len() - 1;
        let mut up_to = 0;
        let tiers = parts.iter().enumerate().map(|(index, (width, unit, flat))| {
            up_to += width;
            let flat = if scheme == Scheme::Volume { 0 } else { *flat };
            Tier { up_to: (index < last).then_some(up_to), unit_nanos: Nanos(*unit), flat_nanos: Nanos(flat) }
        });
        Rate { scheme, included, ..Rate::graduated(Tiers(tiers.collect())) }
    })
}

/// An invoice of one price, with the events of these quantities.
fn exported(rate: Rate, quantities: &[i64]) -> Export {
    let price = PriceId::new();
    let mut before = 0;
    let mut events = Vec::new();
    let mut digest = Digest::default();
    for quantity in quantities {
        let amount = rating::charge(&rate, before, *quantity).expect("fits");
        let mut event = EventRecord {
            id: entity::ids::EventId::new().to_string(),
            price_id: price.to_string(),
            quantity_before: before,
            quantity: *quantity,
            amount_nanos: amount.0,
            at: make::start(),
            task: "detect".into(),
            model: "m".into(),
            model_version: "1".into(),
            sha256: String::new(),
        };
        event.sha256 = hex::encode(event.digest().bytes());
        digest.add(event.digest());
        before += quantity;
        events.push(event);
    }
    let share = {
        let end = make::start() + chrono::TimeDelta::days(30);
        Share { from: make::start(), to: end, cycle: (make::start(), end) }
    };
    let sum = Nanos(events.iter().map(|event| event.amount_nanos).sum());
    let mut lines = vec![Line::usage("Detection".into(), price, (before, events.len() as i64), sum, digest, 2).expect("fits")];
    let closing = rating::at_close(&rate, before, &share).expect("fits");
    if closing.volume.0 != 0 {
        let kind = entity::invoice_line::Kind::Volume;
        lines.push(Line::new(kind, "Detection, volume price".into(), Some(price), 1, closing.volume, 2).expect("fits"));
    }
    document(rate, price, share, &lines, events)
}

fn document(rate: Rate, price: PriceId, share: Share, lines: &[Line], events: Vec<EventRecord>) -> Export {
    let terms = Terms::default();
    let totals = total::add_up(lines, &terms, 2).expect("adds up");
    let party = || Party {
        name: "x".into(),
        address: String::new(),
        tax_id: String::new(),
        email: String::new(),
        postal_code: String::new(),
        city: String::new(),
        country: String::new(),
    };
    let sold = Price {
        id: price.to_string(),
        task: None,
        model: None,
        megapixels: None,
        meter: Meter::Images,
        description: "Detection".into(),
        rate,
        cached: Cached::Full,
    };
    let record = |(seq, line): (i32, &Line)| LineRecord {
        seq,
        kind: line.kind.as_str().into(),
        description: line.description.clone(),
        price_id: line.price_id.map(|id| id.to_string()),
        quantity: line.quantity,
        exact_nanos: line.exact.0,
        amount_minor: line.amount.0,
        rounding_nanos: line.rounding.0,
        events: line.events,
        events_digest: hex::encode(&line.events_digest),
    };
    Export {
        format: FORMAT.into(),
        id: InvoiceId::new().to_string(),
        number: "LM-1".into(),
        issued_at: make::start(),
        currency: "usd".into(),
        subtotal_minor: totals.subtotal.0,
        discount_minor: totals.discount.0,
        tax_minor: 0,
        credits_applied_minor: totals.credits_applied.0,
        carried_in_minor: totals.carried_in.0,
        carried_out_minor: totals.carried_out.0,
        total_minor: totals.total.0,
        snapshot: Snapshot {
            seller: party(),
            buyer: party(),
            plan: Plan { name: "x".into(), version: 1 },
            locale: entity::account::Locale::En,
            e_invoice: false,
            time_zone: "UTC".into(),
            period_starts_at: share.cycle.0,
            period_ends_at: share.cycle.1,
            prices: vec![sold],
            share,
            terms,
            discounts: Vec::new(),
            tax: None,
            promotional: Minor(0),
        },
        lines: (1..).zip(lines).map(record).collect(),
        events,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Invariants 3 and 5: credit pays what it can and never more, from the grants in their order.
    #[test]
    fn grants_pay_in_their_order_and_never_more_than_they_hold(
        held in proptest::collection::vec((any::<bool>(), 0i64..1_000_000_000_000), 0..8), amount in 0i64..4_000_000_000_000
    ) {
        let grants: Vec<_> = held.iter().map(|(gift, left)| grant(if *gift { Kind::Promotional } else { Kind::Paid }, *left)).collect();
        let taken = burn::plan(&grants, Nanos(amount));
        let all: i64 = held.iter().map(|(_, left)| left).sum();
        prop_assert_eq!(burn::sum(&taken).unwrap().0, amount.min(all));
        let mut rest = amount;
        let mut parts = taken.iter();
        for grant in grants.iter().filter(|grant| grant.remaining_nanos.0 > 0) {
            let Some(part) = (rest > 0).then(|| parts.next()).flatten() else { break };
            prop_assert_eq!((part.grant, part.kind, part.amount.0), (grant.id, grant.kind, rest.min(grant.remaining_nanos.0)));
            rest -= part.amount.0;
        }
        prop_assert!(parts.next().is_none());
    }

    /// Invariant 4: an amount is rounded once, half away from zero, and the residue is what was added.
    #[test]
    fn a_line_is_its_exact_amount_and_its_rounding(exact in -1_000_000_000_000_000i64..1_000_000_000_000_000, currency in prop_oneof![Just("usd"), Just("jpy"), Just("kwd")]) {
        let digits = exponent(currency);
        let coin = 10i64.pow(9 - digits);
        let line = Line::new(entity::invoice_line::Kind::OneOff, String::new(), None, 1, Nanos(exact), digits).unwrap();
        prop_assert_eq!(line.amount.0 * coin, exact + line.rounding.0);
        prop_assert!(line.rounding.0.abs() * 2 <= coin);
        prop_assert!(line.rounding.0.abs() * 2 < coin || line.rounding.0.signum() == exact.signum(), "half goes away from zero");
        prop_assert_eq!(Nanos::parse(&Nanos(exact.abs()).decimal(digits)), Some(Nanos(exact.abs())));
    }

    /// Invariant 6: an export is computed again to the same numbers, and read again from its file.
    #[test]
    fn an_export_verifies_and_its_file_reads_the_same(rate in any_rate(), quantities in proptest::collection::vec(0i64..9, 0..30)) {
        let export = exported(rate, &quantities);
        let verified = verify(&export);
        prop_assert!(verified.is_ok(), "{:?}", verified);
        let file = serde_json::to_string(&export).unwrap();
        prop_assert_eq!(serde_json::from_str::<Export>(&file).unwrap(), export);
    }

    /// Invariant 6: whoever changes an event, and makes its own digest fit, is named.
    #[test]
    fn a_changed_event_is_named(
        rate in any_rate(), quantities in proptest::collection::vec(1i64..9, 1..20), place in any::<prop::sample::Index>(), by in 1i64..1_000, what in 0..3
    ) {
        let mut export = exported(rate, &quantities);
        let place = place.index(export.events.len());
        let event = &mut export.events[place];
        match what {
            0 => event.amount_nanos += by,
            1 => event.quantity += by,
            _ => event.quantity_before += by,
        }
        event.sha256 = hex::encode(event.digest().bytes());
        let next = export.events.get(place + 1).map(|event| event.id.clone());
        let id = export.events[place].id.clone();
        match verify(&export) {
            // A place that is taken twice or left empty shows at this event or at the one behind it.
            Err(Difference::Event { id: named, .. }) => prop_assert!(named == id || Some(&named) == next.as_ref(), "{named}, not {id}"),
            // The last event's quantity alone may still have its price: then its line does not add up.
            Err(Difference::Line { .. }) => prop_assert!(what == 1 && place + 1 == quantities.len()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    /// Invariants 5 and 6: an event that is missing, or there twice, is found.
    #[test]
    fn a_lost_or_repeated_event_is_found(rate in any_rate(), quantities in proptest::collection::vec(0i64..9, 1..20), place in any::<prop::sample::Index>(), twice in any::<bool>()) {
        let mut export = exported(rate, &quantities);
        let place = place.index(export.events.len());
        if twice {
            let again = export.events[place].clone();
            export.events.push(again);
        } else {
            export.events.remove(place);
        }
        prop_assert!(verify(&export).is_err());
    }
}
