//! How every shape of invoice reads, and that it can be archived.

use entity::account::Locale;
use entity::invoice_line::Kind;
use entity::money::{Minor, Nanos};
use entity::price::{Meter, Rate, Tier, Tiers};
use lensmeter::billing::invoice::snapshot::Price;
use lensmeter::billing::tax::{Category, Rule};

use super::{Paper, coupon, line, price, usual, vat};

fn chinese(mut paper: Paper) -> Paper {
    paper.locale = Locale::Zh;
    paper.buyer.name = "上海镜衡视觉科技有限公司".into();
    paper.buyer.address = "浦东新区世纪大道100号".into();
    (paper.buyer.postal_code, paper.buyer.city, paper.buyer.country, paper.buyer.tax_id) =
        ("200120".into(), "上海".into(), "CN".into(), "91310000MA1FL0XX5A".into());
    paper
}

/// Every shape of invoice that there is, by name.
pub fn cases() -> Vec<(&'static str, Paper)> {
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
