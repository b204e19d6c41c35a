//! What metering costs is told by the same route without it. `lensmeter bench floor` serves that, and the same with one
//! transaction for each request, which is how most billing code is written.

use std::net::SocketAddr;

use poem::listener::TcpListener;
use poem::web::Data;
use poem::{Body, EndpointExt as _, Route, Server};
use poem_openapi::payload::Json;
use poem_openapi::{Object, OpenApi, OpenApiService};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, Statement, TransactionTrait as _};
use uuid::Uuid;

use crate::platform::db;

/// Options of `lensmeter bench floor`.
#[derive(clap::Args)]
pub struct Args {
    #[arg(long)]
    listen: SocketAddr,
    /// Meter with a transaction for each request, in tables of their own in this database
    #[arg(long)]
    database: Option<String>,
}

struct Floor;

/// As small as an answer with a receipt can be.
#[derive(Object)]
struct Answer {
    id: String,
    object: String,
    predictions: Vec<String>,
    amount: String,
}

/// Where each request is metered, if anywhere.
#[derive(Clone)]
struct Books {
    db: Option<DatabaseConnection>,
}

#[OpenApi]
impl Floor {
    #[oai(path = "/v1/detect", method = "post")]
    async fn detect(&self, books: Data<&Books>, body: Body) -> poem::Result<Json<Answer>> {
        let image = body.into_bytes().await?;
        let id = Uuid::now_v7();
        if let Some(db) = &books.db {
            meter(db, id, image.len()).await.map_err(poem::error::InternalServerError)?;
        }
        Ok(Json(Answer { id: id.to_string(), object: "detection".into(), predictions: Vec::new(), amount: "0.0015".into() }))
    }

    #[oai(path = "/health", method = "get")]
    async fn health(&self) {}
}

/// All on one account: the row that every request waits for.
async fn meter(db: &DatabaseConnection, id: Uuid, bytes: usize) -> Result<(), sea_orm::DbErr> {
    let txn = db.begin().await?;
    let statement = |sql: &str, values: Vec<sea_orm::Value>| Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let event = "INSERT INTO bench_event (id, account, quantity, bytes) VALUES ($1, 0, 1, $2)";
    txn.execute_raw(statement(event, vec![id.into(), (bytes as i64).into()])).await?;
    txn.execute_raw(statement("UPDATE bench_balance SET debits = debits + 1 WHERE account = 0", Vec::new())).await?;
    txn.commit().await
}

/// Serves until it is killed.
///
/// # Errors
/// When the port is taken or the database is away.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let books = match &args.database {
        None => Books { db: None },
        Some(url) => {
            let db = db::connect(url, 16).await?;
            db.execute_unprepared(
                "DROP TABLE IF EXISTS bench_event, bench_balance;
                 CREATE TABLE bench_event (id uuid PRIMARY KEY, account bigint NOT NULL, quantity bigint NOT NULL, bytes bigint NOT NULL);
                 CREATE TABLE bench_balance (account bigint PRIMARY KEY, debits bigint NOT NULL);
                 INSERT INTO bench_balance VALUES (0, 0)",
            )
            .await?;
            Books { db: Some(db) }
        }
    };
    let routes = Route::new().nest("/", OpenApiService::new(Floor, "floor", "1")).data(books);
    Server::new(TcpListener::bind(args.listen)).run(routes).await.map_err(Into::into)
}
