//! The mean of two trained networks, number by number: where both runs began with the same weights it tends to be better
//! than either (Wortsman et al. 2022, "Model soups").

use std::path::Path;

use tch::{Kind, Tensor};

use super::run::{RunError, read_tensors, write_tensors};

/// Writes `1 - share` of `first` and `share` of `second` into a file that keeps the kinds of `first`.
///
/// # Errors
/// When a file cannot be read or written, or when they are of different networks.
pub fn mix(first: &Path, second: &Path, share: f64, into: &Path) -> Result<(), RunError> {
    let (one, other) = (read_tensors(first)?, read_tensors(second)?);
    let unlike = |name: &str| RunError::Unlike(first.to_owned(), second.to_owned(), name.to_owned());
    if let Some(name) = other.keys().find(|name| !one.contains_key(*name)) {
        return Err(unlike(name));
    }
    let mean = |(name, one): (String, Tensor)| -> Result<_, RunError> {
        let other = other.get(&name).filter(|other| other.size() == one.size()).ok_or_else(|| unlike(&name))?;
        let mean = one.to_kind(Kind::Float) * (1. - share) + other.to_kind(Kind::Float) * share;
        Ok((name, mean.to_kind(one.kind())))
    };
    write_tensors(&tch::no_grad(|| one.into_iter().map(mean).collect::<Result<Vec<_>, _>>())?, into)
}
