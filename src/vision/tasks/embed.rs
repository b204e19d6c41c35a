//! A vector for comparing pictures.

/// The features scaled to length 1, so that a dot product is the cosine; zeros stay zeros.
///
/// # Errors
/// When a feature is no finite number: the weights are broken.
pub fn unit(features: &[f32]) -> Result<Vec<f32>, String> {
    if features.is_empty() || features.iter().any(|value| !value.is_finite()) {
        return Err("the features are not finite numbers".into());
    }
    // Squares of large features would leave f32.
    let length = features.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
    if length == 0. {
        return Ok(features.to_vec());
    }
    Ok(features.iter().map(|value| (f64::from(*value) / length) as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_has_length_one_or_is_zero() {
        assert_eq!(unit(&[3., 4.]), Ok(vec![0.6, 0.8]));
        assert_eq!(unit(&[0., 0.]), Ok(vec![0., 0.]));
        assert_eq!(unit(&[f32::MAX, 0.]), Ok(vec![1., 0.]));
        assert!(unit(&[1., f32::NAN]).is_err() && unit(&[f32::INFINITY]).is_err() && unit(&[]).is_err());
    }
}
