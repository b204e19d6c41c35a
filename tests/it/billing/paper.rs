//! The paper: what an independent reader finds in it, in both languages and for every shape of invoice.

use std::process::Command;

use chrono::{TimeDelta, TimeZone as _, Utc};
use entity::account::Locale;
use entity::ids::{AccountId, InvoiceId, InvoiceLineId, PeriodId, PriceId};
use entity::invoice::{DocumentState, Model as Invoice, PaymentState};
use entity::invoice_line::{Kind, Model as Row};
use entity::money::{Minor, Nanos, exponent};
use entity::price::{Cached, Meter, Rate, Tier, Tiers};
use lensmeter::billing::invoice::document;
use lensmeter::billing::invoice::line::Line;
use lensmeter::billing::invoice::snapshot::{Discount, Party, Plan, Price, Snapshot};
use lensmeter::billing::invoice::total::{self, Coupon, Terms};
use lensmeter::billing::proration::Share;
use lensmeter::billing::tax::{Category, Rule};

use super::seller;

/// An invoice as it is issued: lines and terms, added up by the product.
struct Paper {
    currency: &'static str,
    locale: Locale,
    e_invoice: bool,
    buyer: Party,
    lines: Vec<Line>,
    prices: Vec<Price>,
    terms: Terms,
}

fn price(description: &str, meter: Meter, tiers: &[(Option<i64>, i64)]) -> Price {
    let tiers = tiers.iter().map(|(up_to, nanos)| Tier { up_to: *up_to, unit_nanos: Nanos(*nanos), flat_nanos: Nanos(0) }).collect();
    Price {
        id: PriceId(uuid::Uuid::from_u128(7)).to_string(),
        task: Some("detect".into()),
        model: None,
        megapixels: None,
        meter,
        description: description.into(),
        rate: Rate::graduated(Tiers(tiers)),
        cached: Cached::Full,
    }
}

fn line(kind: Kind, description: &str, quantity: i64, exact: i64, currency: &str) -> Line {
    let usage = kind == Kind::Usage;
    let line =
        Line::new(kind, description.into(), usage.then(|| PriceId(uuid::Uuid::from_u128(7))), quantity, Nanos(exact), exponent(currency));
    Line { events: if usage { quantity } else { 0 }, ..line.expect("fits") }
}

fn coupon(code: &str, description: &str, basis_points: Option<i32>, amount: Option<i64>) -> Coupon {
    Coupon { code: code.into(), description: description.into(), basis_points, amount: amount.map(Minor) }
}

fn vat(category: Category, basis_points: u32, included: bool) -> Rule {
    Rule { country: "DE".into(), name: "VAT".into(), category, basis_points, included }
}

/// 10 002 images over two tiers and the plan's fee, for a German company.
fn usual(currency: &'static str) -> Paper {
    Paper {
        currency,
        locale: Locale::En,
        e_invoice: false,
        buyer: Party {
            name: "Ada & Sons".into(),
            address: "Hof 3\nHinterhaus".into(),
            postal_code: "80331".into(),
            city: "München".into(),
            country: "DE".into(),
            tax_id: "DE987654321".into(),
            email: "ada@example.com".into(),
        },
        lines: vec![
            line(Kind::BaseFee, "Standard plan, monthly fee", 1, 5_000_000_000, currency),
            line(Kind::Usage, "Object detection", 10_002, 15_002_000_000, currency),
        ],
        prices: vec![price("Object detection", Meter::Images, &[(Some(10_000), 1_500_000), (None, 1_000_000)])],
        terms: Terms::default(),
    }
}

