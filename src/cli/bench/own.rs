//! Our own share of a call, out of `/metrics`: what `lensmeter_own_seconds` says of each part.

use std::fmt::Write as _;

use anyhow::Context as _;

const METRIC: &str = "lensmeter_own_seconds";
const PARTS: [&str; 3] = ["authenticate", "admit", "account"];

/// A table of the parts of a server's calls so far.
///
/// # Errors
/// When the server does not answer.
pub async fn table(url: &str) -> anyhow::Result<String> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let text = client.get(format!("{url}/metrics")).send().await?.error_for_status()?.text().await?;
    let mut table = "Own share of a call (µs): waiting, decoding and inference left out\n\n| part | calls | mean | p50 at most | p99 at most |\n|-|-|-|-|-|\n".to_owned();
    for part in PARTS {
        let buckets = buckets(&text, part);
        let calls = buckets.last().with_context(|| format!("/metrics says nothing of {part}"))?.1;
        let mean = value(&text, &format!("{METRIC}_sum{{part=\"{part}\"}}")).unwrap_or(f64::NAN) / calls as f64 * 1e6;
        let [p50, p99] = [0.5, 0.99].map(|share| bound(&buckets, share) * 1e6);
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {part} | {calls} | {mean:.1} | {p50:.0} | {p99:.0} |");
    }
    Ok(table)
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series))?.trim().parse().ok()
}

/// Upper bound in seconds and calls up to it.
fn buckets(text: &str, part: &str) -> Vec<(f64, u64)> {
    let prefix = format!("{METRIC}_bucket{{part=\"{part}\",le=\"");
    let bucket = |line: &str| {
        let (bound, calls) = line.strip_prefix(&prefix)?.split_once("\"} ")?;
        // Infinity is written `+Inf`, which Rust reads.
        Some((bound.parse().ok()?, calls.parse().ok()?))
    };
    text.lines().filter_map(bucket).collect()
}

/// The bound of the bucket that the call at this share is in.
fn bound(buckets: &[(f64, u64)], share: f64) -> f64 {
    let all = buckets.last().map_or(0, |last| last.1);
    buckets.iter().find(|(_, calls)| *calls as f64 >= all as f64 * share).map_or(f64::NAN, |(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_bounds_of_buckets() {
        let line = |le: &str, calls: u64| format!("lensmeter_own_seconds_bucket{{part=\"admit\",le=\"{le}\"}} {calls}\n");
        let text = [line("0.000005", 60), line("0.00001", 98), line("0.00005", 99), line("+Inf", 100)].concat();
        let buckets = buckets(&text, "admit");
        assert_eq!((bound(&buckets, 0.5), bound(&buckets, 0.99)), (0.000_005, 0.000_05));
        assert!(bound(&buckets, 1.0).is_infinite());
    }
}
