//! Invoices: built from a closed period, issued and frozen in one transaction, rendered, collected through Stripe.

pub mod act;
pub mod audit;
mod charges;
pub mod collect;
mod compose;
pub mod document;
mod draft;
pub mod export;
pub mod finalize;
pub mod item;
pub mod line;
pub mod note;
pub mod preview;
pub mod record;
pub mod snapshot;
pub mod total;
pub mod verify;

use entity::ids::{AccountId, InvoiceId};
use entity::{invoice, invoice_document, invoice_line};
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};

/// The issued invoices of an account, newest first.
///
/// # Errors
/// When the database refuses.
pub async fn list(db: &impl ConnectionTrait, account: AccountId) -> Result<Vec<invoice::Model>, DbErr> {
    invoice::Entity::of(account)
        .filter(invoice::Column::DocumentState.ne(invoice::DocumentState::Draft))
        .order_by_desc(invoice::Column::Id)
        .all(db)
        .await
}

/// One issued invoice of an account with its lines.
///
/// # Errors
/// When the database refuses.
pub async fn find(
    db: &impl ConnectionTrait,
    account: AccountId,
    id: InvoiceId,
) -> Result<Option<(invoice::Model, Vec<invoice_line::Model>)>, DbErr> {
    let found = invoice::Entity::of(account)
        .filter(invoice::Column::Id.eq(id))
        .filter(invoice::Column::DocumentState.ne(invoice::DocumentState::Draft))
        .one(db)
        .await?;
    let Some(invoice) = found else { return Ok(None) };
    let lines = invoice_line::Entity::of(&invoice).all(db).await?;
    Ok(Some((invoice, lines)))
}

/// The PDF of an invoice of an account, as it was sent. `None` also while it is being rendered.
///
/// # Errors
/// When the database refuses.
pub async fn pdf(db: &impl ConnectionTrait, account: AccountId, id: InvoiceId) -> Result<Option<Vec<u8>>, DbErr> {
    if invoice::Entity::of(account).filter(invoice::Column::Id.eq(id)).one(db).await?.is_none() {
        return Ok(None);
    }
    Ok(invoice_document::Entity::find_by_id(id).one(db).await?.map(|document| document.pdf))
}
