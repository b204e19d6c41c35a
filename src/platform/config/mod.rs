//! Typed configuration: `lensmeter.toml` under environment variables. A bad value stops the start with the name of its
//! key and what was expected.

mod jobs;
mod sections;

use std::path::Path;

use figment::Figment;
use figment::providers::{Format as _, Serialized, Toml};
use serde::Deserialize;

pub use jobs::{Jobs, Storage};
pub use sections::{Database, Dunning, Mail, Seller, Server, Stripe, TaxRate, Usage, Vision};

/// Everything an operator may set.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub server: Server,
    pub database: Database,
    #[serde(default)]
    pub vision: Vision,
    #[serde(default)]
    pub storage: Storage,
    #[serde(default)]
    pub jobs: Jobs,
    #[serde(default)]
    pub usage: Usage,
    pub stripe: Stripe,
    pub mail: Mail,
    #[serde(default)]
    pub seller: Seller,
    #[serde(default)]
    pub dunning: Dunning,
}

/// Configuration that cannot be used; the text names the key, its environment variable and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// Environment variable, key, whether it is a number, whether it may come as `<NAME>_FILE`.
const ENVIRONMENT: &[(&str, &str, Kind)] = &[
    ("LENSMETER_LISTEN", "server.listen", Kind::Text),
    ("LENSMETER_PUBLIC_URL", "server.public_url", Kind::Text),
    ("LENSMETER_SECRET", "server.secret", Kind::Secret),
    ("LENSMETER_ADMIN_TOKEN", "server.admin_token", Kind::Secret),
    ("LENSMETER_TRUSTED_PROXIES", "server.trusted_proxies", Kind::List),
    ("DATABASE_URL", "database.url", Kind::Secret),
    ("LENSMETER_DATABASE_CONNECTIONS", "database.max_connections", Kind::Number),
    ("LENSMETER_MODELS", "vision.models", Kind::Text),
    ("LENSMETER_DEVICE", "vision.device", Kind::Text),
    ("LENSMETER_THREADS", "vision.threads", Kind::Number),
    ("LENSMETER_WORKERS", "vision.workers", Kind::Number),
    ("LENSMETER_MEMORY_MB", "vision.memory_mb", Kind::Number),
    ("LENSMETER_CACHE_MB", "vision.cache_mb", Kind::Number),
    ("LENSMETER_CACHE_SECONDS", "vision.cache_seconds", Kind::Number),
    ("LENSMETER_POLL_SECONDS", "vision.poll_seconds", Kind::Number),
    ("LENSMETER_STORAGE", "storage.folder", Kind::Text),
    ("LENSMETER_STORAGE_BUCKET", "storage.bucket", Kind::Text),
    ("AWS_ENDPOINT_URL", "storage.endpoint", Kind::Text),
    ("AWS_REGION", "storage.region", Kind::Text),
    ("AWS_ACCESS_KEY_ID", "storage.access_key_id", Kind::Text),
    ("AWS_SECRET_ACCESS_KEY", "storage.secret_access_key", Kind::Secret),
    ("LENSMETER_RETENTION_HOURS", "storage.retention_hours", Kind::Number),
    ("LENSMETER_JOBS_CONCURRENCY", "jobs.concurrency", Kind::Number),
    ("LENSMETER_JOBS_PER_ACCOUNT", "jobs.per_account", Kind::Number),
    ("LENSMETER_ARCHIVE_AFTER_MONTHS", "usage.archive_after_months", Kind::Number),
    ("STRIPE_SECRET_KEY", "stripe.secret_key", Kind::Secret),
    ("STRIPE_WEBHOOK_SECRET", "stripe.webhook_secrets", Kind::Secrets),
    ("STRIPE_API_BASE", "stripe.api_base", Kind::Text),
    ("SMTP_URL", "mail.smtp_url", Kind::Secret),
    ("MAIL_FROM", "mail.from", Kind::Text),
    ("LENSMETER_SELLER_NAME", "seller.name", Kind::Text),
    ("LENSMETER_SELLER_ADDRESS", "seller.address", Kind::Text),
    ("LENSMETER_SELLER_POSTAL_CODE", "seller.postal_code", Kind::Text),
    ("LENSMETER_SELLER_CITY", "seller.city", Kind::Text),
    ("LENSMETER_SELLER_COUNTRY", "seller.country", Kind::Text),
    ("LENSMETER_SELLER_TAX_ID", "seller.tax_id", Kind::Text),
    ("LENSMETER_SELLER_TEMPLATE", "seller.template", Kind::Text),
];

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Number,
    /// A comma list.
    List,
    /// May be given as `<NAME>_FILE`.
    Secret,
    /// A comma list; may be given as `<NAME>_FILE`.
    Secrets,
}

