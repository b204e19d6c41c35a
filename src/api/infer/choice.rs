//! What a request chooses beside its image: the model and the options of the task. Anything else is refused by name.

use sha2::{Digest as _, Sha256};

use crate::inference::Encoding;
use crate::inference::run::ImageSource;
use crate::platform::secret;
use crate::vision::{ClassifyOptions, DetectOptions, Options, Task};
use crate::web::json::fields::Fields;
use crate::web::json::problem::{Code, Problem};

/// The choices of a request.
pub struct Choice {
    /// The task's default when there is none.
    pub model: Option<String>,
    pub options: Options,
    pub encoding: Encoding,
}

impl Choice {
    /// Takes them from the fields of a request.
    ///
    /// # Errors
    /// 422, naming the field.
    pub fn read(task: Task, mut fields: Fields) -> Result<Self, Problem> {
        let model = fields.text("model")?.filter(|model| !model.is_empty());
        let options = match task {
            Task::Detect => Options::Detect(detect(&mut fields)?),
            Task::Classify => Options::Classify(classify(&mut fields)?),
            Task::Embed => Options::Embed,
        };
        let encoding = if task == Task::Embed { encoding(&mut fields)? } else { Encoding::default() };
        fields.finish()?;
        Ok(Self { model, options, encoding })
    }

    /// Equal for equal requests: route, choices and image, each of a fixed or announced length so that none runs into the
    /// next. An image by URL is its URL.
    pub fn fingerprint(&self, route: &str, image: &ImageSource) -> [u8; 32] {
        let (kind, content): (_, &[u8]) = match image {
            ImageSource::Bytes(bytes) => ("bytes", bytes),
            ImageSource::Url(url) => ("url", url.as_bytes()),
        };
        let said = serde_json::json!([route, kind, self.model, self.options, self.encoding]).to_string();
        let mut hash = Sha256::new();
        hash.update(secret::sha256(said));
        hash.update(content);
        hash.finalize().into()
    }
}

fn detect(fields: &mut Fields) -> Result<DetectOptions, Problem> {
    Ok(DetectOptions {
        min_confidence: share(fields, "min_confidence")?,
        max_results: max_results(fields)?,
        iou: share(fields, "iou")?,
        classes: fields.list("classes")?,
    })
}

fn classify(fields: &mut Fields) -> Result<ClassifyOptions, Problem> {
    Ok(ClassifyOptions { min_confidence: share(fields, "min_confidence")?, max_results: max_results(fields)? })
}

/// As `OpenAI` names and means it.
fn encoding(fields: &mut Fields) -> Result<Encoding, Problem> {
    if fields.text("dimensions").transpose().is_some() {
        let expected = "the vector has as many dimensions as the model gives; shorten it yourself and scale it to length 1 again";
        return Err(Problem::field(Code::UnknownField, "dimensions", expected));
    }
    match fields.text("encoding_format")?.as_deref() {
        None | Some("float") => Ok(Encoding::Float),
        Some("base64") => Ok(Encoding::Base64),
        Some(_) => Err(Problem::field(Code::InvalidField, "encoding_format", "expected `float` or `base64`")),
    }
}

fn share(fields: &mut Fields, name: &str) -> Result<Option<f32>, Problem> {
    Ok(fields.number(name, 0.0, 1.0)?.map(|number| number as f32))
}

fn max_results(fields: &mut Fields) -> Result<Option<usize>, Problem> {
    Ok(fields.whole("max_results", 1, 1000)?.map(|number| number as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(task: Task, json: &str) -> Result<Choice, Problem> {
        Choice::read(task, Fields::of_json(json.as_bytes()).unwrap())
    }

    #[test]
    fn classes_are_a_list_or_a_text_with_commas() {
        for json in [r#"{"classes":["qr_code","barcode"]}"#, r#"{"classes":" qr_code ,barcode,"}"#] {
            let Options::Detect(options) = read(Task::Detect, json).unwrap().options else { panic!("a detection") };
            assert_eq!(options.classes.unwrap(), ["qr_code", "barcode"]);
        }
        for json in [r#"{"classes":[]}"#, r#"{"classes":" , "}"#, r#"{"classes":7}"#, r#"{"classes":[7]}"#] {
            assert_eq!(read(Task::Detect, json).err().unwrap().errors[0].field, "classes", "{json}");
        }
    }

    #[test]
    fn an_option_of_another_task_is_refused() {
        assert_eq!(read(Task::Classify, r#"{"iou":0.5}"#).err().unwrap().code, Code::UnknownField);
        assert_eq!(read(Task::Detect, r#"{"encoding_format":"float"}"#).err().unwrap().code, Code::UnknownField);
        for dimensions in ["8", "\"8\""] {
            let refused = read(Task::Embed, &format!(r#"{{"dimensions":{dimensions}}}"#)).err().unwrap();
            assert_eq!((refused.code, refused.errors[0].field.as_str()), (Code::UnknownField, "dimensions"));
        }
        assert_eq!(read(Task::Embed, r#"{"encoding_format":"hex"}"#).err().unwrap().code, Code::InvalidField);
    }

    #[test]
    fn the_fingerprint_tells_requests_apart() {
        let print = |task, json: &str, image: &ImageSource| read(task, json).unwrap().fingerprint("/v1/x", image);
        let bytes = ImageSource::Bytes("https://x".into());
        let one = print(Task::Detect, "{}", &bytes);
        assert_eq!(one, print(Task::Detect, "{}", &ImageSource::Bytes("https://x".into())));
        assert_ne!(one, print(Task::Detect, "{}", &ImageSource::Bytes("https://y".into())));
        assert_ne!(one, print(Task::Detect, "{}", &ImageSource::Url("https://x".into())));
        assert_ne!(one, print(Task::Detect, r#"{"model":"elements"}"#, &bytes));
        assert_ne!(one, print(Task::Detect, r#"{"classes":"qr_code"}"#, &bytes));
        assert_ne!(one, print(Task::Classify, "{}", &bytes));
        assert_ne!(print(Task::Embed, "{}", &bytes), print(Task::Embed, r#"{"encoding_format":"base64"}"#, &bytes));
    }
}
