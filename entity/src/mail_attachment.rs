//! A file that goes with a mail.

use sea_orm::entity::prelude::*;

use crate::ids::MailId;

/// A file that goes with a mail.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mail_attachment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub mail_id: MailId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i32,
    pub filename: String,
    pub content_type: String,
    pub content: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
