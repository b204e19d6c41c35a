//! Becoming a customer.

use anyhow::{Context as _, ensure};

use crate::cli::demo::browser::{Api, Browser, Mailbox, link};
use crate::cli::demo::form::{Form, marked};

pub async fn sign_up(browser: &Browser, email: &str, password: &str) -> anyhow::Result<(String, ())> {
    let page = browser.open("/signup").await?;
    let form = Form::to(&page, "/signup")?.with("email", email).with("company", "Demo Company").with("password", password);
    browser.submit("/signup", &form).await?;
    Ok((email.to_owned(), ()))
}

pub async fn verify(browser: &Browser, mailbox: &Mailbox, email: &str, url: &str) -> anyhow::Result<(String, ())> {
    let start = format!("{url}/verify?");
    let mail = mailbox.wait(email, "the verification mail", |mail| mail.text.contains(&start)).await?;
    let address = link(&mail.text, &start).context("the mail has no link")?;
    let page = browser.open(&address).await?;
    let inside = browser.submit(&address, &Form::to(&page, "/verify")?).await?;
    ensure!(inside.contains("/logout"), "the link did not sign us in");
    Ok((format!("\"{}\"", mail.subject), ()))
}

pub async fn log_in(browser: &Browser, email: &str, password: &str) -> anyhow::Result<(String, ())> {
    let page = browser.open("/login").await?;
    let form = Form::to(&page, "/login")?.with("email", email).with("password", password);
    let inside = browser.submit("/login", &form).await?;
    ensure!(inside.contains("/logout"), "the saved password does not log in; `lensmeter demo --reset` starts anew");
    Ok((email.to_owned(), ()))
}

pub async fn make_key(browser: &Browser) -> anyhow::Result<(String, String)> {
    let page = browser.open("/app/keys").await?;
    let form = Form::to(&page, "/app/keys")?.with("name", "demo").ticked();
    let shown = browser.submit("/app/keys", &form).await?;
    let key = marked(&shown, "data-secret").context("the page shows no key")?;
    ensure!(key.starts_with("lm_test_"), "what the page shows is no test-mode key");
    // Enough to recognise it by, too little to use it.
    Ok((format!("{}…", key.chars().take(20).collect::<String>()), key))
}

pub async fn who(api: &Api) -> anyhow::Result<(String, String)> {
    let account = api.get("/v1/account").await?;
    let id = account["id"].as_str().context("no id")?.to_owned();
    let plan = account["plan"]["name"].as_str().unwrap_or("no plan");
    Ok((format!("{id}, {plan}, {}", account["mode"].as_str().unwrap_or_default()), id))
}
