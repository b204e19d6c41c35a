//! The sections of the configuration, each with its defaults and its checks.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::ConfigError;

/// How the program is reached.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    #[serde(deserialize_with = "address")]
    pub listen: SocketAddr,
    /// Without a trailing slash.
    #[serde(default = "default_public_url", deserialize_with = "url")]
    pub public_url: String,
    /// Signs form tokens; the same on every replica.
    pub secret: SecretString,
    /// Bearer token of the operator's routes; without one they are closed.
    #[serde(default)]
    pub admin_token: Option<SecretString>,
    /// Balancers in front of us: what they say in `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<IpAddr>,
    /// Lets customers' URLs (webhook endpoints) lead into this machine's own network. For development only.
    #[serde(default)]
    pub allow_private_urls: bool,
}

impl Server {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        if self.secret.expose_secret().len() < 32 {
            return Err(ConfigError("server.secret (LENSMETER_SECRET): expected at least 32 characters".into()));
        }
        match &self.admin_token {
            Some(token) if token.expose_secret().len() < 16 => {
                Err(ConfigError("server.admin_token (LENSMETER_ADMIN_TOKEN): expected at least 16 characters".into()))
            }
            _ => Ok(()),
        }
    }
}

/// Where the data is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    pub url: SecretString,
    pub max_connections: u32,
}

/// Which models, on which device.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vision {
    pub models: PathBuf,
    pub device: String,
    /// Threads of one forward pass on the CPU.
    pub threads: usize,
    /// Forward passes at the same time on each device; 0: as many as there are cores on a CPU, one on a GPU.
    pub workers: usize,
    /// Of the weights of all models; 0 for no limit.
    pub memory_mb: u32,
    /// Of answers that are kept for equal calls of an account; 0 keeps none.
    pub cache_mb: u32,
    /// How long an answer is kept.
    pub cache_seconds: u32,
    /// How often the folder of models is looked at; 0: only when the operator asks for it.
    pub poll_seconds: u32,
    /// Lets the URLs of images lead into this machine's own network. Apart from `server.allow_private_urls`, because whoever
    /// calls the API sees what a server inside answers to a fetch.
    pub allow_private_images: bool,
}

impl Default for Vision {
    fn default() -> Self {
        Self {
            models: "models".into(),
            device: "auto".into(),
            threads: 1,
            workers: 0,
            memory_mb: 0,
            cache_mb: 64,
            cache_seconds: 3600,
            poll_seconds: 5,
            allow_private_images: false,
        }
    }
}

impl Vision {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let is_cuda = |name: &str| name.trim().strip_prefix("cuda:").is_some_and(|index| index.parse::<u8>().is_ok());
        if !["auto", "cpu"].contains(&self.device.as_str()) && !self.device.split(',').all(is_cuda) {
            return Err(ConfigError(format!(
                "vision.device (LENSMETER_DEVICE): expected auto, cpu or cuda:N (several with commas), found {:?}",
                self.device
            )));
        }
        if self.threads == 0 {
            return Err(ConfigError("vision.threads (LENSMETER_THREADS): expected at least 1".into()));
        }
        Ok(())
    }
}

/// How long metered calls stay in the database.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Months that ended so long ago become files; absent: never.
    pub archive_after_months: Option<u32>,
}

impl Usage {
    /// A stored answer names its event for up to 30 days, and what names an event finds it in the database.
    pub const LEAST_MONTHS: u32 = 2;

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        match self.archive_after_months {
            Some(found) if !(Self::LEAST_MONTHS..=1200).contains(&found) => Err(ConfigError(format!(
                "usage.archive_after_months (LENSMETER_ARCHIVE_AFTER_MONTHS): expected {} to 1200 months, found {found}",
                Self::LEAST_MONTHS
            ))),
            _ => Ok(()),
        }
    }
}

/// The payment provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stripe {
    pub secret_key: SecretString,
    /// Any of them may have signed: two while one is being rotated.
    pub webhook_secrets: Vec<SecretString>,
    #[serde(deserialize_with = "url")]
    pub api_base: String,
}

