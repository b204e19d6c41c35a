//! A private, migrated database for each test, cloned from a template in one private cluster that all tests share.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use lensmeter::cli::demo::cluster::Cluster;
use lensmeter::cli::demo::folder::Folder;
use lensmeter::metering::upkeep;
use lensmeter::platform::clock::Clock;
use lensmeter::platform::db;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use tokio::sync::OnceCell;

use super::crash::Postmaster;
use super::make;

/// A database of one test's own.
pub struct TestDb {
    connection: DatabaseConnection,
    /// Where the program connects.
    pub url: String,
}

impl Deref for TestDb {
    type Target = DatabaseConnection;

    fn deref(&self) -> &DatabaseConnection {
        &self.connection
    }
}

impl TestDb {
    /// Takes the database away: who is connected is thrown out, and nobody else gets in.
    pub async fn cut(&self) {
        let (base, name) = self.url.rsplit_once('/').expect("the address names a database");
        let admin = Database::connect(format!("{base}/postgres")).await.expect("the cluster answers");
        for statement in [
            format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false"),
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
        ] {
            admin.execute_unprepared(&statement).await.expect("the test's own database");
        }
        admin.close().await.expect("a pool closes");
    }
}

/// Where the tests' cluster is: beside the binaries, so that checkouts do not share one.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("../test-cluster")
}

/// The cluster's address without a database, and the name of the migrated template.
async fn template() -> &'static (String, String) {
    static TEMPLATE: OnceCell<(String, String)> = OnceCell::const_new();
    TEMPLATE.get_or_init(prepare).await
}

async fn prepare() -> (String, String) {
    // Tests are processes of their own under nextest: one prepares, the others wait for the folder's lock.
    let folder = loop {
        match Folder::open(&folder()) {
            Ok(folder) => break folder,
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let cluster = Cluster::start(&folder, "for tests only").await.expect("a private PostgreSQL starts");
    let base = cluster.url.rsplit_once('/').expect("the address names a database").0.to_owned();
    let name = format!("template_{}", &schema_digest()[..16]);
    let admin = Database::connect(format!("{base}/postgres")).await.expect("the cluster answers");
    let known = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
    if admin.query_one_raw(Statement::from_string(admin.get_database_backend(), known)).await.expect("a catalogue").is_none() {
        let draft = format!("draft_{}", uuid::Uuid::now_v7().simple());
        admin.execute_unprepared(&format!("CREATE DATABASE {draft}")).await.expect("a database");
        let fresh = db::connect(&format!("{base}/{draft}"), 2).await.expect("the new database answers");
        db::migrate(&fresh).await.expect("migrations apply");
        upkeep::run(&fresh, make::start()).await.expect("partitions");
        make::catalogue(&fresh).await;
        fresh.close().await.expect("a pool closes");
        // Renamed when whole: a test that was killed here leaves no half template behind.
        admin.execute_unprepared(&format!("ALTER DATABASE {draft} RENAME TO {name}")).await.expect("rename");
    }
    (base, name)
}

/// Changes when the schema or the catalogue does: an old template is not used for a new schema.
fn schema_digest() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = ["migration/src", "plans"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the folder is there"))
        .map(|entry| entry.expect("the folder is readable").path())
        .collect();
    files.sort();
    let text: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).expect("a text file")).collect();
    hex::encode(lensmeter::platform::secret::sha256(text))
}

/// A fresh database with the schema and the shipped catalogue.
pub async fn fresh() -> TestDb {
    // reqwest asks for the process' provider; another test of this process may have installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let (base, template) = template().await;
    let name = format!("test_{}", uuid::Uuid::now_v7().simple());
    let admin = Database::connect(format!("{base}/postgres")).await.expect("the cluster answers");
    admin.execute_unprepared(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.expect("a clone");
    admin.close().await.expect("a pool closes");
    let url = format!("{base}/{name}");
    TestDb { connection: db::connect(&url, 10).await.expect("the new database answers"), url }
}

/// A database as it was left, to be copied: nobody is connected to it.
pub struct Mould {
    base: String,
    name: String,
}

impl TestDb {
    /// Takes nothing in any more: what is in it can be copied. Whoever else has a pool to it must have closed it.
    pub async fn into_mould(self) -> Mould {
        let (base, name) = self.url.rsplit_once('/').expect("the address names a database");
        let mould = Mould { base: base.to_owned(), name: name.to_owned() };
        self.connection.close().await.expect("a pool closes");
        mould
    }
}

impl Mould {
    /// A database with the same in it.
    pub async fn copy(&self) -> TestDb {
        let name = format!("test_{}", uuid::Uuid::now_v7().simple());
        self.administer(&format!("CREATE DATABASE {name} TEMPLATE {}", self.name)).await;
        let url = format!("{}/{name}", self.base);
        TestDb { connection: db::connect(&url, 10).await.expect("the new database answers"), url }
    }

    /// Removes it, with whoever is still connected: for tests that need hundreds.
    pub async fn remove(self) {
        self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await;
    }

    async fn administer(&self, statement: &str) {
        let admin = Database::connect(format!("{}/postgres", self.base)).await.expect("the cluster answers");
        admin.execute_unprepared(statement).await.expect("the test's own database");
        admin.close().await.expect("a pool closes");
    }
}

/// A database in a cluster of its own, for a test that crashes PostgreSQL. Stopped and removed when dropped.
pub struct Private {
    pub db: TestDb,
    pub postmaster: Postmaster,
    cluster: Cluster,
    folder: Folder,
    path: PathBuf,
}

impl Drop for Private {
    fn drop(&mut self) {
        // What is left behind by a test that was killed is in the build's own folder.
        drop(self.cluster.stop());
        drop(Cluster::remove(&self.folder));
        drop(std::fs::remove_dir_all(&self.path));
    }
}

/// Starts a cluster for one test, with the schema and the shipped catalogue.
pub async fn private() -> Private {
    private_in(folder().with_file_name(format!("private-cluster-{}", uuid::Uuid::now_v7().simple()))).await
}

/// The same in a folder, which is made, and removed in the end.
pub async fn private_in(path: PathBuf) -> Private {
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = Folder::open(&path).expect("a folder of one test's own");
    let cluster = Cluster::start(&folder, "for tests only").await.expect("a private PostgreSQL starts");
    let connection = db::connect(&cluster.url, 10).await.expect("the new database answers");
    db::migrate(&connection).await.expect("migrations apply");
    // The servers of such a test live by the wall clock.
    upkeep::run(&connection, Clock::System.now()).await.expect("partitions");
    make::catalogue(&connection).await;
    let data = folder.file("postgres").canonicalize().expect("it was just made").join("data");
    Private { db: TestDb { connection, url: cluster.url.clone() }, postmaster: Postmaster::of(data), cluster, folder, path }
}
