//! A private PostgreSQL cluster. It survives everything that the demo does not: a cluster left running by a killed demo is
//! found and used, a stale pid file is `pg_ctl`'s business.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, bail};
use sea_orm::{ConnectionTrait as _, FromQueryResult as _, Statement};

use super::folder::Folder;
use crate::platform::db;

const USER: &str = "lensmeter";
const DATABASE: &str = "lensmeter";

/// A running cluster.
pub struct Cluster {
    tools: Tools,
    data: PathBuf,
    /// Where the program connects.
    pub url: String,
}

/// PostgreSQL's programs, and as whom they run: the server refuses to run as root.
struct Tools {
    bin: PathBuf,
    owner: Option<(u32, u32)>,
}

impl Cluster {
    /// Starts the cluster of a folder, making it the first time.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start; the text says what to do.
    pub async fn start(folder: &Folder, password: &str) -> anyhow::Result<Self> {
        let tools = Tools::find()?;
        let home = home(folder, &tools)?;
        let data = home.join("data");
        if !data.join("PG_VERSION").exists() {
            tools.init(&home, &data, password)?;
        }
        let port = match tools.running(&data)? {
            Some(port) => port,
            None => tools.launch(&home, &data)?,
        };
        let base = format!("postgres://{USER}:{password}@127.0.0.1:{port}");
        ensure_database(&base).await.with_context(|| format!("the cluster in {} does not take us in", home.display()))?;
        Ok(Self { tools, data, url: format!("{base}/{DATABASE}") })
    }

    /// Stops it; sessions that are still open are ended.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.tools.stop(&self.data)
    }

    /// Stops and removes the cluster of a folder, if there is one.
    pub fn remove(folder: &Folder) -> anyhow::Result<()> {
        let Ok(home) = folder.file("postgres").canonicalize() else { return Ok(()) };
        if home.join("data/PG_VERSION").exists() {
            let tools = Tools::find()?;
            if tools.running(&home.join("data"))?.is_some() {
                tools.stop(&home.join("data"))?;
            }
        }
        fs::remove_dir_all(&home)?;
        // It was a link when the checkout is out of the server's reach.
        if folder.file("postgres").is_symlink() {
            fs::remove_file(folder.file("postgres"))?;
        }
        Ok(())
    }
}

/// `.lensmeter/postgres`, or what it links to when the server's user cannot get there (a checkout under `/root`).
fn home(folder: &Folder, tools: &Tools) -> anyhow::Result<PathBuf> {
    let inside = folder.file("postgres");
    if let Ok(known) = inside.canonicalize() {
        return Ok(known);
    }
    let parent = folder.file(".");
    let reachable = tools.as_owner("test").arg("-x").arg(&parent).status()?.success();
    let home = match reachable {
        true => inside.clone(),
        // A name of its own, known by the link: that of the path would find what a deleted checkout left there, whose password
        // went with it.
        false => PathBuf::from(format!("/var/tmp/lensmeter-{}", uuid::Uuid::now_v7().simple())),
    };
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700))?;
    if let Some((user, group)) = tools.owner {
        chown(&home, Some(user), Some(group))?;
    }
    if !reachable {
        // A link that leads nowhere would have been missed above.
        drop(fs::remove_file(&inside));
        symlink(&home, &inside)?;
    }
    Ok(home)
}

