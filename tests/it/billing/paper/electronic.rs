//! The data inside the paper: EN 16931 by its own rules.

use entity::invoice::Model as Invoice;
use entity::money::exponent;
use lensmeter::billing::tax::Category;

use super::shapes::cases;
use super::{Paper, usual, vat};

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
