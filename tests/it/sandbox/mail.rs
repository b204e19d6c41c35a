//! A mail goes in over SMTP and comes out whole.

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Attachment, MultiPart, SinglePart, header::ContentType},
};
use serde_json::Value;

use super::Stand;

/// Sends a letter with a text, an html part and a PDF.
pub async fn send(stand: &Stand, subject: &str, text: &str) {
    let both = MultiPart::alternative_plain_html(text.to_owned(), format!("<p>{text}</p>"));
    let kind = ContentType::parse("application/pdf").expect("a type");
    let letter = Message::builder()
        .from("Lensmeter <billing@lensmeter.test>".parse().expect("an address"))
        .to("ada@example.com".parse().expect("an address"))
        .subject(subject)
        .multipart(MultiPart::mixed().multipart(both).singlepart(attached(kind)))
        .expect("a message");
    let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(&stand.sandbox.smtp_url).expect("a URL").build();
    transport.send(letter).await.expect("the catcher takes it");
}

fn attached(kind: ContentType) -> SinglePart {
    Attachment::new("invoice-1.pdf".to_owned()).body(pdf(), kind)
}

fn pdf() -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\r\n.\r\n..dots\n".to_vec();
    bytes.extend((0..=255).cycle().take(70_000));
    bytes
}

async fn json(stand: &Stand, path: &str) -> Value {
    let answer = stand.http.get(format!("{}{path}", stand.sandbox.mail_url)).send().await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    answer.json().await.expect("JSON")
}

#[tokio::test]
async fn round_trip_with_attachment() {
    let stand = Stand::start("", None).await;
    send(&stand, "First", "one").await;
    send(&stand, "Ihre Rechnung für März 🧾", "Dear Ada,\r\n.\r\n..a line of dots\r\nBye").await;
    let mails = json(&stand, "/messages").await;
    let mail = &mails[0];
    assert_eq!(mails.as_array().map(Vec::len), Some(2));
    assert_eq!(mail["subject"], "Ihre Rechnung für März 🧾", "newest first");
    assert_eq!((mail["from"].as_str(), mail["to"][0].as_str()), (Some("billing@lensmeter.test"), Some("ada@example.com")));
    let text = mail["text"].as_str().expect("a text").replace("\r\n", "\n");
    assert_eq!(text.trim_end(), "Dear Ada,\n.\n..a line of dots\nBye");
    assert!(mail["html"].as_str().is_some_and(|html| html.starts_with("<p>Dear")));
    assert_eq!(mail["attachments"][0]["filename"], "invoice-1.pdf");
    assert_eq!(mail["attachments"][0]["size"], pdf().len());

    let id = mail["id"].as_str().expect("an id");
    assert_eq!(json(&stand, &format!("/messages/{id}")).await["subject"], mail["subject"]);
    let base = &stand.sandbox.mail_url;
    let file = stand.http.get(format!("{base}/messages/{id}/attachments/0")).send().await.expect("an answer");
    assert_eq!(file.headers()["content-type"], "application/pdf");
    assert_eq!(file.bytes().await.expect("bytes"), pdf());
    let frame = stand.http.get(format!("{base}/messages/{id}/html")).send().await.expect("an answer");
    assert!(frame.headers()["content-security-policy"].to_str().is_ok_and(|policy| policy.starts_with("sandbox")));
    let page = stand.http.get(format!("{base}/messages/{id}/view")).send().await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("invoice-1.pdf") && page.contains("<iframe"));
    assert_eq!(stand.http.delete(format!("{base}/messages")).send().await.expect("an answer").status().as_u16(), 204);
    assert_eq!(json(&stand, "/messages").await.as_array().map(Vec::len), Some(0));
}