impl Config {
    /// Reads `file` (or `lensmeter.toml` here when there is one) under the process' environment.
    ///
    /// # Errors
    /// For the first key that is missing, unknown or wrong.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match file {
            Some(path) => std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{}: {error}", path.display())))?,
            None => std::fs::read_to_string("lensmeter.toml").unwrap_or_default(),
        };
        Self::from_sources(&text, |name| std::env::var(name).ok())
    }

    /// The same from given sources, for tests and the demo.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_sources(toml: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        // A key of each section, so that what is missing is said to be a key and not a whole section.
        let mut figment = Figment::from(Serialized::default("server.listen", "127.0.0.1:8080"))
            .merge(Serialized::default("database.max_connections", 10))
            .merge(Serialized::default("stripe.api_base", "https://api.stripe.com"))
            .merge(Serialized::default("mail.from", "Lensmeter <billing@localhost>"))
            .merge(Toml::string(toml));
        for &(name, key, kind) in ENVIRONMENT {
            let Some(text) = value_of(name, kind, &environment)? else { continue };
            figment = match kind {
                Kind::Number => match text.parse::<u32>() {
                    Ok(number) => figment.merge(Serialized::default(key, number)),
                    Err(_) => return Err(ConfigError(format!("{key} ({name}): expected a whole number, found {text:?}"))),
                },
                Kind::List | Kind::Secrets => figment.merge(Serialized::default(key, text.split(',').map(str::trim).collect::<Vec<_>>())),
                Kind::Text | Kind::Secret => figment.merge(Serialized::default(key, text)),
            };
        }
        let config: Self = figment.extract().map_err(explain)?;
        config.server.validate()?;
        config.stripe.validate()?;
        config.vision.validate()?;
        config.storage.validate()?;
        config.jobs.validate()?;
        config.usage.validate()?;
        config.seller.validate()?;
        config.dunning.validate()?;
        Ok(config)
    }
}

fn value_of(name: &str, kind: Kind, environment: &impl Fn(&str) -> Option<String>) -> Result<Option<String>, ConfigError> {
    if let Some(value) = environment(name) {
        return Ok(Some(value));
    }
    if !matches!(kind, Kind::Secret | Kind::Secrets) {
        return Ok(None);
    }
    let Some(path) = environment(&format!("{name}_FILE")) else { return Ok(None) };
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim_end().to_owned())),
        Err(error) => Err(ConfigError(format!("{name}_FILE: cannot read {path}: {error}"))),
    }
}

