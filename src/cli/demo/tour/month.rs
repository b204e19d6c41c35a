//! Paying, and the end of a month.

use std::path::Path;

use anyhow::{Context as _, ensure};
use entity::money::Nanos;
use serde_json::{Value, json as object};

use super::Places;
use super::calls::text;
use crate::cli::demo::browser::{Api, Browser, Mailbox, json, until};
use crate::cli::demo::form::Form;

pub async fn top_up(browser: &Browser, api: &Api, sandbox_url: &str) -> anyhow::Result<(String, ())> {
    let before = remaining(api).await?;
    let page = browser.open("/app/billing").await?;
    let checkout = browser.send("/app/billing", &Form::to(&page, "/app/billing/top-up")?.with("amount", "25")).await?;
    let address = checkout.url().to_string();
    ensure!(address.starts_with(sandbox_url), "the checkout is at {address}, not at the payment provider");
    let page = checkout.text().await?;
    let path = address.trim_start_matches(sandbox_url).split('?').next().unwrap_or_default();
    // The card of Stripe's documentation that always works.
    let card = [("card_number", "4242424242424242"), ("exp", "12/34"), ("cvc", "123"), ("name", "Demo Company")];
    let form = card.iter().fold(Form::to(&page, path)?, |form, (name, value)| form.with(name, value));
    browser.submit(&address, &form).await?;
    let after = until("the payment to be credited", async || {
        let now = remaining(api).await?;
        Ok((now > before).then_some(now))
    })
    .await?;
    let (before, after, rise) = (Nanos(before).decimal(2), Nanos(after).decimal(2), Nanos(after - before).decimal(2));
    ensure!(rise == "25.00", "the credit rose from {before} to {after} and not by 25.00");
    Ok((format!("credit {before} → {after}"), ()))
}

async fn remaining(api: &Api) -> anyhow::Result<i64> {
    nanos(text(&api.get("/v1/balance").await?["remaining"])).context("the balance is no amount")
}

/// A decimal text in nanos.
fn nanos(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{fraction:0<9}");
    whole.parse::<i64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction.parse().ok()?)
}

pub async fn close(places: &Places, account: &str) -> anyhow::Result<(String, ())> {
    let request = reqwest::Client::new()
        .post(format!("{}/admin/v1/accounts/{account}/clock", places.url))
        .bearer_auth(&places.admin_token)
        .json(&object!({ "advance": "P1M" }));
    let clock = json(request).await?;
    ensure!(clock["closed_periods"].as_u64().unwrap_or_default() >= 1, "no period was closed: {clock}");
    Ok((format!("the account's clock is at {}", text(&clock["now"])), ()))
}

pub async fn paid_invoice(api: &Api) -> anyhow::Result<(String, Value)> {
    let invoice = until("a paid invoice", async || {
        let list = api.get("/v1/invoices").await?;
        let paid = list["data"].as_array().and_then(|all| all.iter().find(|invoice| invoice["payment_status"] == "paid"));
        Ok(paid.cloned())
    })
    .await?;
    let whole = api.get(&format!("/v1/invoices/{}", text(&invoice["id"]))).await?;
    let said = format!(
        "{} · {} {} − {} from credit = {} {}",
        text(&whole["number"]),
        text(&whole["subtotal"]),
        text(&whole["currency"]),
        text(&whole["credits_applied"]),
        text(&whole["total"]),
        text(&whole["currency"]),
    );
    Ok((said, whole))
}

pub async fn mailed(mailbox: &Mailbox, email: &str, invoice: &Value, pdf: &Path) -> anyhow::Result<(String, ())> {
    let number = text(&invoice["number"]);
    let is_pdf = |name: &str| name.to_ascii_lowercase().ends_with(".pdf");
    let mail = mailbox
        .wait(email, "the mail with the invoice", |mail| {
            let named = mail.subject.contains(number) || mail.text.contains(number);
            named && mail.attachments.iter().any(|attachment| is_pdf(&attachment.filename))
        })
        .await?;
    let index = mail.attachments.iter().position(|attachment| is_pdf(&attachment.filename)).unwrap_or_default();
    let content = mailbox.attachment(&mail, index).await?;
    ensure!(content.starts_with(b"%PDF-"), "the attachment is no PDF");
    std::fs::write(pdf, &content).with_context(|| format!("cannot write {}", pdf.display()))?;
    Ok((format!("\"{}\", {} KB → {}", mail.subject, content.len() / 1024, pdf.display()), ()))
}
