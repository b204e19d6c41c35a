//! Metrics, in Prometheus' text format.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Seconds, from 10 µs to 30 s: the hot path's own share at one end, a slow model at the other.
const SECONDS: [f64; 14] = [0.00001, 0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// Installs the recorder of this process, once; the handle renders what it holds.
pub fn install() -> PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            PrometheusBuilder::new()
                .set_buckets(&SECONDS)
                .expect("the bucket list is not empty")
                .install_recorder()
                .expect("this is the only recorder: the OnceLock runs it once")
        })
        .clone()
}