impl Tools {
    fn find() -> anyhow::Result<Self> {
        let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some((entry.as_ref().ok()?.file_name().to_str()?.parse().ok()?, entry.ok()?.path().join("bin"))))
            .filter(|(_, bin): &(u32, PathBuf)| bin.join("initdb").exists())
            .collect();
        found.sort();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let bin = found.pop().map(|(_, bin)| bin).or_else(|| std::env::split_paths(&path).find(|bin| bin.join("initdb").exists()));
        let bin = bin.context(
            "PostgreSQL's server programs (initdb, pg_ctl) are not installed: run scripts/setup, or `apt-get install postgresql`",
        )?;
        Ok(Self { bin, owner: owner()? })
    }

    /// A command that runs as the server's user, from a place that everyone may be in.
    fn as_owner(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir("/").env_remove("PGDATA").env("LC_ALL", "C");
        if let Some((user, group)) = self.owner {
            command.uid(user).gid(group);
        }
        command
    }

    fn init(&self, home: &Path, data: &Path, password: &str) -> anyhow::Result<()> {
        // Beside, then renamed: a kill in the middle leaves nothing that looks like a cluster.
        let (fresh, secret) = (home.join("data.new"), home.join("password"));
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        fs::write(&secret, password)?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
        if let Some((user, group)) = self.owner {
            chown(&secret, Some(user), Some(group))?;
        }
        let mut command = self.as_owner(self.bin.join("initdb"));
        command.arg("-D").arg(&fresh).args([
            "-U",
            USER,
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        let made = run("initdb", command.arg("--pwfile").arg(&secret));
        fs::remove_file(&secret)?;
        made?;
        fs::rename(&fresh, data).map_err(Into::into)
    }

    /// The port of a cluster that runs.
    fn running(&self, data: &Path) -> anyhow::Result<Option<u16>> {
        let status = self.as_owner(self.bin.join("pg_ctl")).arg("-D").arg(data).arg("status").output()?;
        if !status.status.success() {
            return Ok(None);
        }
        let text = fs::read_to_string(data.join("postmaster.pid"))?;
        Ok(text.lines().nth(3).and_then(|port| port.trim().parse().ok()))
    }

    fn launch(&self, home: &Path, data: &Path) -> anyhow::Result<u16> {
        // Someone may take the port between here and the server: it then says so, and the next start takes another.
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = home.join("log");
        let options =
            format!("-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c shared_buffers=64MB -c max_connections=300");
        let mut command = self.as_owner(self.bin.join("pg_ctl"));
        // A batch takes some hundred kB, which glibc would give back to the system after each and fetch page by page for the
        // next: a quarter of a backend's time under load.
        command.env("MALLOC_TRIM_THRESHOLD_", "268435456").env("MALLOC_TOP_PAD_", "33554432");
        command.arg("-D").arg(data).args(["-w", "-t", "60", "-l"]).arg(&log).arg("-o").arg(options).arg("start");
        // The server keeps the descriptors it is given: none of them may be ours.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        if !command.status()?.success() {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(5).collect();
            bail!("PostgreSQL does not start; {} ends with:\n{}", log.display(), last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        Ok(port)
    }

    fn stop(&self, data: &Path) -> anyhow::Result<()> {
        run("pg_ctl stop", self.as_owner(self.bin.join("pg_ctl")).arg("-D").arg(data).args(["-m", "fast", "-w", "stop"]))
    }
}

/// Whom the server runs as: nobody else, or Debian's `postgres` when we are root.
fn owner() -> anyhow::Result<Option<(u32, u32)>> {
    let me = fs::metadata("/proc/self").map(|me| std::os::unix::fs::MetadataExt::uid(&me)).unwrap_or(u32::MAX);
    if me != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
    let entry = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|entry| entry[0] == "postgres");
    let ids = entry.and_then(|entry| Some((entry.get(2)?.parse().ok()?, entry.get(3)?.parse().ok()?)));
    ids.map(Some).context("PostgreSQL refuses to run as root, and there is no user `postgres` to run it as: run scripts/setup, or run the demo as an ordinary user")
}

fn run(what: &str, command: &mut Command) -> anyhow::Result<()> {
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("cannot run {what}"))?;
    if !status.success() {
        bail!("{what} failed: {}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    }
    Ok(())
}

async fn ensure_database(base: &str) -> anyhow::Result<()> {
    #[derive(sea_orm::FromQueryResult)]
    struct Found {
        count: i64,
    }
    let db = db::connect(&format!("{base}/postgres"), 1).await?;
    let asked = Statement::from_string(
        db.get_database_backend(),
        format!("SELECT count(*) AS count FROM pg_database WHERE datname = '{DATABASE}'"),
    );
    let found = Found::find_by_statement(asked).one(&db).await?;
    if found.is_none_or(|found| found.count == 0) {
        db.execute_unprepared(&format!("CREATE DATABASE {DATABASE}")).await?;
    }
    db.close().await.map_err(Into::into)
}
