//! What the playground's form sends.

use poem::http::StatusCode;
use poem::web::Multipart;
use tokio::io::AsyncReadExt as _;

use crate::web::csrf;

/// The largest file the page takes; the decoder has its own limits after that.
const LARGEST: u64 = 20 * 1024 * 1024;

/// The fields of the form.
#[derive(Default)]
pub struct Sent {
    pub image: Vec<u8>,
    pub content_type: String,
    pub form_token: String,
    /// One per page: sending the same form again is answered again, free.
    pub once: String,
    pub confidence: String,
    /// Empty: the one for detection.
    pub model: String,
    /// The sample picture instead of a file.
    pub sample: bool,
    pub too_large: bool,
}

/// Reads the form, within bounds.
///
/// # Errors
/// 400 when it breaks off.
pub async fn read(mut form: Multipart) -> poem::Result<Sent> {
    let mut sent = Sent::default();
    while let Some(field) = form.next_field().await? {
        let name = field.name().unwrap_or_default().to_owned();
        let content_type = field.content_type().unwrap_or_default().to_owned();
        let most = if name == "image" { LARGEST } else { 1024 };
        let mut bytes = Vec::new();
        let read = field.into_async_read().take(most + 1).read_to_end(&mut bytes).await;
        read.map_err(|_| poem::Error::from_status(StatusCode::BAD_REQUEST))?;
        let too_large = bytes.len() as u64 > most;
        if name == "image" {
            (sent.image, sent.content_type, sent.too_large) = (bytes, content_type, too_large);
            continue;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match name.as_str() {
            csrf::FIELD => sent.form_token = text,
            "once" => sent.once = text,
            "min_confidence" => sent.confidence = text,
            "model" => sent.model = text,
            "sample" => sent.sample = true,
            _ => {}
        }
        if too_large {
            break;
        }
    }
    Ok(sent)
}
