//! The mail outbox: a letter is written in the caller's transaction and sent by a queue job, over real SMTP.

mod compose;
mod transport;

use entity::ids::{AccountId, MailId};
use entity::{mail, mail_attachment};
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait as _, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _,
};
use serde::{Deserialize, Serialize};

use crate::platform::queue::{self, Failure, Job, Outcome};

pub use compose::compose;
pub use transport::{Mailer, MailerError};

/// A letter, ready to be sent.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Which letter it is: the name of its templates.
    pub name: &'static str,
    /// One line.
    pub subject: String,
    /// The text part, complete on its own.
    pub text: String,
    /// The HTML part.
    pub html: String,
    /// Files that go with it.
    pub attachments: Vec<Attachment>,
}

/// A file that goes with a letter.
#[derive(Debug, Clone)]
pub struct Attachment {
    pub filename: String,
    pub content_type: &'static str,
    pub content: Vec<u8>,
}

/// Sends one mail of the outbox.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMail {
    pub mail: MailId,
}

impl Job for SendMail {
    const KIND: &'static str = "mail.send";
}

/// Puts a letter into the outbox and enqueues its sending, in the caller's transaction.
///
/// # Errors
/// When the database refuses.
pub async fn post_in(
    txn: &impl ConnectionTrait,
    account: Option<AccountId>,
    recipient: &str,
    letter: Letter,
    now: entity::Time,
) -> Result<MailId, DbErr> {
    let id = MailId::new();
    mail::Entity::insert(mail::ActiveModel {
        id: Set(id),
        account_id: Set(account),
        letter: Set(letter.name.into()),
        recipient: Set(recipient.into()),
        subject: Set(letter.subject),
        text_body: Set(letter.text),
        html_body: Set(letter.html),
        created_at: Set(now),
        sent_at: Set(None),
    })
    .exec_without_returning(txn)
    .await?;
    for (seq, attachment) in (0..).zip(letter.attachments) {
        mail_attachment::Entity::insert(mail_attachment::ActiveModel {
            mail_id: Set(id),
            seq: Set(seq),
            filename: Set(attachment.filename),
            content_type: Set(attachment.content_type.into()),
            content: Set(attachment.content),
        })
        .exec_without_returning(txn)
        .await?;
    }
    queue::enqueue_in(txn, &SendMail { mail: id }, None, now).await?;
    Ok(id)
}

/// How many mails were written to an address since an instant.
///
/// # Errors
/// When the database refuses.
pub async fn count_since(db: &impl ConnectionTrait, recipient: &str, since: entity::Time) -> Result<u64, DbErr> {
    mail::Entity::find().filter(mail::Column::Recipient.eq(recipient)).filter(mail::Column::CreatedAt.gt(since)).count(db).await
}

/// Runs [`SendMail`]. A crash between the server's 250 and our note sends the letter twice, under the same Message-ID.
///
/// # Errors
/// Retried when the server does not take it now, parked when it never will.
pub async fn send(db: &DatabaseConnection, mailer: &Mailer, job: SendMail, now: entity::Time) -> Outcome {
    let Some(row) = mail::Entity::find_by_id(job.mail).one(db).await? else { return Err(Failure::Park("the mail is gone".into())) };
    if row.sent_at.is_some() {
        return Ok(());
    }
    let attachments = mail_attachment::Entity::find()
        .filter(mail_attachment::Column::MailId.eq(row.id))
        .order_by_asc(mail_attachment::Column::Seq)
        .all(db)
        .await?;
    mailer.send(&row, attachments).await.map_err(|error| match error {
        MailerError::Refused(reason) => Failure::Park(reason),
        MailerError::Unreachable(reason) => Failure::Retry(reason),
    })?;
    mail::Entity::update(mail::ActiveModel { id: Set(row.id), sent_at: Set(Some(now)), ..Default::default() }).exec(db).await?;
    Ok(())
}
