//! The tour: what a customer does, from signing up to the invoice in the mail, through what a customer can reach. It knows
//! addresses and a mailbox, and nothing of the program behind them; so it is the end-to-end test, too.

mod account;
mod calls;
mod month;

use super::browser::{Api, Browser, Mailbox};
use super::folder::{Folder, Saved};
use super::say::Steps;
use crate::platform::secret;

/// Where everything is.
pub struct Places {
    pub url: String,
    pub sandbox_url: String,
    pub mail_url: String,
    pub database_url: String,
    pub admin_token: String,
}

/// The whole tour as a new customer. Saves who that is as soon as there is a key.
///
/// # Errors
/// At the first step that does not come out; the text says which and why.
pub async fn first(places: &Places, folder: &Folder) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let browser = Browser::new(&places.url)?;
    let mailbox = Mailbox::new(&places.mail_url)?;
    // Another one each time: a demo that was killed half-way through starts its tour again.
    let email = format!("demo-{}@example.com", secret::alphanumeric(6).to_lowercase());
    let password = secret::alphanumeric(20);

    steps.run("Sign up", account::sign_up(&browser, &email, &password)).await?;
    steps.run("Verify by the mailed link", account::verify(&browser, &mailbox, &email, &places.url)).await?;
    let key = steps.run("Make an API key", account::make_key(&browser)).await?;
    let api = Api::new(&places.url, &key)?;
    let account_id = steps.run("Ask the API who we are", account::who(&api)).await?;
    let saved = saved(places, email, password, key, account_id);
    folder.save(&saved)?;

    steps.run("Detect in a picture", calls::detect(&api)).await?;
    steps.run("Look at the usage", calls::usage(&api)).await?;
    steps.run("Top up 25.00 by card", month::top_up(&browser, &api, &places.sandbox_url)).await?;
    steps.run("Close the month", month::close(places, &saved.account_id)).await?;
    let invoice = steps.run("Invoice issued and paid", month::paid_invoice(&api)).await?;
    let pdf = folder.file("invoice.pdf");
    steps.run("Invoice in the mail", month::mailed(&mailbox, &saved.email, &invoice, &pdf)).await?;
    println!("The tour took {:.1} s in {} steps.", steps.total().as_secs_f64(), steps.count());
    Ok(())
}

/// The short tour of a customer who was here before.
///
/// # Errors
/// As [`first`].
pub async fn again(places: &Places, folder: &Folder, known: Saved) -> anyhow::Result<()> {
    let mut steps = Steps::default();
    let browser = Browser::new(&places.url)?;
    let api = Api::new(&places.url, &known.api_key)?;
    steps.run("Log in again", account::log_in(&browser, &known.email, &known.password)).await?;
    steps.run("Detect in a picture", calls::detect(&api)).await?;
    steps.run("Look at the usage", calls::usage(&api)).await?;
    // The addresses may be others than last time.
    folder.save(&saved(places, known.email, known.password, known.api_key, known.account_id))?;
    println!("The tour took {:.1} s in {} steps.", steps.total().as_secs_f64(), steps.count());
    Ok(())
}

fn saved(places: &Places, email: String, password: String, api_key: String, account_id: String) -> Saved {
    Saved {
        url: places.url.clone(),
        email,
        password,
        api_key,
        account_id,
        admin_token: places.admin_token.clone(),
        sandbox_url: places.sandbox_url.clone(),
        mail_url: places.mail_url.clone(),
        database_url: places.database_url.clone(),
    }
}
