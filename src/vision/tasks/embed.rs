//! A vector for comparing pictures.

/// The features scaled to length 1, so that a dot product is the cosine; zeros stay zeros.
#[must_use]
pub fn unit(features: &[f32]) -> Vec<f32> {
    let length = features.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length == 0. { features.to_vec() } else { features.iter().map(|value| value / length).collect() }
}
