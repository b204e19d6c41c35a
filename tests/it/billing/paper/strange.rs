//! Strange names, many lines, and an operator's own template.

use entity::invoice_line::Kind;
use lensmeter::billing::invoice::document;

use super::{Paper, Printed, line, usual};

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
