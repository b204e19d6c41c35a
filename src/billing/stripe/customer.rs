//! The account's counterpart at Stripe.

use std::collections::HashMap;

use entity::{Time, account};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait as _};
use stripe_billing::tax_id::{CreateCustomerTaxId, CreateCustomerTaxIdType, DeleteCustomerTaxId, ListCustomerTaxId};
use stripe_core::customer::{CreateCustomer, ListCustomer, OptionalFieldsCustomerAddress, UpdateCustomer};

use super::{PAGE, Stripe};
use crate::billing::buyer;
use crate::billing::provider::{Buyer, ProviderError};

/// Stripe's id of the account, created at the first need. Two callers at once get the same: the key is the account's.
///
/// # Errors
/// When Stripe or the database refuses.
pub async fn ensure(
    db: &DatabaseConnection,
    stripe: &Stripe,
    account: &account::Model,
    email: &str,
    wall_now: Time,
) -> Result<String, ProviderError> {
    if let Some(known) = &account.stripe_customer_id {
        return Ok(known.clone());
    }
    let ours = account.id.to_string();
    let request =
        CreateCustomer::new().name(account.name.as_str()).email(email).metadata(HashMap::from([("account_id".to_owned(), ours.clone())]));
    let earlier = async {
        let list = ListCustomer::new().email(email).limit(PAGE);
        let made = stripe.all(list.paginate()).await?;
        Ok(made.into_iter().find(|customer| customer.metadata.as_ref().and_then(|data| data.get("account_id")) == Some(&ours)))
    };
    let id = stripe.once(db, format!("cus:{ours}"), request, earlier, wall_now).await?.id.to_string();
    let change = account::ActiveModel { id: Set(account.id), stripe_customer_id: Set(Some(id.clone())), ..Default::default() };
    let account = account::Entity::update(change).exec(db).await?;
    let more = account.country.is_some() || account.tax_id.is_some() || !account.address_line1.is_empty();
    if more {
        buyer::changed_in(db, &account, wall_now).await?;
    }
    Ok(id)
}

/// Tells Stripe who is billed: name, letters, address, tax id.
///
/// # Errors
/// When Stripe refuses, as it does for a tax id that cannot be one.
pub async fn update(stripe: &Stripe, customer: &str, buyer: &Buyer) -> Result<(), ProviderError> {
    // An empty text takes away what was there.
    let [line1, line2, postal_code, city, country] = buyer.address.clone().map(Some);
    let address = OptionalFieldsCustomerAddress { line1, line2, postal_code, city, country, ..OptionalFieldsCustomerAddress::new() };
    let request = UpdateCustomer::new(customer).name(buyer.name.as_str()).email(buyer.email.as_str()).address(address);
    stripe.set(request, "cus").await?;
    let country = buyer.address[4].as_str();
    let wanted = buyer.tax_id.as_deref().and_then(|id| kind_of(country).map(|kind| (kind, id)));
    tax_id(stripe, customer, wanted).await
}

/// The new one first: an invoice in between has two rather than none.
async fn tax_id(stripe: &Stripe, customer: &str, wanted: Option<(CreateCustomerTaxIdType, &str)>) -> Result<(), ProviderError> {
    let known = stripe.all(ListCustomerTaxId::new(customer).limit(PAGE).paginate()).await?;
    if let Some((kind, value)) = &wanted
        && known.iter().all(|id| id.value != *value)
    {
        stripe.set(CreateCustomerTaxId::new(customer, kind.clone(), *value), "taxid").await?;
    }
    for old in known.iter().filter(|id| wanted.as_ref().is_none_or(|(_, value)| id.value != *value)) {
        stripe.read(DeleteCustomerTaxId::new(customer, old.id.to_string())).await?;
    }
    Ok(())
}

/// Stripe's word for the tax id of a country. `None`: of those whose form we do not know, Stripe is told none.
fn kind_of(country: &str) -> Option<CreateCustomerTaxIdType> {
    const UNION: [&str; 27] = [
        "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL",
        "PT", "RO", "SE", "SI", "SK",
    ];
    match country {
        "GB" => Some(CreateCustomerTaxIdType::GbVat),
        "CH" => Some(CreateCustomerTaxIdType::ChVat),
        "NO" => Some(CreateCustomerTaxIdType::NoVat),
        country if UNION.contains(&country) => Some(CreateCustomerTaxIdType::EuVat),
        _ => None,
    }
}
