//! `lensmeter plans simulate`: what past periods would have cost under another plan.

use std::fmt::Write as _;

use anyhow::Context as _;
use entity::money::{Nanos, exponent};
use sea_orm::DatabaseConnection;
use serde_json::json;

use super::Simulate;
use crate::billing::plan::{self, PlanFile};
use crate::billing::simulate::{Repriced, Simulation, month, simulate};

/// Compares, and returns what to print.
///
/// # Errors
/// When the plan, the month or the account is unknown, or the plan is in another currency.
pub(super) async fn run(db: &DatabaseConnection, files: &[PlanFile], asked: &Simulate) -> anyhow::Result<String> {
    let months = month(&asked.period).with_context(|| format!("--period: expected a month such as 2026-11, found {:?}", asked.period))?;
    let file = match files.iter().find(|file| file.code == asked.plan) {
        Some(file) => file.clone(),
        None => plan::newest_file(db, &asked.plan).await?.with_context(|| format!("--plan: there is no plan {:?}", asked.plan))?,
    };
    let found = simulate(db, &file, months, asked.account).await?;
    if asked.json { Ok(format!("{:#}\n", json_of(&found)?)) } else { table(&found) }
}

fn json_of(found: &Simulation) -> anyhow::Result<serde_json::Value> {
    let amount = |nanos: Nanos| nanos.decimal(exponent(&found.currency));
    let difference = |old: Nanos, new: Nanos| new.checked_sub(old).map(amount);
    let mut periods = Vec::new();
    for row in &found.periods {
        periods.push(json!({
            "account": row.account.to_string(), "name": row.name, "period_start": row.period.0, "period_end": row.period.1,
            "open": row.is_open, "calls": row.calls, "unsold_calls": row.unsold,
            "old": amount(row.old), "new": amount(row.new), "difference": difference(row.old, row.new)?,
        }));
    }
    let (old, new) = found.totals()?;
    let total = json!({ "old": amount(old), "new": amount(new), "difference": difference(old, new)? });
    Ok(json!({ "currency": found.currency, "periods": periods, "total": total, "skipped_other_currency": found.skipped }))
}

fn table(found: &Simulation) -> anyhow::Result<String> {
    let amount = |nanos: Nanos| nanos.decimal(exponent(&found.currency));
    let signed = |old: Nanos, new: Nanos| -> anyhow::Result<String> {
        let difference = new.checked_sub(old)?;
        Ok(if difference.0 > 0 { format!("+{}", amount(difference)) } else { amount(difference) })
    };
    let mut rows = vec![["account", "from", "calls", "old", "new", "difference"].map(str::to_owned)];
    for Repriced { account, period, calls, old, new, .. } in &found.periods {
        let from = period.0.date_naive().to_string();
        rows.push([account.to_string(), from, calls.to_string(), amount(*old), amount(*new), signed(*old, *new)?]);
    }
    let (old, new) = found.totals()?;
    let calls: i64 = found.periods.iter().map(|row| row.calls).sum();
    rows.push(["total".into(), String::new(), calls.to_string(), amount(old), amount(new), signed(old, new)?]);
    let mut text = aligned(&rows);
    writeln!(text, "{} before coupons, credit and tax.", found.currency.to_uppercase())?;
    let unsold: i64 = found.periods.iter().map(|row| row.unsold).sum();
    if unsold > 0 {
        writeln!(text, "{unsold} calls are not sold by the plan: they are missing in the new sums.")?;
    }
    if found.skipped > 0 {
        writeln!(text, "{} periods of accounts in another currency are left out.", found.skipped)?;
    }
    Ok(text)
}

/// Columns as wide as their widest cell; numbers to the right.
fn aligned(rows: &[[String; 6]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cell = |(column, cell): (usize, &String)| {
            let width = widths[column];
            if column < 2 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
        };
        text.push_str(row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