/// One line that an operator can act on, from figment's error.
fn explain(error: figment::Error) -> ConfigError {
    use figment::error::Kind as Wrong;
    // Of a list, the key is what has a variable; which of its items is wrong is in the text.
    let mut key = error.path.iter().filter(|part| part.parse::<usize>().is_err()).cloned().collect::<Vec<_>>().join(".");
    let problem = match &error.kind {
        Wrong::MissingField(field) => {
            key = if key.is_empty() { field.to_string() } else { format!("{key}.{field}") };
            "is missing".to_owned()
        }
        Wrong::UnknownField(field, known) => format!("unknown key {field:?}; known here: {}", known.join(", ")),
        other => other.to_string(),
    };
    let variable = ENVIRONMENT.iter().find(|(_, known, _)| *known == key);
    ConfigError(match variable {
        Some((name, known, _)) => format!("{known} ({name}): {problem}"),
        None => format!("{key}: {problem}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[(&str, &str)] = &[
        ("DATABASE_URL", "postgres://localhost/x"),
        ("LENSMETER_SECRET", "0123456789abcdef0123456789abcdef"),
        ("STRIPE_SECRET_KEY", "sk_test_1"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_new, whsec_old"),
        ("SMTP_URL", "smtp://localhost"),
    ];

    fn load(changes: &[(&str, &str)], without: &str) -> Result<Config, String> {
        Config::from_sources("", |name| {
            let found = changes.iter().chain(WHOLE).find(|(known, _)| *known == name && name != without);
            found.map(|(_, value)| value.to_string())
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_fill_what_is_not_said() {
        let config = load(&[], "").unwrap();
        assert_eq!(config.server.listen.port(), 8080);
        assert_eq!(config.stripe.webhook_secrets.len(), 2);
    }

    #[test]
    fn an_error_names_the_key_its_variable_and_what_was_expected() {
        for (changes, without, expected) in [
            (&[][..], "LENSMETER_SECRET", "server.secret (LENSMETER_SECRET): is missing"),
            (&[("LENSMETER_SECRET", "short")], "", "server.secret (LENSMETER_SECRET): expected at least 32 characters"),
            (&[("LENSMETER_LISTEN", "nowhere")], "", "server.listen (LENSMETER_LISTEN): expected an address such as 127.0.0.1:8080"),
            (&[("LENSMETER_PUBLIC_URL", "ftp://x")], "", "server.public_url (LENSMETER_PUBLIC_URL): expected an http or https URL"),
            (
                &[("LENSMETER_DATABASE_CONNECTIONS", "many")],
                "",
                "database.max_connections (LENSMETER_DATABASE_CONNECTIONS): expected a whole number",
            ),
            (&[("LENSMETER_THREADS", "0")], "", "vision.threads (LENSMETER_THREADS): expected at least 1"),
            (&[("LENSMETER_DEVICE", "cuda:0,cpu")], "", "vision.device (LENSMETER_DEVICE): expected auto, cpu or cuda:N"),
            (&[("LENSMETER_DEVICE", "gpu")], "", "vision.device (LENSMETER_DEVICE): expected auto, cpu or cuda:N"),
            (
                &[("LENSMETER_RETENTION_HOURS", "1")],
                "",
                "storage.retention_hours (LENSMETER_RETENTION_HOURS): expected 24 to 8760 hours, found 1",
            ),
            (
                &[("LENSMETER_STORAGE_BUCKET", "images"), ("AWS_ACCESS_KEY_ID", "id")],
                "",
                "storage.secret_access_key (AWS_SECRET_ACCESS_KEY): is missing",
            ),
            (&[("AWS_ENDPOINT_URL", "minio:9000")], "", "storage.endpoint (AWS_ENDPOINT_URL): expected an http or https URL"),
            (&[("LENSMETER_JOBS_CONCURRENCY", "0")], "", "jobs.concurrency (LENSMETER_JOBS_CONCURRENCY): expected at least 1"),
            (
                &[("LENSMETER_ARCHIVE_AFTER_MONTHS", "1")],
                "",
                "usage.archive_after_months (LENSMETER_ARCHIVE_AFTER_MONTHS): expected 2 to 1200 months, found 1",
            ),
            (
                &[("STRIPE_SECRET_KEY", "pk_test_1")],
                "",
                "stripe.secret_key (STRIPE_SECRET_KEY): expected a key that starts with sk_ or rk_",
            ),
            (&[("LENSMETER_TRUSTED_PROXIES", "10.0.0.1, balancer")], "", "server.trusted_proxies (LENSMETER_TRUSTED_PROXIES): "),
            (&[("SMTP_URL_FILE", "/nowhere/at/all")], "SMTP_URL", "SMTP_URL_FILE: cannot read /nowhere/at/all"),
        ] {
            let error = load(changes, without).unwrap_err();
            assert!(error.starts_with(expected), "{error:?} should start with {expected:?}");
        }
    }

    #[test]
    fn an_unknown_key_in_the_file_is_refused() {
        let error = Config::from_sources("[server]\nlissten = \"x\"", |name| {
            WHOLE.iter().find(|(known, _)| *known == name).map(|(_, v)| v.to_string())
        });
        assert!(error.unwrap_err().to_string().contains("lissten"));
    }

    #[test]
    fn the_commented_example_is_a_valid_file() {
        let example = include_str!("../../../lensmeter.example.toml");
        Config::from_sources(example, |name| WHOLE.iter().find(|(known, _)| *known == name).map(|(_, v)| v.to_string())).unwrap();
    }
}
