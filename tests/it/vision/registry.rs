//! Model folders that are wrong: each says what was expected and what was found.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lensmeter::vision::{OpenError, Vision};
use tch::{Kind, Tensor};

/// A copy of the shipped model in a folder of its own, removed at the end.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("lensmeter-models-{name}-{}", std::process::id()));
        let to = folder.join("elements/1");
        fs::create_dir_all(&to).expect("the temporary folder is writable");
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/elements/1");
        for file in ["model.toml", "weights.safetensors"] {
            fs::copy(from.join(file), to.join(file)).expect("the shipped model is there");
        }
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join("elements/1").join(file)
    }

    /// Loads the weights, changes them, writes them back.
    fn tamper(&self, change: impl FnOnce(&mut Vec<(String, Tensor)>)) {
        let path = self.path("weights.safetensors");
        let mut tensors = Tensor::read_safetensors(&path).expect("the shipped weights");
        change(&mut tensors);
        Tensor::write_safetensors(&tensors, &path).expect("the temporary folder is writable");
    }

    fn problem(&self) -> String {
        Vision::open(&self.0, "cpu", 1).expect_err("the folder is wrong").to_string()
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn wrong_weights_are_told_apart() {
    let copy = Copy::new("weights");
    copy.tamper(|tensors| {
        for (name, tensor) in tensors.iter_mut() {
            match name.as_str() {
                "stem.conv.weight" => *tensor = Tensor::zeros([1], (Kind::Half, tch::Device::Cpu)),
                "reg.bias" => *tensor = tensor.to_kind(Kind::Int64),
                _ => {}
            }
        }
        tensors.retain(|(name, _)| name != "cls.bias");
        tensors.push(("extra.weight".into(), Tensor::from_slice(&[1f32])));
    });
    let problem = copy.problem();
    for part in [
        "stem.conv.weight: shape [1], expected [32, 3, 6, 6]",
        "reg.bias: type I64",
        "cls.bias: missing, expected shape [4]",
        "extra.weight: the network has no such parameter",
        "4 problem(s)",
    ] {
        assert!(problem.contains(part), "{part:?} is not in {problem:?}");
    }
    let copy = Copy::new("nan");
    copy.tamper(|tensors| {
        let bias = tensors.iter_mut().find(|(name, _)| name == "cls.bias").expect("it has one");
        bias.1 = &bias.1 * f64::NAN;
    });
    assert!(copy.problem().contains("cls.bias: holds values that are not finite"), "{}", copy.problem());
}

#[test]
fn broken_files_are_named() {
    let copy = Copy::new("broken");
    fs::write(copy.path("weights.safetensors"), b"not a safetensors file").expect("writable");
    assert!(copy.problem().contains("weights.safetensors: not a safetensors file"), "{}", copy.problem());
    fs::remove_file(copy.path("weights.safetensors")).expect("writable");
    assert!(copy.problem().contains("weights.safetensors: No such file"), "{}", copy.problem());
    fs::write(copy.path("model.toml"), "task = \"detect\"\ntypo = 1\n").expect("writable");
    assert!(copy.problem().contains("model.toml") && copy.problem().contains("typo"), "{}", copy.problem());
    fs::remove_file(copy.path("model.toml")).expect("writable");
    assert!(matches!(Vision::open(&copy.0, "cpu", 1), Err(OpenError::Empty(_))));
}

#[test]
fn an_unknown_device_stops_the_start() {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let error = Vision::open(&models, "tpu", 1).expect_err("no such device");
    assert!(error.to_string().contains("\"tpu\" is none of auto, cpu, cuda:N"), "{error}");
}
