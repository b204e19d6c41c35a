//! Between a process and PostgreSQL: passes everything on, but for a commit that a test forbids. It reads just enough of the
//! protocol (version 3) to know which statements a batch of messages runs, and whether they are committed by it.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// Asked before each commit of something written: which it is (from 1), and what it commits. False: it never arrives, and
/// the connection is over.
pub type BeforeCommit = Arc<dyn Fn(usize, &str) -> bool + Send + Sync>;

/// Starts a proxy before the server of a database and returns the database's URL through it. It ends with the test's runtime.
pub async fn start(url: &str, ask: BeforeCommit) -> String {
    let mut through = reqwest::Url::parse(url).expect("a database's address");
    let target = format!("{}:{}", through.host_str().expect("a host"), through.port().unwrap_or(5432));
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    let count = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (target, ask, count) = (target.clone(), ask.clone(), count.clone());
            tokio::spawn(async move {
                // A connection that breaks is what this is for.
                drop(connection(client, &target, &ask, &count).await);
            });
        }
    });
    through.set_host(Some("127.0.0.1")).expect("a host");
    through.set_port(Some(port)).expect("an address with a host has a port");
    through.to_string()
}

async fn connection(client: TcpStream, target: &str, ask: &BeforeCommit, count: &AtomicUsize) -> std::io::Result<()> {
    let server = TcpStream::connect(target).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    // It ends by itself when the server's half is closed.
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    // Up to the start-up message nothing has a type; a request for TLS (80877103) comes before it.
    loop {
        let head = untyped(&mut from_client).await?;
        to_server.write_all(&head).await?;
        if head.get(4..8) != Some(&80_877_103_u32.to_be_bytes()) {
            break;
        }
    }
    let mut session = Session::default();
    let mut batch = Vec::new();
    while let Ok((kind, message)) = typed(&mut from_client).await {
        session.read(kind, &message[5..]);
        batch.extend_from_slice(&message);
        // Until then the client sends on without waiting.
        if !matches!(kind, b'Q' | b'S' | b'H' | b'X' | b'p') {
            continue;
        }
        if let Some(label) = session.committed()
            && !ask(count.fetch_add(1, Ordering::SeqCst) + 1, &label)
        {
            break;
        }
        to_server.write_all(&batch).await?;
        batch.clear();
    }
    drop(to_server);
    answers.abort();
    Ok(())
}

async fn untyped(from: &mut OwnedReadHalf) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut message = length.to_be_bytes().to_vec();
    message.resize(length as usize, 0);
    from.read_exact(&mut message[4..]).await?;
    Ok(message)
}

async fn typed(from: &mut OwnedReadHalf) -> std::io::Result<(u8, Vec<u8>)> {
    let kind = from.read_u8().await?;
    let rest = untyped(from).await?;
    Ok((kind, [&[kind], rest.as_slice()].concat()))
}

/// What is known of one session: its prepared statements, its transaction, and what the batch being read runs.
#[derive(Default)]
struct Session {
    prepared: HashMap<Vec<u8>, String>,
    bound: HashMap<Vec<u8>, (String, bool)>,
    in_transaction: bool,
    written: BTreeSet<String>,
    commits: bool,
}

impl Session {
    fn read(&mut self, kind: u8, body: &[u8]) {
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        match kind {
            b'P' => {
                let name = text().to_vec();
                self.prepared.insert(name, String::from_utf8_lossy(text()).into_owned());
            }
            b'B' => {
                let portal = text().to_vec();
                let statement = self.prepared.get(text()).cloned().unwrap_or_default();
                // What comes around by itself is no step of ours.
                let periodic = body.windows(8).any(|bytes| bytes == b"periodic");
                self.bound.insert(portal, (statement, periodic));
            }
            b'E' => {
                if let Some((statement, periodic)) = self.bound.get(text()).cloned() {
                    self.run(&statement, periodic);
                }
            }
            b'Q' => self.run(&String::from_utf8_lossy(text()), false),
            _ => {}
        }
    }

    fn run(&mut self, statement: &str, periodic: bool) {
        let mut words = statement.split_whitespace().map(|word| word.trim_matches(['"', ';', '(']).to_uppercase());
        match (words.next().unwrap_or_default().as_str(), words.next().unwrap_or_default().as_str()) {
            ("BEGIN" | "START", _) => self.in_transaction = true,
            ("ROLLBACK", "TO") | ("RELEASE" | "SAVEPOINT", _) => {}
            ("ROLLBACK" | "ABORT", _) => {
                self.in_transaction = false;
                self.written.clear();
            }
            ("COMMIT" | "END", _) => {
                self.in_transaction = false;
                self.commits = true;
            }
            ("INSERT", "INTO") => self.wrote("insert", words.next(), periodic, statement),
            ("DELETE", "FROM") => self.wrote("delete", words.next(), periodic, statement),
            ("UPDATE", table) => self.wrote("update", Some(table.to_owned()), periodic, statement),
            _ => {}
        }
    }

    fn wrote(&mut self, verb: &str, table: Option<String>, periodic: bool, statement: &str) {
        // Taking a job, and holding it, is before the job.
        if periodic || statement.starts_with("UPDATE queue_job SET locked_until") {
            return;
        }
        self.written.insert(format!("{verb} {}", table.unwrap_or_default().to_lowercase()));
        self.commits |= !self.in_transaction;
    }

    /// What the batch that was read commits; nothing when it commits nothing that was written.
    fn committed(&mut self) -> Option<String> {
        if !std::mem::take(&mut self.commits) {
            return None;
        }
        let written = std::mem::take(&mut self.written);
        (!written.is_empty()).then(|| written.into_iter().collect::<Vec<_>>().join(", "))
    }
}
