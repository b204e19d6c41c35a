//! Fields of a request, from JSON, a form or the query: each is taken by name and type, and what is left over is refused.
//! serde would say that a type is wrong, but not of which field.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};
use poem::{IntoResponse, Request, RequestBody, Response};
use poem_openapi::impl_apirequest_for_payload;
use poem_openapi::payload::{Json, ParsePayload, Payload};
use poem_openapi::registry::{MetaSchemaRef, Registry};
use poem_openapi::types::{ToJSON, Type};
use serde_json::Value;

use super::problem::{Code, Problem};

/// Named values that wait to be taken.
#[derive(Debug, Default)]
pub struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// The members of a JSON object.
    ///
    /// # Errors
    /// 400 when it is no JSON, 422 when it is another kind of value.
    pub fn of_json(bytes: &[u8]) -> Result<Self, Problem> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(members)) => Ok(Self(members.into_iter().collect())),
            Ok(_) => Err(Problem::field(Code::InvalidField, "body", "expected a JSON object")),
            Err(error) => Err(Problem::new(Code::InvalidJson, format!("The body is not valid JSON: {error}."))),
        }
    }

    /// The parameters of the query.
    ///
    /// # Errors
    /// 400 when it cannot be read.
    pub fn of_query(request: &Request) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(request.uri().query().unwrap_or_default())
            .map_err(|error| Problem::new(Code::InvalidRequest, format!("The query cannot be read: {error}.")))?;
        let mut fields = Self::default();
        pairs.into_iter().for_each(|(name, text)| fields.put(name, text));
        Ok(fields)
    }

    /// Adds a field of a form. One that comes twice is a list.
    pub fn put(&mut self, name: String, text: String) {
        match self.0.entry(name) {
            Entry::Vacant(place) => drop(place.insert(Value::String(text))),
            Entry::Occupied(mut place) => match place.get_mut() {
                Value::Array(texts) => texts.push(Value::String(text)),
                first => *first = Value::Array(vec![first.take(), Value::String(text)]),
            },
        }
    }

    /// These fields, and those of `under` that are not among them.
    pub fn over(mut self, under: Self) -> Self {
        for (name, value) in under.0 {
            self.0.entry(name).or_insert(value);
        }
        self
    }

    /// A text.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::field(Code::InvalidField, name, "expected a text")),
        }
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// 422 when it is missing or something else.
    pub fn needed_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| Problem::field(Code::MissingField, name, "this field is needed"))
    }

    /// A number from `low` to `high`. Forms and queries carry it as text.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn number(&mut self, name: &str, low: f64, high: f64) -> Result<Option<f64>, Problem> {
        let number = match self.0.remove(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match number.filter(|number| (low..=high).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::field(Code::InvalidField, name, format!("expected a number from {low} to {high}"))),
        }
    }

    /// A whole number from `low` to `high`.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn whole(&mut self, name: &str, low: i64, high: i64) -> Result<Option<i64>, Problem> {
        let number = match self.0.remove(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.as_i64(),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(_) => None,
        };
        match number.filter(|number| (low..=high).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(Problem::field(Code::InvalidField, name, format!("expected a whole number from {low} to {high}"))),
        }
    }

    /// True or false.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn truth(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Bool(truth)) => Ok(Some(truth)),
            Some(_) => Err(Problem::field(Code::InvalidField, name, "expected true or false")),
        }
    }

    /// A list of texts.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| Problem::field(Code::InvalidField, name, "expected a list of texts"))
    }

    /// A list of whole numbers.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn whole_numbers(&mut self, name: &str) -> Result<Option<Vec<i64>>, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| Problem::field(Code::InvalidField, name, "expected a list of whole numbers"))
    }

    /// A list of texts that forms and queries carry as one text with commas, or as a field for each.
    ///
    /// # Errors
    /// 422 when it is something else, or holds nothing.
    pub fn list(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        let texts = match self.text_or_list(name)? {
            None => return Ok(None),
            Some(texts) => texts,
        };
        if texts.is_empty() {
            return Err(Problem::field(Code::InvalidField, name, "expected at least one"));
        }
        Ok(Some(texts))
    }

    fn text_or_list(&mut self, name: &str) -> Result<Option<Vec<String>>, Problem> {
        if !self.0.get(name).is_some_and(Value::is_string) {
            return self.texts(name);
        }
        let text = self.text(name)?.unwrap_or_default();
        // By its full name: poem-openapi's `Type` has an `is_empty` too, which is false for every text.
        let parts = text.split(',').map(str::trim).filter(|part| !str::is_empty(part));
        Ok(Some(parts.map(str::to_owned).collect()))
    }

    /// An object, with fields of its own.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn object(&mut self, name: &str) -> Result<Option<Self>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Self(members.into_iter().collect()))),
            Some(_) => Err(Problem::field(Code::InvalidField, name, "expected an object")),
        }
    }

    /// An object that must be there, with fields of its own.
    ///
    /// # Errors
    /// 422 when it is missing or something else.
    pub fn needed_object(&mut self, name: &str) -> Result<Self, Problem> {
        self.object(name)?.ok_or_else(|| Problem::field(Code::MissingField, name, "this field is needed"))
    }

    /// True, and the field is taken, when it is `null`: what it says is taken away.
    pub fn null(&mut self, name: &str) -> bool {
        let null = self.0.get(name) == Some(&Value::Null);
        if null {
            self.0.remove(name);
        }
        null
    }

    /// An object of texts.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn named_texts(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, Problem> {
        let Some(value) = self.0.remove(name) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|_| Problem::field(Code::InvalidField, name, "expected an object of texts"))
    }

    /// An instant.
    ///
    /// # Errors
    /// 422 when it is something else.
    pub fn instant(&mut self, name: &str) -> Result<Option<DateTime<Utc>>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let read = DateTime::parse_from_rfc3339(&text).map(|instant| instant.to_utc());
        let wrong = |_| Problem::field(Code::InvalidField, name, "expected an instant such as 2027-01-31T12:00:00Z");
        read.map(Some).map_err(wrong)
    }

    /// Nothing may be left: a misspelt field must not be ignored silently.
    ///
    /// # Errors
    /// 422 `unknown_field`, naming the first.
    pub fn finish(self) -> Result<(), Problem> {
        match self.0.into_keys().next() {
            Some(name) => Err(Problem::field(Code::UnknownField, &name, "this route has no such field")),
            None => Ok(()),
        }
    }
}

