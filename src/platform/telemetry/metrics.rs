//! Metrics, in Prometheus' text format.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Seconds, from 100 µs to 30 s.
const SECONDS: [f64; 12] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
/// Seconds of the hot path's own share: fine where its 99 in 100 lie.
const OWN_SECONDS: [f64; 14] =
    [0.000002, 0.000005, 0.00001, 0.000015, 0.00002, 0.000025, 0.00003, 0.00004, 0.00005, 0.000075, 0.0001, 0.0002, 0.001, 0.01];

/// Of a batch on a device.
const FRAMES: [f64; 7] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
/// Shares of a whole.
const RATIOS: [f64; 8] = [0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0];

/// Installs the recorder of this process, once; the handle renders what it holds.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets(&SECONDS)
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_own_seconds".into()), &OWN_SECONDS))
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_frames".into()), &FRAMES))
                .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_ratio".into()), &RATIOS))
                .expect("no bucket list is empty")
                .install_recorder()
                .expect("this is the only recorder: the OnceLock runs it once")
        })
        .clone()
}
