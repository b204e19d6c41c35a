//! The program as its own process, for tests that kill it.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::db::TestDb;

/// A running `lensmeter serve`; killed when dropped.
pub struct Served {
    child: Child,
    pub url: String,
}

impl Served {
    /// SIGKILL: no destructor, no soft stop.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already dead after a kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Starts the program on a free port and waits until it is ready.
pub async fn serve(db: &TestDb) -> Served {
    // reqwest wants one even for plain http; an error means that another test was first.
    drop(rustls::crypto::ring::default_provider().install_default());
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
    let url = format!("http://127.0.0.1:{port}");
    let child = Command::new(env!("CARGO_BIN_EXE_lensmeter"))
        .args(["serve", "--no-worker"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .envs([
            ("DATABASE_URL", db.url.as_str()),
            ("LENSMETER_LISTEN", &format!("127.0.0.1:{port}")),
            ("LENSMETER_PUBLIC_URL", &url),
            ("LENSMETER_SECRET", "a secret of at least thirty-two characters"),
            ("STRIPE_SECRET_KEY", "sk_test_nobody"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_nobody"),
            ("STRIPE_API_BASE", "http://127.0.0.1:9"),
            ("SMTP_URL", "smtp://127.0.0.1:9"),
            ("RUST_LOG", "warn"),
        ])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let served = Served { child, url };
    for _ in 0..300 {
        if reqwest::get(format!("{}/readyz", served.url)).await.is_ok_and(|answer| answer.status().is_success()) {
            return served;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the server was not ready within 30 s");
}
