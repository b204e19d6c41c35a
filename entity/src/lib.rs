//! One table per file: the row, its enums, and the finders that every query on customer data goes through.
//! A finder that takes an [`ids::AccountId`] is the only door to a tenant's rows.

pub mod ids;
pub mod money;

pub mod account;
pub mod alert;
pub mod api_key;
pub mod audit_log;
pub mod auto_top_up;
pub mod balance;
pub mod coupon;
pub mod coupon_redemption;
pub mod coupon_use;
pub mod credit_grant;
pub mod credit_movement;
pub mod credit_note;
pub mod credit_note_document;
pub mod dispute;
pub mod dunning;
pub mod email_token;
pub mod former_secret;
pub mod idempotency;
pub mod invoice;
pub mod invoice_audit;
pub mod invoice_document;
pub mod invoice_item;
pub mod invoice_line;
pub mod job;
pub mod ledger_account;
pub mod lease;
pub mod mail;
pub mod mail_attachment;
pub mod member;
pub mod payment;
pub mod period;
pub mod plan;
pub mod plan_version;
pub mod price;
pub mod queue_job;
pub mod session;
pub mod spend_limit;
pub mod stripe_difference;
pub mod stripe_inbox;
pub mod stripe_state;
pub mod subscription;
pub mod top_up;
pub mod transfer;
pub mod usage_archive;
pub mod usage_archived;
pub mod usage_event;
pub mod usage_rollup;
pub mod webhook_delivery;
pub mod webhook_endpoint;

/// An instant as stored: Postgres `timestamptz`, always UTC here.
pub type Time = chrono::DateTime<chrono::Utc>;
