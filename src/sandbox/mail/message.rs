//! A caught mail, parsed: what the JSON and the pages show.

use mail_parser::{MessageParser, MessagePart, MimeHeaders};
use serde::Serialize;

use super::inbox::Mail;

/// A mail as `GET /messages` tells it.
#[derive(Debug, Serialize)]
pub struct Shown {
    pub id: String,
    pub received: i64,
    pub from: String,
    pub to: Vec<String>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
}

/// One attachment, without its bytes.
#[derive(Debug, Serialize)]
pub struct Attachment {
    pub filename: String,
    pub content_type: String,
    pub size: usize,
}

impl Shown {
    /// Parses a mail; one that is no valid message is shown as its bytes.
    pub fn of(mail: &Mail) -> Self {
        let raw = mail.raw();
        let mut shown = Self {
            id: mail.id.clone(),
            received: mail.received,
            from: mail.from.clone(),
            to: mail.to.clone(),
            subject: String::new(),
            text: None,
            html: None,
            attachments: Vec::new(),
        };
        let Some(message) = MessageParser::default().parse(&raw) else {
            shown.text = Some(String::from_utf8_lossy(&raw).into_owned());
            return shown;
        };
        if let Some(from) = message.from().and_then(|from| from.first()).and_then(|from| from.address()) {
            shown.from = from.to_owned();
        }
        shown.subject = message.subject().unwrap_or_default().to_owned();
        let plain = message.text_bodies().find(|part| part.is_text() && !part.is_text_html());
        shown.text = plain.and_then(|part| part.text_contents()).map(str::to_owned);
        let html = message.html_bodies().find(|part| part.is_text_html());
        shown.html = html.and_then(|part| part.text_contents()).map(str::to_owned);
        shown.attachments = message.attachments().enumerate().map(|(n, part)| about(n, part)).collect();
        shown
    }

    /// When it came, for people.
    pub fn at(&self) -> String {
        chrono::DateTime::from_timestamp(self.received, 0).map_or_else(String::new, |at| at.format("%Y-%m-%d %H:%M:%S").to_string())
    }
}

/// The n-th attachment with its bytes.
pub fn attachment(mail: &Mail, n: usize) -> Option<(Attachment, Vec<u8>)> {
    let raw = mail.raw();
    let message = MessageParser::default().parse(&raw)?;
    let part = message.attachments().nth(n)?;
    Some((about(n, part), part.contents().to_vec()))
}

fn about(n: usize, part: &MessagePart<'_>) -> Attachment {
    let kind = part.content_type().map(|kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")));
    Attachment {
        filename: part.attachment_name().map_or_else(|| format!("attachment-{n}"), str::to_owned),
        content_type: kind.unwrap_or_else(|| "application/octet-stream".to_owned()),
        size: part.contents().len(),
    }
}