/// A request object that is read field by field.
pub trait FromFields: Type + Send + Sized {
    /// Takes the fields it knows; the caller refuses the rest.
    fn from_fields(fields: &mut Fields) -> Result<Self, Problem>;
}

/// A JSON body, documented like any other, read with errors that name the field.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: FromFields> Payload for JsonBody<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        <Json<Value> as Payload>::check_content_type(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: FromFields> ParsePayload for JsonBody<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(_: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let mut fields = Fields::of_json(&body.take()?.into_bytes().await?)?;
        let object = T::from_fields(&mut fields)?;
        fields.finish()?;
        Ok(Self(object))
    }
}

impl_apirequest_for_payload!(JsonBody<T>, T: FromFields);

/// JSON that was serialised elsewhere, byte by byte as it was stored, with the schema of `T`.
#[derive(Debug)]
pub struct StoredJson<T> {
    bytes: bytes::Bytes,
    schema: std::marker::PhantomData<T>,
}

impl<T> StoredJson<T> {
    /// Bytes that hold a `T`.
    pub fn new(bytes: bytes::Bytes) -> Self {
        Self { bytes, schema: std::marker::PhantomData }
    }
}

impl<T: Type + ToJSON> Payload for StoredJson<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Send> IntoResponse for StoredJson<T> {
    fn into_response(self) -> Response {
        Response::builder().content_type("application/json").body(self.bytes)
    }
}