impl Paper {
    fn issued(&self) -> (Invoice, Vec<Row>) {
        let totals = total::add_up(&self.lines, &self.terms, exponent(self.currency)).expect("adds up");
        let (from, to) = (Utc.with_ymd_and_hms(2026, 11, 20, 0, 0, 0).unwrap(), Utc.with_ymd_and_hms(2026, 12, 20, 0, 0, 0).unwrap());
        let discounts = self.terms.coupons.iter().zip(&totals.discounts).map(|(coupon, amount)| Discount {
            code: coupon.code.clone(),
            description: coupon.description.clone(),
            amount: *amount,
        });
        let snapshot = Snapshot {
            seller: Party::from(&seller()),
            buyer: self.buyer.clone(),
            plan: Plan { name: "Standard".into(), version: 1 },
            locale: self.locale,
            e_invoice: self.e_invoice,
            period_starts_at: from,
            period_ends_at: to,
            prices: self.prices.clone(),
            share: Share { from, to, cycle: (from, to) },
            terms: self.terms.clone(),
            discounts: discounts.collect(),
            tax: totals.tax.clone(),
            promotional: totals.promotional,
        };
        let id = InvoiceId(uuid::Uuid::from_u128(1));
        let invoice = Invoice {
            id,
            account_id: AccountId(uuid::Uuid::from_u128(2)),
            period_id: PeriodId(uuid::Uuid::from_u128(3)),
            number: Some("LM-0A1B2C-000042".into()),
            document_state: DocumentState::Open,
            payment_state: PaymentState::Unpaid,
            currency: self.currency.into(),
            buyer_name: self.buyer.name.clone(),
            buyer_email: self.buyer.email.clone(),
            subtotal_minor: totals.subtotal,
            credits_applied_minor: totals.credits_applied,
            total_minor: totals.total,
            discount_minor: totals.discount,
            tax_minor: totals.tax.as_ref().map_or(Minor(0), |tax| tax.amount),
            tax_included: totals.tax.as_ref().is_some_and(|tax| tax.rule.included),
            carried_in_minor: totals.carried_in,
            carried_out_minor: totals.carried_out,
            paid_minor: Minor(0),
            credited_minor: Minor(0),
            refunded_minor: Minor(0),
            snapshot: serde_json::to_value(&snapshot).expect("JSON"),
            stripe_invoice_id: None,
            stripe_hosted_url: None,
            period_starts_at: from,
            period_ends_at: to,
            created_at: to + TimeDelta::hours(1),
            issued_at: Some(to + TimeDelta::hours(1)),
            paid_at: None,
        };
        let row = |(seq, line): (i32, &Line)| Row {
            id: InvoiceLineId(uuid::Uuid::from_u128(seq.unsigned_abs().into())),
            invoice_id: id,
            seq,
            kind: line.kind,
            description: line.description.clone(),
            price_id: line.price_id,
            quantity: line.quantity,
            exact_nanos: line.exact,
            amount_minor: line.amount,
            rounding_nanos: line.rounding,
            events: line.events,
            events_digest: line.events_digest.clone(),
        };
        (invoice, (1..).zip(&self.lines).map(row).collect())
    }

    async fn printed(&self) -> Printed {
        let (invoice, lines) = self.issued();
        Printed::of(document::render(None, &invoice, &lines).await.expect("a document"), invoice)
    }
}

/// A PDF in a folder of its own, for poppler's programs to read.
struct Printed {
    folder: std::path::PathBuf,
    pdf: Vec<u8>,
    invoice: Invoice,
}

