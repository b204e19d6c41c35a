//! `lensmeter demo`: the whole product on this machine with nothing configured, and a tour of it.

mod browser;
pub mod cluster;
pub mod folder;
mod form;
mod say;
mod tour;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use self::cluster::Cluster;
use self::folder::{Folder, Secrets};
use self::say::Steps;
use self::tour::Places;
use crate::app::App;
use crate::billing::plan;
use crate::platform::clock::Clock;
use crate::platform::config::Config;
use crate::platform::db;
use crate::sandbox::{self, Sandbox};
use crate::server::Bound;
use crate::{lifecycle, server};

#[derive(clap::Args)]
pub struct Args {
    /// Do the tour, print it, stop
    #[arg(long)]
    once: bool,
    /// Forget what earlier demos left and start anew
    #[arg(long)]
    reset: bool,
    /// Port of the product on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Where the demo keeps its database, its mails and demo.json
    #[arg(long, default_value = ".lensmeter", value_name = "FOLDER")]
    data: PathBuf,
}

pub async fn run(args: Args) -> anyhow::Result<()> {
    let folder = Folder::open(&args.data)?;
    if args.reset {
        Cluster::remove(&folder)?;
        folder.clear()?;
    }
    log_to(&folder)?;
    let stop = CancellationToken::new();
    lifecycle::stop_on_signal(stop.clone())?;
    let bound = server::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, args.port)))
        .with_context(|| format!("cannot listen on port {}: choose another with --port", args.port))?;
    let secrets = folder.secrets()?;
    println!("Lensmeter demo. Everything stays on this machine; {} keeps it.", args.data.display());
    let mut steps = Steps::default();
    let cluster = steps.run("Start PostgreSQL", async {
        let cluster = Cluster::start(&folder, &secrets.database_password).await?;
        Ok(("private, on 127.0.0.1".to_owned(), cluster))
    });
    let cluster = cluster.await?;
    let outcome = serve(&args, &folder, &secrets, &cluster, bound, steps, stop).await;
    // Whatever happened, the cluster does not outlive the demo.
    let stopped = cluster.stop();
    outcome?;
    stopped
}

/// Everything between the start and the stop of the cluster.
async fn serve(
    args: &Args,
    folder: &Folder,
    secrets: &Secrets,
    cluster: &Cluster,
    bound: Bound,
    mut steps: Steps,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let url = format!("http://{}", bound.address);
    steps.run("Migrate, apply the plans", prepare(cluster)).await?;
    let known = folder.saved()?;
    let earlier = known.as_ref().map(|known| (known.sandbox_url.as_str(), known.mail_url.as_str()));
    let sandbox = steps.run("Start the sandbox", start_sandbox(folder, secrets, &url, earlier, stop.clone())).await?;
    let config = configure(folder, secrets, cluster, &sandbox, &url)?;
    let app = steps.run("Open the models, serve", async { Ok((url.clone(), App::build(config, Clock::System).await?)) }).await?;
    let running = tokio::spawn(lifecycle::run(app, Some(bound), true, stop.clone()));
    let places = Places {
        url,
        sandbox_url: sandbox.stripe_url,
        mail_url: sandbox.mail_url,
        database_url: cluster.url.clone(),
        admin_token: secrets.admin_token.clone(),
    };
    let toured = tokio::select! {
        toured = tour(&places, folder, known) => toured,
        () = stop.cancelled() => Ok(()),
    };
    if toured.is_ok() && !args.once && !stop.is_cancelled() {
        invite(&places, folder)?;
        stop.cancelled().await;
    }
    stop.cancel();
    running.await??;
    toured
}

async fn tour(places: &Places, folder: &Folder, known: Option<folder::Saved>) -> anyhow::Result<()> {
    browser::until("the server to be ready", async || Ok(browser::is_ready(&places.url).await.then_some(()))).await?;
    match known {
        Some(known) => tour::again(places, folder, known).await,
        None => tour::first(places, folder).await,
    }
}

