//! `lensmeter admin`: what an operator does to accounts, by the functions that the routes under `/admin/v1` call. Each act
//! stands in the audit log with the operator's name.

mod account;
mod act;

use anyhow::Context as _;
use entity::ids::{AccountId, InvoiceId};
use sea_orm::DatabaseConnection;
use secrecy::ExposeSecret as _;

use crate::billing::provider::Provider;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db;

/// Options of `lensmeter admin`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    subject: Subject,
}

#[derive(Debug, clap::Subcommand)]
enum Subject {
    /// Look at accounts
    #[command(subcommand)]
    Account(Account),
    /// Give credit, or take back what is not spent
    #[command(subcommand)]
    Credit(Credit),
    /// Withdraw, give up or correct an invoice
    #[command(subcommand)]
    Invoice(Invoice),
    /// Change an account's plan
    #[command(subcommand)]
    Plan(Plan),
}

#[derive(Debug, clap::Subcommand)]
enum Account {
    /// Lists accounts, newest first.
    List {
        /// Only those whose name or owner's address holds this.
        #[arg(long, default_value = "")]
        matching: String,
    },
    /// Shows an account: standing, credit, plan, invoices, what operators did.
    Show {
        /// Its id: `acct_…`
        account: AccountId,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Credit {
    /// Adds to the credit of an account; an amount below zero is taken back.
    Adjust {
        /// Its id: `acct_…`
        account: AccountId,
        /// A decimal text in the account's currency.
        #[arg(allow_hyphen_values = true)]
        amount: String,
        /// Your own name for this adjustment: the same one is done once.
        #[arg(long)]
        reference: String,
        #[command(flatten)]
        by: By,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Invoice {
    /// Withdraws an invoice of which nothing was paid, and issues its period anew.
    Void {
        /// Its id: `inv_…`
        invoice: InvoiceId,
        #[command(flatten)]
        by: By,
    },
    /// Gives up what is still to pay of an invoice.
    WriteOff {
        /// Its id: `inv_…`
        invoice: InvoiceId,
        #[command(flatten)]
        by: By,
    },
    /// Takes an amount off an invoice by a credit note.
    CreditNote {
        /// Its id: `inv_…`
        invoice: InvoiceId,
        /// A decimal text in the invoice's currency.
        amount: String,
        /// `none` takes it off what is unpaid, `refund` sends back what was paid, `credit` turns it into credit.
        #[arg(long)]
        settlement: String,
        #[command(flatten)]
        by: By,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Plan {
    /// Moves an account to a plan, now or when its period ends.
    Change {
        /// Its id: `acct_…`
        account: AccountId,
        /// The plan's code.
        plan: String,
        /// When the period ends, and not at once
        #[arg(long)]
        at_period_end: bool,
        #[command(flatten)]
        by: By,
    },
}

/// Who acts, and why.
#[derive(Debug, clap::Args)]
struct By {
    /// For the audit log, and where a document has one, on it.
    #[arg(long)]
    reason: String,
    /// Your name, for the audit log.
    #[arg(long, env = "LENSMETER_OPERATOR")]
    operator: String,
}

/// What the commands work with.
struct Office {
    db: DatabaseConnection,
    stripe: Provider,
    config: Config,
    clock: Clock,
}

/// Runs the command; needs the database, and Stripe for acts on invoices.
///
/// # Errors
/// When the act is refused, with the reason; nothing is then changed.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let config = Config::load(None)?;
    let url = config.database.url.expose_secret();
    let db = db::connect(url, config.database.max_connections).await.context("DATABASE_URL: cannot connect")?;
    let stripe = Provider::new(&config.stripe.api_base, config.stripe.secret_key.expose_secret());
    let office = Office { db, stripe, config, clock: Clock::System };
    let said = match args.subject {
        Subject::Account(Account::List { matching }) => account::list(&office, &matching).await?,
        Subject::Account(Account::Show { account }) => account::show(&office, account).await?,
        Subject::Credit(Credit::Adjust { account, amount, reference, by }) => {
            act::adjust(&office, account, &amount, &reference, &by).await?
        }
        Subject::Invoice(Invoice::Void { invoice, by }) => act::void(&office, invoice, &by).await?,
        Subject::Invoice(Invoice::WriteOff { invoice, by }) => act::write_off(&office, invoice, &by).await?,
        Subject::Invoice(Invoice::CreditNote { invoice, amount, settlement, by }) => {
            act::credit_note(&office, invoice, (&amount, &settlement), &by).await?
        }
        Subject::Plan(Plan::Change { account, plan, at_period_end, by }) => act::change(&office, account, plan, at_period_end, &by).await?,
    };
    print!("{said}");
    Ok(())
}