impl Printed {
    fn of(pdf: Vec<u8>, invoice: Invoice) -> Self {
        let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("paper-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("invoice.pdf"), &pdf).expect("written");
        Self { folder, pdf, invoice }
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).current_dir(&self.folder).output().expect("poppler-utils are installed");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        // Titles in the structure are told in UTF-16.
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn text(&self) -> String {
        let text = self.ask("pdftotext", &["-layout", "invoice.pdf", "-"]);
        // How wide a gap is, is poppler's taste.
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(words).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// The XML that is embedded, if any.
    fn factur_x(&self) -> Option<String> {
        if !self.ask("pdfdetach", &["-list", "invoice.pdf"]).contains("factur-x.xml") {
            return None;
        }
        self.ask("pdfdetach", &["-savefile", "factur-x.xml", "-o", "out.xml", "invoice.pdf"]);
        Some(std::fs::read_to_string(self.folder.join("out.xml")).expect("extracted"))
    }
}

impl Drop for Printed {
    fn drop(&mut self) {
        // Kept for a look when asked for.
        if std::env::var_os("KEEP_PAPER").is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

fn chinese(mut paper: Paper) -> Paper {
    paper.locale = Locale::Zh;
    paper.buyer.name = "上海镜衡视觉科技有限公司".into();
    paper.buyer.address = "浦东新区世纪大道100号".into();
    (paper.buyer.postal_code, paper.buyer.city, paper.buyer.country, paper.buyer.tax_id) =
        ("200120".into(), "上海".into(), "CN".into(), "91310000MA1FL0XX5A".into());
    paper
}

/// Every shape of invoice that there is, by name.
fn cases() -> Vec<(&'static str, Paper)> {
    let with = |mut paper: Paper, change: fn(&mut Paper)| {
        change(&mut paper);
        paper
    };
    vec![
        ("usual", usual("eur")),
        ("chinese", chinese(usual("cny"))),
        ("vat_on_top", with(usual("eur"), |paper| paper.terms.tax = Some(vat(Category::S, 1_900, false)))),
        ("vat_inside", with(usual("eur"), |paper| paper.terms.tax = Some(vat(Category::S, 1_900, true)))),
        ("chinese_vat", with(chinese(usual("eur")), |paper| paper.terms.tax = Some(vat(Category::S, 1_900, false)))),
        (
            "reverse_charge",
            with(usual("eur"), |paper| {
                (paper.buyer.country, paper.buyer.tax_id) = ("FR".into(), "FR12345678901".into());
                paper.terms.tax = Some(Rule { country: "FR".into(), ..vat(Category::AE, 0, false) });
            }),
        ),
        (
            "two_coupons_and_a_gift",
            with(usual("eur"), |paper| {
                paper.terms.coupons =
                    vec![coupon("TEN", "Ten per cent off", Some(1_000), None), coupon("THREE", "Three off", None, Some(300))];
                (paper.terms.burnt, paper.terms.promotional) = (Nanos(4_000_000_000), Nanos(1_000_000_000));
                paper.terms.tax = Some(vat(Category::S, 1_900, false));
            }),
        ),
        ("yen", Paper { lines: vec![line(Kind::Usage, "Object detection", 3, 500_000_000, "jpy")], ..usual("jpy") }),
        ("dinar", Paper { lines: vec![line(Kind::Usage, "Object detection", 3, 1_234_500_000, "kwd")], ..usual("kwd") }),
        ("one_nano", Paper { lines: vec![line(Kind::Usage, "Object detection", 1, 1, "eur")], ..usual("eur") }),
        ("nothing", Paper { lines: Vec::new(), ..usual("eur") }),
        (
            "given_back",
            with(usual("eur"), |paper| {
                paper.lines.push(line(Kind::Proration, "Standard plan, 20 Nov to 1 Dec, given back", 1, -1_833_333_333, "eur"));
                paper.lines.push(line(Kind::Minimum, "Object detection, up to the minimum", 1, 998_000_000, "eur"));
            }),
        ),
        ("carried", with(usual("eur"), |paper| (paper.terms.carried_in, paper.terms.least_charge) = (Minor(42), Minor(50)))),
        (
            "device_time",
            Paper {
                prices: vec![Price {
                    rate: Rate {
                        per: 1_000_000,
                        ..Rate::graduated(Tiers(vec![Tier { up_to: None, unit_nanos: Nanos(50_000_000), flat_nanos: Nanos(0) }]))
                    },
                    ..price("Device time", Meter::ComputeTime, &[])
                }],
                lines: vec![line(Kind::Usage, "Device time", 31_250_000, 1_562_500_000, "eur")],
                ..usual("eur")
            },
        ),
    ]
}

#[tokio::test]
async fn every_shape_of_invoice_reads_as_it_should() {
    for (name, paper) in cases() {
        let printed = paper.printed().await;
        insta::assert_snapshot!(name, printed.text());
    }
}

#[tokio::test]
async fn the_paper_is_tagged_and_archivable_and_carries_its_own_fonts() {
    for paper in [usual("eur"), chinese(usual("cny"))] {
        let printed = paper.printed().await;
        let about = printed.ask("pdfinfo", &["invoice.pdf"]);
        assert!(about.contains("Tagged:          yes"), "{about}");
        let metadata = printed.ask("pdfinfo", &["-meta", "invoice.pdf"]);
        for part in ["<pdfaid:part>3</pdfaid:part>", "<pdfaid:conformance>A</pdfaid:conformance>", "<pdfuaid:part>1</pdfuaid:part>"] {
            assert!(metadata.contains(part), "{part} in {metadata}");
        }
        let structure = printed.ask("pdfinfo", &["-struct", "invoice.pdf"]);
        assert!(["Table", "TH", "H1"].iter().all(|tag| structure.contains(tag)), "{structure}");
        for font in printed.ask("pdffonts", &["invoice.pdf"]).lines().skip(2) {
            assert!(font.contains(" yes yes "), "embedded, as a subset: {font}");
            assert!(!font.contains("NotoSansCJK"), "the machine's fonts are for rare names: {font}");
        }
        assert_eq!(paper.printed().await.pdf, printed.pdf, "the same rows, the same bytes");
    }
}

#[tokio::test]
async fn an_electronic_invoice_adds_up_by_the_rules_of_en_16931() {
    for (name, paper) in cases() {
        let paper = Paper { e_invoice: true, ..paper };
        let printed = paper.printed().await;
        let Some(xml) = printed.factur_x() else {
            assert!(["dinar", "nothing"].contains(&name), "{name} has none");
            continue;
        };
        let metadata = printed.ask("pdfinfo", &["-meta", "invoice.pdf"]);
        assert!(
            metadata.contains("<fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>") && metadata.contains("pdfaExtension:schemas"),
            "{metadata}"
        );
        adds_up(name, &xml, &printed.invoice);
        assert_eq!(paper.printed().await.pdf, printed.pdf, "{name}: the same rows, the same bytes");
    }
}

/// The rules BR-CO-10 to BR-CO-17 and BR-DEC, and that what is due is what we ask for.
fn adds_up(name: &str, xml: &str, invoice: &Invoice) {
    let document = roxmltree::Document::parse(xml).unwrap_or_else(|error| panic!("{name}: {error}"));
    let digits = exponent(&invoice.currency) as usize;
    let cents = |text: &str| -> i64 {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        assert_eq!(fraction.len(), digits, "{name}: {text}");
        format!("{whole}{fraction}").parse().expect("a number")
    };
    let all = |tag: &str| -> Vec<i64> {
        document.descendants().filter(|node| node.tag_name().name() == tag).filter_map(|node| node.text()).map(cents).collect()
    };
    let within = |parent: &str, tag: &str| {
        let parent = document.descendants().find(|node| node.tag_name().name() == parent).expect("is there");
        let found = parent.children().find(|node| node.tag_name().name() == tag).and_then(|node| node.text());
        cents(found.expect("is there"))
    };
    let lines: i64 = document
        .descendants()
        .filter(|node| node.tag_name().name() == "SpecifiedTradeSettlementLineMonetarySummation")
        .flat_map(|node| node.descendants().filter(|node| node.tag_name().name() == "LineTotalAmount").filter_map(|node| node.text()))
        .map(cents)
        .sum();
    let sums = "SpecifiedTradeSettlementHeaderMonetarySummation";
    let sum = |tag: &str| within(sums, tag);
    assert_eq!(sum("LineTotalAmount"), lines, "{name}: BR-CO-10");
    assert_eq!(sum("AllowanceTotalAmount"), all("ActualAmount").iter().sum::<i64>(), "{name}: BR-CO-11");
    assert_eq!(sum("TaxBasisTotalAmount"), lines - sum("AllowanceTotalAmount"), "{name}: BR-CO-13");
    assert_eq!(sum("TaxTotalAmount"), all("CalculatedAmount").iter().sum::<i64>(), "{name}: BR-CO-14");
    assert_eq!(sum("GrandTotalAmount"), sum("TaxBasisTotalAmount") + sum("TaxTotalAmount"), "{name}: BR-CO-15");
    assert_eq!(sum("DuePayableAmount"), sum("GrandTotalAmount") - sum("TotalPrepaidAmount"), "{name}: BR-CO-16");
    assert_eq!(sum("DuePayableAmount"), invoice.total_minor.0, "{name}: what we ask for");
    assert!(all("ActualAmount").iter().all(|amount| *amount >= 0), "{name}: allowances are taken off");
    for price in document.descendants().filter(|node| node.tag_name().name() == "ChargeAmount") {
        assert!(!price.text().unwrap_or_default().starts_with('-'), "{name}: BR-27");
    }
}

#[tokio::test]
async fn no_electronic_invoice_where_the_standard_cannot_say_what_is_needed() {
    let xml = async |change: fn(&mut Paper)| {
        let mut paper = Paper { e_invoice: true, ..usual("eur") };
        change(&mut paper);
        paper.printed().await.factur_x()
    };
    assert!(xml(|_| ()).await.is_some());
    assert!(xml(|paper| paper.e_invoice = false).await.is_none(), "nobody asked for it");
    assert!(xml(|paper| paper.buyer.country.clear()).await.is_none(), "BR-11");
    let reverse = xml(|paper| {
        paper.terms.tax = Some(vat(Category::AE, 0, false));
        paper.buyer.tax_id.clear();
    });
    assert!(reverse.await.is_none(), "BR-AE-2");
}

#[tokio::test]
async fn what_customers_call_themselves_stays_text() {
    for name in [
        "#import \"/etc/passwd\": *",
        "*bold* _x_ $1+1$ // no",
        "</ram:Name><ram:Name>Eve & \"Co\"",
        "𠮷野家 한국 שלום 😀",
        "\u{202e}evil\u{0}",
    ] {
        let mut paper = Paper { e_invoice: true, ..usual("eur") };
        paper.buyer.name = name.into();
        paper.lines[0].description = name.into();
        let printed = paper.printed().await;
        let xml = printed.factur_x().expect("an electronic invoice");
        let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{name}: {error}"));
        let names = document.descendants().filter(|node| node.tag_name().name() == "BuyerTradeParty").count();
        assert_eq!(names, 1, "{name}");
        if name.is_ascii() {
            assert!(printed.text().replace('\n', " ").contains(name.split(' ').next().unwrap()), "{name} in {}", printed.text());
        }
    }
}

#[tokio::test]
async fn a_hundred_lines_go_over_pages_with_their_head_on_each() {
    let mut paper = usual("eur");
    paper.lines = (0..100).map(|item| line(Kind::OneOff, &format!("Item {item}"), 1, 1_000_000_000, "eur")).collect();
    let printed = paper.printed().await;
    let text = printed.text();
    assert!(text.contains("Item 99") && text.matches("Description").count() >= 3, "{text}");
    assert!(printed.ask("pdfinfo", &["invoice.pdf"]).contains("Pages:           "));
    assert!(text.contains("100.00 EUR"), "{text}");
}

#[tokio::test]
async fn the_operators_own_template_is_used_and_its_faults_are_told() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("template-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(&folder).unwrap();
    let (invoice, lines) = usual("eur").issued();
    let missing = document::render(Some(&folder), &invoice, &lines).await.unwrap_err().to_string();
    assert!(missing.contains("seller.template") && missing.contains("invoice.typ"), "{missing}");
    let own = "#let data = json(bytes(sys.inputs.data))\n#set document(title: data.number)\n= Our own paper\n#data.number #data.total";
    std::fs::write(folder.join("invoice.typ"), own).unwrap();
    let printed = Printed::of(document::render(Some(&folder), &invoice, &lines).await.expect("set"), invoice.clone());
    assert!(printed.text().contains("Our own paper") && printed.text().contains("20.00"), "{}", printed.text());
    // Changed while the program runs.
    std::fs::write(folder.join("invoice.typ"), "#set document(title: [x])\n#nonsense").unwrap();
    let broken = document::render(Some(&folder), &invoice, &lines).await.unwrap_err().to_string();
    assert!(broken.contains("nonsense"), "{broken}");
    // It reads its data and nothing else.
    std::fs::write(folder.join("invoice.typ"), "#set document(title: [x])\n#read(\"/etc/hostname\")").unwrap();
    assert!(document::render(Some(&folder), &invoice, &lines).await.is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
