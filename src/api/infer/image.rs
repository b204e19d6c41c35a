//! The image of a request, from whichever of the three kinds of body it came in, or where it is to be fetched from. Held in memory: a temporary file, which
//! the framework's own upload type makes, costs ten times as long.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use poem::web::Multipart;
use poem::{Body, FromRequest as _, Request, RequestBody};

use crate::inference::run::ImageSource;
use crate::web::json::body;
use crate::web::json::fields::Fields;
use crate::web::json::problem::{Code, Problem};

/// The largest image, in bytes.
const IMAGE: usize = 20 * 1024 * 1024;
/// The longest URL, in bytes: what browsers and proxies take.
const URL: usize = 2048;
/// Boundaries, part headers and options around it.
const AROUND: usize = 64 * 1024;

/// With or without padding: both are written by ordinary programs.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The image, and the other fields that came with it.
///
/// # Errors
/// 413, 415 or 422 by what is wrong with the body.
pub async fn read(request: &Request, body: Body) -> Result<(ImageSource, Fields), Problem> {
    let essence = request.content_type().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "multipart/form-data" => multipart(request, body).await,
        "application/json" => {
            let bytes = bounded(request, body, IMAGE / 3 * 4 + AROUND).await?;
            json(&bytes)
        }
        "" | "application/octet-stream" => Ok((raw(request, body).await?, Fields::default())),
        kind if kind.starts_with("image/") => Ok((raw(request, body).await?, Fields::default())),
        kind => {
            body::discard(request, body).await;
            let advice = Code::UnsupportedMediaType.about().advice;
            Err(Problem::new(Code::UnsupportedMediaType, format!("A body of type {kind:?} is not understood. {advice}")))
        }
    }
}

async fn bounded(request: &Request, body: Body, limit: usize) -> Result<Bytes, Problem> {
    body::read(request, body, limit, too_large).await
}

async fn raw(request: &Request, body: Body) -> Result<ImageSource, Problem> {
    checked(bounded(request, body, IMAGE).await?)
}

fn too_large() -> Problem {
    Problem::new(Code::ImageTooLarge, "The image is larger than 20 MB. Scale it down or compress it, then send it again.")
}

fn checked(image: Bytes) -> Result<ImageSource, Problem> {
    if image.is_empty() {
        return Err(Problem::new(Code::UndecodableImage, "The image is empty: 0 bytes arrived. Send the bytes of an image file."));
    }
    if image.len() > IMAGE { Err(too_large()) } else { Ok(ImageSource::Bytes(image)) }
}

async fn multipart(request: &Request, body: Body) -> Result<(ImageSource, Fields), Problem> {
    let unreadable =
        |error: &dyn std::fmt::Display| Problem::new(Code::InvalidRequest, format!("The multipart body cannot be read: {error}."));
    let bytes = bounded(request, body, IMAGE + AROUND).await?;
    let mut rest = RequestBody::new(Body::from_bytes(bytes));
    let mut form = Multipart::from_request(request, &mut rest).await.map_err(|error| unreadable(&error))?;
    let (mut image, mut fields) = (None, Fields::default());
    while let Some(part) = form.next_field().await.map_err(|error| unreadable(&error))? {
        let name = part.name().unwrap_or_default().to_owned();
        let content = part.bytes().await.map_err(|error| unreadable(&error))?;
        if name == "image" {
            if image.replace(Bytes::from(content)).is_some() {
                return Err(Problem::field(Code::InvalidField, "image", "expected one image; send one request per image"));
            }
            continue;
        }
        let text = String::from_utf8(content).map_err(|_| Problem::field(Code::InvalidField, &name, "expected text in UTF-8"))?;
        fields.put(name, text);
    }
    let image = image.ok_or_else(|| Problem::field(Code::MissingField, "image", "this field is needed: the bytes of an image file"))?;
    Ok((checked(image)?, fields))
}

fn json(bytes: &[u8]) -> Result<(ImageSource, Fields), Problem> {
    let mut fields = Fields::of_json(bytes)?;
    let mut image = fields.needed_object("image")?;
    let (kind, value) = (image.needed_text("type")?, image.needed_text("value")?);
    image.finish()?;
    match kind.as_str() {
        "base64" => Ok((base64(&value)?, fields)),
        "url" if value.len() > URL => Err(Problem::field(Code::InvalidField, "value", format!("expected a URL of at most {URL} bytes"))),
        "url" => Ok((ImageSource::Url(value), fields)),
        _ => Err(Problem::field(Code::InvalidField, "type", "expected `base64` or `url`")),
    }
}

fn base64(value: &str) -> Result<ImageSource, Problem> {
    // Browsers hand out data URLs; what is before the comma says nothing that the bytes do not say.
    let text = if value.starts_with("data:") { value.split_once(',').map_or("", |(_, text)| text) } else { value };
    let decoded =
        BASE64.decode(text.trim()).map_err(|error| Problem::field(Code::InvalidField, "value", format!("expected base64: {error}")))?;
    checked(decoded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Code {
        json(body.as_bytes()).expect_err("refused").code
    }

    #[test]
    fn json_images_are_base64_with_or_without_padding_or_as_data_url() {
        for value in ["aGk=", "aGk", "data:image/png;base64,aGk="] {
            let (image, _) = json(format!(r#"{{"image":{{"type":"base64","value":"{value}"}}}}"#).as_bytes()).unwrap();
            let ImageSource::Bytes(image) = image else { panic!("bytes") };
            assert_eq!(&image[..], b"hi");
        }
    }

    #[test]
    fn an_image_may_be_somewhere_else() {
        let (image, _) = json(br#"{"image":{"type":"url","value":"https://example.com/a.png"}}"#).unwrap();
        assert!(matches!(image, ImageSource::Url(url) if url == "https://example.com/a.png"));
    }

    #[test]
    fn what_is_wrong_has_its_code() {
        assert_eq!(code("{"), Code::InvalidJson);
        assert_eq!(code("[]"), Code::InvalidField);
        assert_eq!(code("{}"), Code::MissingField);
        assert_eq!(code(r#"{"image":"x"}"#), Code::InvalidField);
        assert_eq!(code(r#"{"image":{"type":"ftp","value":"https://example.com/a.png"}}"#), Code::InvalidField);
        assert_eq!(code(&format!(r#"{{"image":{{"type":"url","value":"https://{}"}}}}"#, "x".repeat(URL))), Code::InvalidField);
        assert_eq!(code(r#"{"image":{"type":"base64","value":"%"}}"#), Code::InvalidField);
        assert_eq!(code(r#"{"image":{"type":"base64","value":"","extra":1}}"#), Code::UnknownField);
        assert_eq!(code(r#"{"image":{"type":"base64","value":""}}"#), Code::UndecodableImage);
    }
}
