//! The sandbox: a stateful double of Stripe with its hosted pages, and a mail catcher, each on its own listener.
//!
//! `lensmeter demo` and the tests run against it. Nothing here reaches the outside: no real card, no real mail.

mod cards;
mod clock;
mod journal;
mod mail;
mod pages;
mod stripe;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use anyhow::Context;
use poem::listener::{Acceptor, Listener, TcpAcceptor, TcpListener};
use tokio_util::sync::CancellationToken;

/// Stripe's API version that the sandbox speaks; another `Stripe-Version` is refused.
pub use self::stripe::API_VERSION;

/// Where the sandbox listens, where it sends webhooks, and where it keeps its state.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Listener of Stripe's API and the hosted pages; port 0 takes a free one.
    pub stripe_listen: SocketAddr,
    /// Listener of the mail catcher's browser and JSON pages.
    pub mail_listen: SocketAddr,
    /// Listener of the mail catcher's SMTP.
    pub smtp_listen: SocketAddr,
    /// Our own public webhook route. Empty: events are recorded and not sent.
    pub webhook_url: String,
    /// Secret that signs webhooks (`whsec_…`).
    pub webhook_secret: String,
    /// Journal of Stripe's objects, so that a restart finds them; mails lie beside it as `<name>.mail`.
    pub state_file: Option<PathBuf>,
    /// Whether a live Stripe key is configured. The sandbox then refuses to start.
    pub live_key_present: bool,
}

/// A started sandbox: its addresses, with the ports that were really taken.
#[derive(Debug, Clone)]
pub struct Sandbox {
    /// Base of Stripe's API (`/v1/…` below it) and of the hosted pages, without a slash at the end.
    pub stripe_url: String,
    /// The mail catcher in the browser and as JSON.
    pub mail_url: String,
    /// The mail catcher's SMTP: `smtp://127.0.0.1:port`.
    pub smtp_url: String,
}

/// Starts the three listeners and the webhook sender. They run until `stop` is cancelled.
///
/// # Errors
/// A live key is configured, a port is taken, or the state file cannot be read.
pub async fn start(settings: Settings, stop: CancellationToken) -> anyhow::Result<Sandbox> {
    anyhow::ensure!(
        !settings.live_key_present,
        "the Stripe sandbox refuses to start beside a live Stripe key: remove the sandbox from this \
         configuration, or use a test key (sk_test_…)"
    );
    // reqwest is built without a TLS provider and asks for one even to speak plain HTTP; `Err` is: there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stripe = listen(settings.stripe_listen).await.context("sandbox: Stripe's listener")?;
    let mail = listen(settings.mail_listen).await.context("sandbox: the mail catcher's listener")?;
    let smtp = tokio::net::TcpListener::bind(settings.smtp_listen)
        .await
        .with_context(|| format!("sandbox: the SMTP listener at {}", settings.smtp_listen))?;
    let sandbox = Sandbox {
        stripe_url: format!("http://{}", reachable(bound(&stripe)?)),
        mail_url: format!("http://{}", reachable(bound(&mail)?)),
        smtp_url: format!("smtp://{}", reachable(smtp.local_addr()?)),
    };

    let store = stripe::Store::open(&settings, &sandbox.stripe_url)?;
    let caught = mail::Caught::open(settings.state_file.as_deref())?;
    tokio::spawn(stripe::send_webhooks(store.clone(), (settings.webhook_url.clone(), settings.webhook_secret.clone()), stop.clone()));
    tokio::spawn(mail::listen(smtp, caught.clone(), stop.clone()));
    serve(stripe, pages::routes(store), stop.clone());
    serve(mail, mail::routes(caught), stop);
    Ok(sandbox)
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpAcceptor> {
    TcpListener::bind(address).into_acceptor().await.with_context(|| format!("cannot listen at {address}"))
}

fn bound(acceptor: &TcpAcceptor) -> anyhow::Result<SocketAddr> {
    let addresses = acceptor.local_addr();
    addresses.iter().find_map(|a| a.as_socket_addr().copied()).context("a listener without an address")
}

/// An address that a browser on this machine can open: `0.0.0.0` is no place to go to.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port());
    }
    address
}

fn serve(acceptor: TcpAcceptor, routes: impl poem::Endpoint + 'static, stop: CancellationToken) {
    tokio::spawn(async move {
        let server = poem::Server::new_with_acceptor(acceptor);
        let grace = Some(std::time::Duration::from_secs(2));
        let ended = server.run_with_graceful_shutdown(routes, async move { stop.cancelled().await }, grace).await;
        if let Err(error) = ended {
            tracing::error!(%error, "a sandbox listener ended");
        }
    });
}
