//! Every letter in every language, as a mail program gets it. With `KEEP_LETTERS` set they stay in `target/tmp/letters`.

use entity::account::Locale;
use lensmeter::platform::mail::compose;

const LETTERS: [&str; 19] = [
    "verify",
    "already_member",
    "reset",
    "invoice",
    "receipt",
    "payment_failed",
    "payment_action",
    "payment_overdue",
    "invoice_due",
    "top_up_action",
    "card_expiring",
    "credit_low",
    "budget_near",
    "cap_near",
    "suspended",
    "restored",
    "credit_note",
    "auto_top_up_refused",
    "auto_top_up_off",
];

const VALUES: [(&str, &str); 28] = [
    ("company", "Ada & Sons"),
    ("buyer", "Ada & Sons"),
    ("seller", "Lensmeter Example GmbH"),
    ("number", "LM-0A1B2C-000042"),
    ("from", "2026-11-20"),
    ("to", "2026-12-20"),
    ("subtotal", "20.00 USD"),
    ("discount", "2.00 USD"),
    ("tax", "3.42 USD"),
    ("credits", "4.00 USD"),
    ("total", "17.42 USD"),
    ("pay_link", "https://pay.example.com/i/1?a=1&b=2"),
    ("link", "https://lensmeter.example.com/app"),
    ("forgot", "https://lensmeter.example.com/forgot"),
    ("amount", "25.00 USD"),
    ("date", "2026-11-20"),
    ("reference", "top_0A1B2C"),
    ("next", "2026-12-21"),
    ("due", "2027-01-04"),
    ("card", "visa •••• 4242"),
    ("month", "2027-03"),
    ("remaining", "0.98 USD"),
    ("threshold", "1.00 USD"),
    ("share", "80 %"),
    ("spent", "20.01 USD"),
    ("note", "LM-0A1B2C-CN-000001"),
    ("reason", "Billed twice"),
    ("refunded", "5.00 USD"),
];

#[test]
fn every_letter_is_whole_in_every_language() {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("letters");
    let keep = std::env::var_os("KEEP_LETTERS").is_some();
    if keep {
        std::fs::create_dir_all(&folder).unwrap();
    }
    for name in LETTERS {
        for locale in [Locale::En, Locale::Zh] {
            let letter = compose(name, locale, &VALUES);
            let language = locale.as_str();
            assert!(!letter.subject.is_empty() && letter.subject.chars().count() < 80, "{name} {language}: {}", letter.subject);
            for text in [&letter.subject, &letter.text] {
                assert!(!text.contains(['{', '}']), "{name} {language}: {text}");
            }
            // Mail programs cut letters that are larger than 102 KB.
            assert!(letter.html.len() < 20_000, "{name} {language}: {} bytes", letter.html.len());
            assert!(letter.html.contains("https://") && letter.text.contains("https://"), "{name} {language} leads nowhere");
            let is_chinese = letter.text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
            assert_eq!(is_chinese, locale == Locale::Zh, "{name}: {}", letter.text);
            if keep {
                std::fs::write(folder.join(format!("{name}.{language}.html")), &letter.html).unwrap();
                std::fs::write(folder.join(format!("{name}.{language}.txt")), format!("{}\n\n{}", letter.subject, letter.text)).unwrap();
            }
        }
    }
}
