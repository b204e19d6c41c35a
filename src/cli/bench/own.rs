//! Our own share of a call, out of `/metrics`: what `lensmeter_own_seconds` says of each part.

use std::fmt::Write as _;

use anyhow::Context as _;

const METRIC: &str = "lensmeter_own_seconds";
const PARTS: [&str; 3] = ["authenticate", "admit", "account"];

/// What a server says of its calls so far.
pub struct Shares {
    metrics: String,
}

/// Asks a server.
///
/// # Errors
/// When it does not answer.
pub async fn shares(url: &str) -> anyhow::Result<Shares> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    Ok(Shares { metrics: client.get(format!("{url}/metrics")).send().await?.error_for_status()?.text().await? })
}

/// A table of the parts of the calls between two looks at a server.
///
/// # Errors
/// When there were none.
pub fn table(before: &Shares, after: &Shares) -> anyhow::Result<String> {
    let mut table = "Own share of a call (processor time, µs): waiting, decoding and inference left out\n\n| part | calls measured | mean | p50 at most | p99 at most |\n|-|-|-|-|-|\n".to_owned();
    for part in PARTS {
        let (buckets, earlier) = (buckets(&after.metrics, part), buckets(&before.metrics, part));
        // A server that has had no call has no buckets either.
        let less = |(at, &(bound, calls)): (usize, &(f64, u64))| (bound, calls - earlier.get(at).map_or(0, |earlier| earlier.1));
        let buckets: Vec<_> = buckets.iter().enumerate().map(less).collect();
        let calls = buckets.last().with_context(|| format!("/metrics says nothing of {part}"))?.1;
        let sum = |shares: &Shares| value(&shares.metrics, &format!("{METRIC}_sum{{part=\"{part}\"}}")).unwrap_or(0.);
        let mean = (sum(after) - sum(before)) / calls as f64 * 1e6;
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
