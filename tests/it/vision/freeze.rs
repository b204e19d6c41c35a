//! A TorchScript module is frozen as it is loaded: it computes what it did, and what is no module stays an error.

use lensmeter::vision::torch::freeze::freeze;
use tch::{CModule, Device, IValue, Kind, Tensor};

/// Convolution, normalisation, rectifier, as `torch.jit.save` writes it, and what it makes of a picture.
fn module() -> (Vec<u8>, Tensor, Tensor) {
    tch::manual_seed(5);
    let normal = |size: &[i64]| Tensor::randn(size, (Kind::Float, Device::Cpu));
    let (weight, scale, shift, mean, variance) = (normal(&[8, 3, 3, 3]), normal(&[8]), normal(&[8]), normal(&[8]), normal(&[8]).exp());
    let mut forward = |x: &[Tensor]| {
        let y = x[0].conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1);
        vec![y.batch_norm(Some(&scale), Some(&shift), Some(&mean), Some(&variance), false, 0.1, 1e-5, false).relu()]
    };
    let picture = normal(&[2, 3, 16, 16]);
    let computed = forward(std::slice::from_ref(&picture)).remove(0);
    let module =
        tch::no_grad(|| CModule::create_by_tracing("Net", "forward", std::slice::from_ref(&picture), &mut forward)).expect("traced");
    let path = std::env::temp_dir().join(format!("lensmeter-freeze-{}.pt", uuid::Uuid::now_v7().simple()));
    module.save(&path).expect("saved");
    let saved = std::fs::read(&path).expect("read");
    drop(std::fs::remove_file(path));
    (saved, picture, computed)
}

#[test]
fn a_frozen_module_computes_what_it_did() {
    let (saved, picture, computed) = module();
    let frozen = freeze(&saved).expect("it can be frozen");
    assert_ne!(frozen, saved);
    let frozen = CModule::load_data_on_device(&mut frozen.as_slice(), Device::Cpu).expect("it is a module still");
    let IValue::Tensor(again) = frozen.forward_is(&[IValue::Tensor(picture)]).expect("it computes") else { panic!("a tensor went in") };
    let apart = (again - computed).abs().max().double_value(&[]);
    assert!(apart < 1e-5, "{apart}");
}

#[test]
fn what_is_no_module_is_an_error_in_words() {
    let (saved, ..) = module();
    for bytes in [&b""[..], b"PK\x03\x04 and no more", &saved[..saved.len() / 2]] {
        let error = freeze(bytes).expect_err("no module");
        assert!(!error.is_empty());
    }
}
