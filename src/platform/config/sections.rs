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
    pub address: String,
    pub tax_id: String,
}

impl Default for Seller {
    fn default() -> Self {
        Self { name: "Lensmeter Operator".into(), address: String::new(), tax_id: String::new() }
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
