//! Who the account is on paper: address, tax id, language, time zone. Invoices that are issued already keep what they say.

use std::str::FromStr as _;

use chrono_tz::Tz;
use entity::account::{self, Locale};
use entity::ids::AccountId;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait as _};

use crate::billing::buyer;
use crate::billing::tax::vat_id::{self, VatIdError};

/// Everything of it, as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    pub name: String,
    pub address_line1: String,
    pub address_line2: String,
    pub postal_code: String,
    pub city: String,
    /// Two letters, or empty.
    pub country: String,
    /// Empty: none.
    pub tax_id: String,
    pub locale: Locale,
    pub time_zone: String,
    /// Whether invoices carry their data as EN 16931 XML.
    pub e_invoice: bool,
}

/// A field that cannot be used, by the name that forms and JSON have for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {expected}")]
pub struct Wrong {
    pub field: &'static str,
    pub expected: String,
}

impl From<&account::Model> for Details {
    fn from(account: &account::Model) -> Self {
        let account = account.clone();
        Self {
            name: account.name,
            address_line1: account.address_line1,
            address_line2: account.address_line2,
            postal_code: account.postal_code,
            city: account.city,
            country: account.country.unwrap_or_default(),
            tax_id: account.tax_id.unwrap_or_default(),
            locale: account.locale,
            time_zone: account.time_zone,
            e_invoice: account.e_invoice,
        }
    }
}

impl Details {
    /// The same as it is stored: trimmed, codes in capitals.
    ///
    /// # Errors
    /// Every field that cannot be used.
    pub fn checked(mut self) -> Result<Self, Vec<Wrong>> {
        let mut wrong = Vec::new();
        let lengths: [(&'static str, &mut String, usize); 5] = [
            ("name", &mut self.name, 200),
            ("address_line1", &mut self.address_line1, 200),
            ("address_line2", &mut self.address_line2, 200),
            ("postal_code", &mut self.postal_code, 20),
            ("city", &mut self.city, 100),
        ];
        for (field, text, most) in lengths {
            // One line each: they stand on paper, in XML and in the subject of letters.
            *text = text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
            if text.chars().count() > most {
                wrong.push(Wrong { field, expected: format!("expected at most {most} characters") });
            }
        }
        if self.name.is_empty() {
            wrong.push(Wrong { field: "name", expected: "expected your company's or your own name".into() });
        }
        self.country = self.country.trim().to_uppercase();
        self.tax_id = vat_id::tidied(&self.tax_id);
        wrong.extend(self.wrong_codes());
        if wrong.is_empty() { Ok(self) } else { Err(wrong) }
    }

    fn wrong_codes(&self) -> Vec<Wrong> {
        let mut wrong = Vec::new();
        let country = self.country.as_str();
        let shaped = country.len() == 2 && country.bytes().all(|letter| letter.is_ascii_uppercase());
        if !country.is_empty() && !shaped {
            wrong.push(Wrong { field: "country", expected: "expected the two letters of a country, such as DE".into() });
        }
        if let Some(expected) = self.wrong_tax_id() {
            wrong.push(Wrong { field: "tax_id", expected });
        }
        if Tz::from_str(&self.time_zone).is_err() {
            wrong.push(Wrong { field: "time_zone", expected: "expected a name such as Europe/Berlin or UTC".into() });
        }
        if self.e_invoice && country.is_empty() {
            wrong.push(Wrong { field: "e_invoice", expected: "an electronic invoice needs your country".into() });
        }
        wrong
    }

    fn wrong_tax_id(&self) -> Option<String> {
        let id = self.tax_id.as_str();
        if id.is_empty() {
            return None;
        }
        if self.country.is_empty() {
            return Some("tell the country that it belongs to, too".into());
        }
        match vat_id::check(&self.country, id) {
            Ok(()) => None,
            // Countries whose ids we do not know: anything that can be one.
            Err(VatIdError::Country(_)) if (4..=20).contains(&id.len()) && id.bytes().all(|letter| letter.is_ascii_alphanumeric()) => None,
            Err(VatIdError::Country(_)) => Some("expected 4 to 20 letters and digits".into()),
            Err(error) => Some(error.to_string()),
        }
    }
}

/// Stores what was [`Details::checked`], in the caller's transaction; the payment provider is told of it.
///
/// # Errors
/// When the database refuses.
pub async fn store(
    txn: &impl ConnectionTrait,
    account: AccountId,
    details: Details,
    wall_now: entity::Time,
) -> Result<account::Model, DbErr> {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let change = account::ActiveModel {
        id: Set(account),
        name: Set(details.name),
        address_line1: Set(details.address_line1),
        address_line2: Set(details.address_line2),
        postal_code: Set(details.postal_code),
        city: Set(details.city),
        country: Set(some(details.country)),
        tax_id: Set(some(details.tax_id)),
        locale: Set(details.locale),
        time_zone: Set(details.time_zone),
        e_invoice: Set(details.e_invoice),
        ..Default::default()
    };
    let account = account::Entity::update(change).exec(txn).await?;
    buyer::changed_in(txn, &account, wall_now).await?;
    Ok(account)
}

#[cfg(test)]
mod tests {
    use entity::account::Mode;

    use super::*;

    fn asked(change: impl FnOnce(&mut Details)) -> Result<Details, Vec<&'static str>> {
        let account = account::Model::new(AccountId::new(), "Ada & Sons".into(), "eur", Mode::Test, entity::Time::UNIX_EPOCH);
        let mut details = Details::from(&account);
        change(&mut details);
        details.checked().map_err(|wrong| wrong.into_iter().map(|wrong| wrong.field).collect())
    }

    #[test]
    fn what_people_type_is_tidied() {
        let details = asked(|details| {
            details.name = " Ada\r\nBcc: x ".into();
            details.country = " de".into();
            details.tax_id = "de 123 456 789".into();
        });
        let details = details.expect("it can be used");
        assert_eq!((details.name.as_str(), details.country.as_str(), details.tax_id.as_str()), ("Ada Bcc: x", "DE", "DE123456789"));
    }

    #[test]
    fn every_wrong_field_is_named() {
        assert_eq!(asked(|details| details.name = "\n \t".into()), Err(vec!["name"]));
        assert_eq!(asked(|details| details.name = "x".repeat(201)), Err(vec!["name"]));
        assert_eq!(asked(|details| details.time_zone = "Mars/Olympus".into()), Err(vec!["time_zone"]));
        assert_eq!(asked(|details| details.e_invoice = true), Err(vec!["e_invoice"]));
        assert_eq!(asked(|details| details.tax_id = "DE123456789".into()), Err(vec!["tax_id"]), "of no country");
        let of_another = asked(|details| (details.country, details.tax_id) = ("FR".into(), "DE123456789".into()));
        assert_eq!(of_another, Err(vec!["tax_id"]));
        assert_eq!(asked(|details| (details.country, details.city) = ("Germany".into(), "x".repeat(101))), Err(vec!["city", "country"]));
        assert!(asked(|details| (details.country, details.tax_id) = ("US".into(), "12-3456789".into())).is_ok());
        assert_eq!(asked(|details| (details.country, details.tax_id) = ("US".into(), "１２３４".into())), Err(vec!["tax_id"]));
    }
}
