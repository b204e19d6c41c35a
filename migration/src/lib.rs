//! The schema, one migration per file, as SQL text: it must not change when the entities do.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

mod m20261120_000001_accounts;
mod m20261120_000002_platform;
mod m20261120_000003_catalogue;
mod m20261120_000004_metering;
mod m20261120_000005_ledger;
mod m20261120_000006_documents;
mod m20261120_000007_webhooks;
mod m20261120_000008_jobs;
mod m20261120_000009_pricing;
mod m20261120_000010_limits;
mod m20261120_000011_keys;
mod m20261121_000012_catalogue;
mod m20261121_000014_dunning;
mod m20261121_000015_subjects;
mod m20261121_000016_credit_note_documents;
mod m20261121_000013_documents;
mod m20261121_000020_stripe;
mod m20261121_000021_intents;
mod m20261121_000022_hot_rows;
mod m20261121_000023_usage_archive;

/// The list of all migrations, oldest first. A shipped one is never edited.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261120_000001_accounts::Migration),
            Box::new(m20261120_000002_platform::Migration),
            Box::new(m20261120_000003_catalogue::Migration),
            Box::new(m20261120_000004_metering::Migration),
            Box::new(m20261120_000005_ledger::Migration),
            Box::new(m20261120_000006_documents::Migration),
            Box::new(m20261120_000007_webhooks::Migration),
            Box::new(m20261120_000008_jobs::Migration),
            Box::new(m20261120_000009_pricing::Migration),
            Box::new(m20261120_000010_limits::Migration),
            Box::new(m20261120_000011_keys::Migration),
            Box::new(m20261121_000012_catalogue::Migration),
            Box::new(m20261121_000013_documents::Migration),
            Box::new(m20261121_000014_dunning::Migration),
            Box::new(m20261121_000015_subjects::Migration),
            Box::new(m20261121_000016_credit_note_documents::Migration),
            Box::new(m20261121_000020_stripe::Migration),
            Box::new(m20261121_000021_intents::Migration),
            Box::new(m20261121_000022_hot_rows::Migration),
            Box::new(m20261121_000023_usage_archive::Migration),
        ]
    }
}
