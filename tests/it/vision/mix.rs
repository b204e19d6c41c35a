//! Trained networks are mixed by shares, and only with their like.

use std::path::{Path, PathBuf};

use lensmeter::vision::train::{mix::mix, run::write_tensors};
use tch::{Kind, Tensor};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("lensmeter-mix-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir_all(&path).expect("the temporary folder can be written");
        Self(path)
    }

    fn file(&self, name: &str, tensors: &[(&str, Tensor)]) -> PathBuf {
        let path = self.0.join(name);
        let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| ((*name).to_owned(), tensor.shallow_clone())).collect();
        write_tensors(&tensors, &path).expect("the file can be written");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn numbers(path: &Path, name: &str) -> (Kind, Vec<f32>) {
    let tensors = tch::no_grad(|| Tensor::read_safetensors(path)).expect("the file can be read");
    let (_, tensor) = tensors.into_iter().find(|(own, _)| own == name).expect("it has the tensor");
    (tensor.kind(), Vec::try_from(tensor.to_kind(Kind::Float)).expect("it is a row"))
}

#[test]
fn a_mix_is_the_mean_by_shares_in_the_kind_of_the_first() {
    let folder = Folder::new();
    let half = |numbers: &[f32]| Tensor::from_slice(numbers).to_kind(Kind::Half);
    let one = folder.file("one.safetensors", &[("a", half(&[1., 2.])), ("b", half(&[0.]))]);
    let other = folder.file("other.safetensors", &[("b", half(&[8.])), ("a", half(&[5., 2.]))]);
    let into = folder.0.join("mixed.safetensors");
    mix(&one, &other, 0.25, &into).expect("they are alike");
    assert_eq!(numbers(&into, "a"), (Kind::Half, vec![2., 2.]));
    assert_eq!(numbers(&into, "b"), (Kind::Half, vec![2.]));
}

#[test]
fn networks_that_differ_are_not_mixed() {
    let folder = Folder::new();
    let row = |count: usize| Tensor::from_slice(&vec![1f32; count]);
    let one = folder.file("one.safetensors", &[("a", row(2))]);
    for other in [vec![("a", row(3))], vec![("b", row(2))], vec![("a", row(2)), ("b", row(1))]] {
        let other = folder.file("other.safetensors", &other);
        let into = folder.0.join("mixed.safetensors");
        let error = mix(&one, &other, 0.5, &into).expect_err("they differ").to_string();
        assert!(error.contains("are not of one network"), "{error}");
        assert!(!into.exists());
    }
}
