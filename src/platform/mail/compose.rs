//! A letter out of its words (`templates/mail/words/<language>.toml`) and one layout in MJML and one in text.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use askama::Template;
use entity::account::Locale;
use mrml::prelude::render::RenderOptions;
use serde::Deserialize;

use super::Letter;

/// Who the letters are from, in their head.
const SENDER: &str = "Lensmeter";

/// What a letter says. A name in braces is filled in.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Words {
    subject: String,
    title: String,
    text: Vec<String>,
    rows: Vec<(String, String)>,
    /// Its caption and where it leads.
    button: Option<(String, String)>,
    closing: Vec<String>,
    /// Why the reader gets letters at all: of `frame` only.
    why: String,
}

static ENGLISH: LazyLock<BTreeMap<String, Words>> = LazyLock::new(|| read(include_str!("../../../templates/mail/words/en.toml")));
static CHINESE: LazyLock<BTreeMap<String, Words>> = LazyLock::new(|| read(include_str!("../../../templates/mail/words/zh.toml")));

fn read(words: &str) -> BTreeMap<String, Words> {
    toml::from_str(words).expect("the words are compiled in, and the tests below read them")
}

#[derive(Template)]
#[template(path = "mail/letter.mjml", escape = "html")]
struct Html<'a> {
    lang: &'a str,
    sender: &'a str,
    subject: &'a str,
    title: &'a str,
    text: &'a [String],
    rows: &'a [(String, String)],
    button: Option<&'a (String, String)>,
    closing: &'a [String],
    why: &'a str,
}

#[derive(Template)]
#[template(path = "mail/letter.txt")]
struct Text<'a> {
    sender: &'a str,
    title: &'a str,
    text: &'a [String],
    rows: &'a [(String, String)],
    button: Option<&'a (String, String)>,
    closing: &'a [String],
    why: &'a str,
}

/// The letter `name` in a language. A paragraph or a row with a name that has no value, or an empty one, is left out.
///
/// # Panics
/// When there are no words for `name`: a defect that the tests find.
pub fn compose(name: &'static str, locale: Locale, values: &[(&str, &str)]) -> Letter {
    let words = match locale {
        Locale::En => &*ENGLISH,
        Locale::Zh => &*CHINESE,
    };
    let letter = words.get(name).expect("every letter has words in every language: the tests compose them all");
    let value = |wanted: &str| match wanted {
        "sender" => Some(SENDER),
        _ => values.iter().find(|(name, _)| *name == wanted).map(|(_, value)| *value).filter(|value| !value.is_empty()),
    };
    let fill = |pattern: &String| filled(pattern, value);
    let pair = |(one, other): &(String, String)| fill(one).zip(fill(other));
    let subject = fill(&letter.subject).unwrap_or_default().replace(char::is_control, " ");
    let title = fill(&letter.title).unwrap_or_default();
    let text: Vec<String> = letter.text.iter().filter_map(fill).collect();
    let rows: Vec<_> = letter.rows.iter().filter_map(pair).collect();
    let button = letter.button.as_ref().and_then(pair);
    let closing: Vec<String> = letter.closing.iter().filter_map(fill).collect();
    let why = words.get("frame").and_then(|frame| fill(&frame.why)).unwrap_or_default();
    let (sender, subject_text) = (SENDER, subject.as_str());
    let (title, text, rows, button, closing, why) = (title.as_str(), &*text, &*rows, button.as_ref(), &*closing, why.as_str());
    let html = Html { lang: locale.as_str(), sender, subject: subject_text, title, text, rows, button, closing, why };
    let plain = Text { sender, title, text, rows, button, closing, why };
    Letter {
        name,
        html: rendered(&html.render().expect("writing to a string does not fail")),
        text: plain.render().expect("writing to a string does not fail"),
        subject,
        attachments: Vec::new(),
    }
}

/// The pattern with its names replaced, in one pass: a value is never looked at again. `None` when one has no value.
fn filled<'a>(pattern: &str, value: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(value(name)?);
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// HTML that mail programs understand, from MJML.
fn rendered(mjml: &str) -> String {
    let parsed = mrml::parse(mjml).expect("the layout is well-formed, and what is filled in is escaped");
    // No fonts from elsewhere: a letter loads nothing.
    let options = RenderOptions { fonts: Default::default(), ..RenderOptions::default() };
    parsed.element.render(&options).expect("the layout uses only what MJML has")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every name that a letter may fill in.
    fn names(words: &Words) -> BTreeSet<String> {
        let pairs = words.rows.iter().chain(&words.button).flat_map(|(one, other)| [one, other]);
        let all = [&words.subject, &words.title, &words.why].into_iter().chain(&words.text).chain(&words.closing).chain(pairs);
        all.flat_map(|text| text.split('{').skip(1).filter_map(|part| part.split_once('}'))).map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn both_languages_have_the_same_letters_that_say_the_same() {
        let shape = |words: &BTreeMap<String, Words>| -> BTreeMap<String, _> {
            let of = |words: &Words| (names(words), words.text.len(), words.rows.len(), words.closing.len(), words.button.is_some());
            words.iter().map(|(name, words)| (name.clone(), of(words))).collect()
        };
        assert_eq!(shape(&ENGLISH), shape(&CHINESE));
    }

    #[test]
    fn what_customers_call_themselves_is_text_and_nothing_else() {
        let hostile = "</mj-text><script>alert(1)</script>{link} & \"Sons\"\r\nBcc: all@example.com";
        for locale in [Locale::En, Locale::Zh] {
            let letter = compose("verify", locale, &[("company", hostile), ("link", "https://a.test/?x=1&y=\"2\"")]);
            assert!(!letter.html.contains("<script>alert") && letter.html.contains("&#60;script&#62;"), "{}", letter.html);
            assert!(letter.text.contains("<script>alert(1)</script>{link} & \"Sons\""), "{}", letter.text);
        }
        let subject = compose("card_expiring", Locale::En, &[("card", "visa\r\nBcc: a@b.c")]).subject;
        assert!(!subject.contains(['\r', '\n']), "{subject}");
    }

    #[test]
    fn what_has_no_value_is_left_out() {
        let failed = |values: &[(&str, &str)]| compose("payment_failed", Locale::En, values).text;
        let last = failed(&[("buyer", "Ada"), ("number", "LM-1"), ("total", "5.00 USD"), ("suspension", "2027-01-09")]);
        assert!(last.contains("our last try") && !last.contains("try again on"), "{last}");
    }

    #[test]
    fn a_letter_loads_nothing_and_says_its_language() {
        for name in ENGLISH.keys().filter(|name| *name != "frame") {
            let letter = compose(name.clone().leak(), Locale::Zh, &[]);
            assert!(letter.html.contains("lang=\"zh\""), "{}", letter.html);
            for outside in ["fonts.googleapis", "<img", "@import"] {
                assert!(!letter.html.contains(outside), "{name}: {outside}");
            }
        }
    }
}