async fn prepare(cluster: &Cluster) -> anyhow::Result<(String, ())> {
    let db = db::connect(&cluster.url, 2).await?;
    db::migrate(&db).await?;
    let plans = plan::read_folder("plans".as_ref())?;
    let applied = plan::apply(&db, plans, Clock::System.now()).await?;
    db.close().await?;
    let names: Vec<String> = applied.iter().map(|plan| format!("{} {}", plan.code, plan.version)).collect();
    Ok((names.join(", "), ()))
}

/// On the ports of last time when they are free: links that people kept go on working.
async fn start_sandbox(
    folder: &Folder,
    secrets: &Secrets,
    url: &str,
    earlier: Option<(&str, &str)>,
    stop: CancellationToken,
) -> anyhow::Result<(String, Sandbox)> {
    let (stripe, mail) = earlier.unwrap_or_default();
    let settings = sandbox::Settings {
        stripe_listen: free_or_any(stripe),
        mail_listen: free_or_any(mail),
        smtp_listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        webhook_url: format!("{url}/inbound/stripe"),
        webhook_secret: secrets.webhook_secret.clone(),
        state_file: Some(folder.file("sandbox.json")),
        live_key_present: std::env::var("STRIPE_SECRET_KEY").is_ok_and(|key| key.contains("_live_")),
    };
    let sandbox = sandbox::start(settings, stop).await?;
    Ok((format!("payments {} · mail {}", sandbox.stripe_url, sandbox.mail_url), sandbox))
}

fn free_or_any(url: &str) -> SocketAddr {
    let known = url.strip_prefix("http://").and_then(|address| address.parse::<SocketAddr>().ok());
    let free = known.filter(|address| std::net::TcpListener::bind(address).is_ok());
    free.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn configure(folder: &Folder, secrets: &Secrets, cluster: &Cluster, sandbox: &Sandbox, url: &str) -> anyhow::Result<Config> {
    let objects = folder.file("objects").display().to_string();
    // Webhooks may be tried out with a server on this machine.
    let config = Config::from_sources("[server]\nallow_private_urls = true", |name| {
        let value = match name {
            "DATABASE_URL" => &cluster.url,
            "LENSMETER_PUBLIC_URL" => url,
            "LENSMETER_SECRET" => &secrets.server_secret,
            "LENSMETER_STORAGE" => &objects,
            "LENSMETER_ADMIN_TOKEN" => &secrets.admin_token,
            "STRIPE_SECRET_KEY" => "sk_test_demo",
            "STRIPE_WEBHOOK_SECRET" => &secrets.webhook_secret,
            "STRIPE_API_BASE" => &sandbox.stripe_url,
            "SMTP_URL" => &sandbox.smtp_url,
            "MAIL_FROM" => "Lensmeter <billing@example.com>",
            "LENSMETER_SELLER_NAME" => "Lensmeter Demo Ltd.",
            "LENSMETER_SELLER_ADDRESS" => "1 Example Street, 10115 Berlin, Germany",
            // What belongs to the machine is the machine's to say.
            "LENSMETER_MODELS" | "LENSMETER_DEVICE" | "LENSMETER_THREADS" => return std::env::var(name).ok(),
            _ => return None,
        };
        Some(value.to_owned())
    })?;
    Ok(config)
}

/// The program's own log, out of the way of what people read.
fn log_to(folder: &Folder) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(folder.file("demo.log"))?;
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info,sqlx=warn,sea_orm_migration=warn".into());
    let log = tracing_subscriber::fmt().with_env_filter(filter).json().flatten_event(true).with_writer(Mutex::new(file));
    log.try_init().map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}

fn invite(places: &Places, folder: &Folder) -> anyhow::Result<()> {
    let Some(saved) = folder.saved()? else { return Ok(()) };
    println!();
    println!("The portal     {}   (log in as {} with {})", places.url, saved.email, saved.password);
    println!("API reference  {}/docs", places.url);
    println!("Caught mail    {}", places.mail_url);
    println!("Payments       {}", places.sandbox_url);
    println!("All of this, with an API key, is in {}. Ctrl-C stops.", folder.file("demo.json").display());
    Ok(())
}
