//! Weights into a network, after every name, shape and type in the file was compared with what the network has.
//!
//! tch's own loading checks no shapes: a `[1]` tensor is spread over a `[4]` parameter without a word.

use std::{collections::BTreeMap, path::Path};

use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor, nn::VarStore};

use super::network::Elements;

/// Loads `path` into a fresh network for `classes` classes and makes it ready to serve on `device`.
///
/// # Errors
/// Everything that is wrong with the file, one sentence each: what was expected and what was found.
pub fn load(path: &Path, classes: usize, device: Device) -> Result<Elements, Vec<String>> {
    let one = |problem: String| vec![problem];
    let bytes = std::fs::read(path).map_err(|e| one(format!("{}: {e}", path.display())))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| one(format!("{}: not a safetensors file: {e}", path.display())))?;
    let store = VarStore::new(device);
    let mut network = Elements::new(&store.root(), classes);
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    let problems = compare(&variables, &file);
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut problems = Vec::new();
    tch::no_grad(|| {
        for (name, mut variable) in variables {
            let tensor = file.tensor(&name).map_err(|e| e.to_string()).and_then(|view| {
                let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
                let kind = kind_of(view.dtype()).ok_or("not a float type")?;
                Tensor::f_from_data_size(view.data(), &shape, kind).map_err(|e| e.to_string())
            });
            match tensor {
                Ok(tensor) if tensor.isfinite().all().int64_value(&[]) == 1 => variable.copy_(&tensor),
                Ok(_) => problems.push(format!("{name}: holds values that are not finite")),
                Err(error) => problems.push(format!("{name}: {error}")),
            }
        }
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    network.fold();
    Ok(network)
}

fn compare(variables: &BTreeMap<String, Tensor>, file: &SafeTensors<'_>) -> Vec<String> {
    let mut problems = Vec::new();
    for (name, variable) in variables {
        let expected = variable.size();
        match file.tensor(name) {
            Err(_) => problems.push(format!("{name}: missing, expected shape {expected:?}")),
            Ok(view) => {
                let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
                if shape != expected {
                    problems.push(format!("{name}: shape {shape:?}, expected {expected:?}"));
                }
                if kind_of(view.dtype()).is_none() {
                    problems.push(format!("{name}: type {:?}, expected F32, F16 or BF16", view.dtype()));
                }
            }
        }
    }
    let unknown = file.names().into_iter().filter(|name| !variables.contains_key(*name) && !name.ends_with("num_batches_tracked"));
    problems.extend(unknown.map(|name| format!("{name}: the network has no such parameter")));
    problems
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