impl Stripe {
    /// True with a key that moves real money.
    pub fn is_live(&self) -> bool {
        self.secret_key.expose_secret().contains("_live_")
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let key = self.secret_key.expose_secret();
        if !key.starts_with("sk_") && !key.starts_with("rk_") {
            return Err(ConfigError("stripe.secret_key (STRIPE_SECRET_KEY): expected a key that starts with sk_ or rk_".into()));
        }
        if self.webhook_secrets.is_empty() {
            return Err(ConfigError("stripe.webhook_secrets (STRIPE_WEBHOOK_SECRET): expected at least one secret".into()));
        }
        Ok(())
    }
}

/// How mail leaves.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    pub smtp_url: SecretString,
    pub from: String,
}

/// Who the invoices are from.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Seller {
    pub name: String,
    /// Street and number, or the whole address in one line.
    pub address: String,
    pub postal_code: String,
    pub city: String,
    /// ISO 3166-1 alpha-2. Electronic invoices and taxes need it.
    pub country: String,
    pub tax_id: String,
    /// What is charged to buyers, by their country. A country that is not listed is charged nothing.
    pub taxes: Vec<TaxRate>,
    /// A folder with an `invoice.typ` of the operator's own.
    pub template: Option<PathBuf>,
}

/// The tax of one country.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxRate {
    /// ISO 3166-1 alpha-2.
    pub country: String,
    #[serde(default = "vat")]
    pub name: String,
    /// Hundredths of a per cent. In the file it is a text, `percent = "19"`: no float touches money.
    #[serde(rename = "percent", deserialize_with = "percent")]
    pub basis_points: u32,
    /// Whether prices hold it already.
    #[serde(default)]
    pub included: bool,
    /// Whether a business there owes it itself when it tells its VAT id.
    #[serde(default)]
    pub reverse_charge: bool,
}

fn vat() -> String {
    "VAT".into()
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let text = String::deserialize(deserializer)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = !whole.is_empty() && fraction.len() <= 2 && digits(whole) && digits(fraction) && !text.ends_with('.');
    let read = shaped.then(|| format!("{whole}{fraction:0<2}").parse().ok()).flatten().filter(|rate| *rate <= 10_000);
    read.ok_or_else(|| D::Error::custom(format!("expected a percentage from 0 to 100 such as \"8.1\", found {text:?}")))
}

impl Default for Seller {
    fn default() -> Self {
        Self {
            name: "Lensmeter Operator".into(),
            address: String::new(),
            postal_code: String::new(),
            city: String::new(),
            country: String::new(),
            tax_id: String::new(),
            taxes: Vec::new(),
            template: None,
        }
    }
}

impl Seller {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let is_country = |text: &str| text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_uppercase());
        let expected = |key: &str, found: &str| ConfigError(format!("{key}: expected two capital letters such as DE, found {found:?}"));
        let needless = self.country.is_empty() && self.taxes.is_empty();
        if !needless && !is_country(&self.country) {
            return Err(expected("seller.country (LENSMETER_SELLER_COUNTRY)", &self.country));
        }
        for (index, rate) in self.taxes.iter().enumerate() {
            if !is_country(&rate.country) {
                return Err(expected(&format!("seller.taxes[{index}].country"), &rate.country));
            }
            if self.taxes[..index].iter().any(|other| other.country == rate.country) {
                return Err(ConfigError(format!("seller.taxes[{index}].country: {} has a rate already", rate.country)));
            }
        }
        Ok(())
    }
}

/// What follows when an invoice is not paid.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dunning {
    /// Days after the first failure on which the card is charged again.
    pub retry_days: Vec<u32>,
    /// Days after the last of those before calls are refused.
    pub grace_days: u32,
}

impl Default for Dunning {
    fn default() -> Self {
        Self { retry_days: vec![1, 3, 5, 7], grace_days: 3 }
    }
}

impl Dunning {
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let rising = self.retry_days.windows(2).all(|days| days[0] < days[1]);
        if !rising || self.retry_days.iter().chain([&self.grace_days]).any(|days| *days > 365) || self.retry_days.first() == Some(&0) {
            return Err(ConfigError(format!("dunning.retry_days: expected rising days from 1 to 365, found {:?}", self.retry_days)));
        }
        Ok(())
    }
}

fn default_public_url() -> String {
    "http://127.0.0.1:8080".into()
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom(format!("expected an address such as 127.0.0.1:8080, found {text:?}")))
}

pub(super) fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match reqwest::Url::parse(&text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(D::Error::custom(format!("expected an http or https URL, found {text:?}"))),
    }
}
