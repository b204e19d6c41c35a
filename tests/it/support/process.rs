//! The program as its own process, for tests that kill it, or in this one, for tests that give it their own models.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lensmeter::app::App;
use lensmeter::platform::clock::Clock;
use lensmeter::platform::config::Config;
use lensmeter::server;
use lensmeter::vision::{ModelInfo, Vision, backend::Backend};
use tokio_util::sync::CancellationToken;

use super::db::TestDb;

/// What a process of ours signs its forms with.
pub const SECRET: &str = "a secret of at least thirty-two characters";

/// A running server; killed when dropped.
pub struct Served {
    running: Running,
    pub url: String,
}

enum Running {
    /// `lensmeter serve`.
    Process(Child),
    /// In this process, until it is called off.
    Here(CancellationToken),
}

impl Served {
    /// SIGKILL: no destructor, no soft stop.
    pub fn kill(&mut self) {
        let Running::Process(child) = &mut self.running else { panic!("only a process can be killed") };
        child.kill().expect("the process is ours");
        child.wait().expect("the process is ours");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        match &mut self.running {
            Running::Process(child) => {
                // Already dead after a kill.
                drop(child.kill());
                drop(child.wait());
            }
            Running::Here(stop) => stop.cancel(),
        }
    }
}

/// Starts the program on a free port, without background work, and waits until it is ready.
pub async fn serve(db: &TestDb) -> Served {
    start(db, &["serve", "--no-worker"], &[]).await
}

/// The same with further settings, as environment variables.
pub async fn serve_with(db: &TestDb, settings: &[(&str, &str)]) -> Served {
    start(db, &["serve", "--no-worker"], settings).await
}

/// The same with background work.
pub async fn serve_and_work(db: &TestDb) -> Served {
    start(db, &["serve"], &[]).await
}

/// `lensmeter worker`; killed when dropped, by SIGKILL: no destructor, no soft stop.
pub struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts the background work alone.
pub fn work(db: &TestDb, settings: &[(&str, &str)]) -> Worker {
    let mut command = program(db);
    Worker(command.arg("worker").envs(settings.iter().copied()).spawn().expect("the program starts"))
}

/// What `lensmeter doctor --books` says of a database whose books must agree.
pub async fn doctor_books(db: &TestDb) -> String {
    let mut command = tokio::process::Command::from(program(db));
    let output = command.args(["doctor", "--books"]).stdout(Stdio::piped()).output().await.expect("the program starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// Runs `lensmeter archive`: whether it succeeded, and what it said.
pub async fn archive(db: &TestDb, arguments: &[&str]) -> (bool, String) {
    let mut command = tokio::process::Command::from(program(db));
    let output = command.arg("archive").args(arguments).stdout(Stdio::piped()).output().await.expect("the program starts");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

/// The program, configured for a database.
fn program(db: &TestDb) -> Command {
    // Of this database: a process that is started again finds what the last one stored.
    let objects = format!("{}/objects/{}", env!("CARGO_TARGET_TMPDIR"), db.url.rsplit('/').next().unwrap_or_default());
    let mut command = Command::new(env!("CARGO_BIN_EXE_lensmeter"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdout(Stdio::null()).envs([
        ("DATABASE_URL", db.url.as_str()),
        ("LENSMETER_STORAGE", &objects),
        ("LENSMETER_SECRET", SECRET),
        ("STRIPE_SECRET_KEY", "sk_test_nobody"),
        ("STRIPE_WEBHOOK_SECRET", "whsec_nobody"),
        ("STRIPE_API_BASE", "http://127.0.0.1:9"),
        ("SMTP_URL", "smtp://127.0.0.1:9"),
        ("RUST_LOG", "warn"),
    ]);
    command
}

async fn start(db: &TestDb, arguments: &[&str], settings: &[(&str, &str)]) -> Served {
    // reqwest wants one even for plain http; an error means that another test was first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let url = format!("http://127.0.0.1:{port}");
    let mut command = program(db);
    command.args(arguments).env("LENSMETER_LISTEN", format!("127.0.0.1:{port}")).env("LENSMETER_PUBLIC_URL", &url);
    let child = command.envs(settings.iter().copied()).spawn().expect("the program starts");
    let served = Served { running: Running::Process(child), url };
    for _ in 0..300 {
        if reqwest::get(format!("{}/readyz", served.url)).await.is_ok_and(|answer| answer.status().is_success()) {
            return served;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server was not ready within 30 s");
}

/// Serves in this process, with the models of a test instead of those on disk; `change` has the last word on the rest.
pub async fn serve_here(db: &TestDb, models: Vec<(ModelInfo, Box<dyn Backend>)>, change: impl FnOnce(&mut App)) -> Served {
    let bound = server::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let url = format!("http://{}", bound.address);
    let objects = std::env::temp_dir().join(format!("lensmeter-{}", uuid::Uuid::now_v7().simple()));
    let toml = format!("[server]\nallow_private_urls = true\n[vision]\nallow_private_images = true\n[storage]\nfolder = {objects:?}");
    let config = Config::from_sources(&toml, |name| {
        let value = match name {
            "DATABASE_URL" => db.url.as_str(),
            "LENSMETER_PUBLIC_URL" => url.as_str(),
            "LENSMETER_SECRET" => "a secret of at least thirty-two characters",
            "STRIPE_SECRET_KEY" => "sk_test_nobody",
            "STRIPE_WEBHOOK_SECRET" => "whsec_nobody",
            "STRIPE_API_BASE" => "http://127.0.0.1:9",
            "SMTP_URL" => "smtp://127.0.0.1:9",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let mut app = App::build(config.expect("a whole configuration"), Clock::System).await.expect("the program is built");
    app.inference.vision = Vision::with_backends(models).expect("a thread can be started");
    change(&mut app);
    app.jobs.inference = app.inference.clone();
    let stop = CancellationToken::new();
    tokio::spawn(bound.serve(app, stop.clone()));
    Served { running: Running::Here(stop), url }
}
