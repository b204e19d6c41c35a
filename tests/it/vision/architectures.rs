//! The networks without any reference at hand: that each asks for the numbers that torchvision's has, and that small ones
//! compute, alone and together, with and without their last layer. `parity` compares the numbers.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use lensmeter::vision::{
    backend::{Backend as _, Output},
    registry::{self, TORCHVISION},
    torch::{Torch, trial},
};
use tch::{Device, Kind, Tensor};

/// Learnt numbers of each network with 1000 classes, as torchvision states them.
const PARAMETERS: [(&str, u64); 40] = [
    ("alexnet", 61_100_840),
    ("convnext_tiny", 28_589_128),
    ("convnext_small", 50_223_688),
    ("convnext_base", 88_591_464),
    ("convnext_large", 197_767_336),
    ("densenet121", 7_978_856),
    ("densenet161", 28_681_000),
    ("densenet169", 14_149_480),
    ("densenet201", 20_013_928),
    ("efficientnet_b0", 5_288_548),
    ("efficientnet_b1", 7_794_184),
    ("efficientnet_b2", 9_109_994),
    ("efficientnet_b3", 12_233_232),
    ("efficientnet_b4", 19_341_616),
    ("efficientnet_b5", 30_389_784),
    ("efficientnet_b6", 43_040_704),
    ("efficientnet_b7", 66_347_960),
    ("inception_v3", 27_161_264),
    ("mobilenet_v2", 3_504_872),
    ("mobilenet_v3_small", 2_542_856),
    ("mobilenet_v3_large", 5_483_032),
    ("resnet18", 11_689_512),
    ("resnet34", 21_797_672),
    ("resnet50", 25_557_032),
    ("resnet101", 44_549_160),
    ("resnet152", 60_192_808),
    ("squeezenet1_0", 1_248_424),
    ("squeezenet1_1", 1_235_496),
    ("vgg11", 132_863_336),
    ("vgg13", 133_047_848),
    ("vgg16", 138_357_544),
    ("vgg19", 143_667_240),
    ("vgg11_bn", 132_868_840),
    ("vgg13_bn", 133_053_736),
    ("vgg16_bn", 138_365_992),
    ("vgg19_bn", 143_678_248),
    ("vit_b_16", 86_567_656),
    ("vit_b_32", 88_224_232),
    ("vit_l_16", 304_326_632),
    ("vit_l_32", 306_535_400),
];

/// A model folder with weights of our own making, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, task: &str, classes: usize, side: usize, tensors: &[(String, Tensor)]) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("lensmeter-architectures-{name}-{number}-{}", std::process::id()));
        fs::create_dir_all(folder.join("1")).expect("the temporary folder is writable");
        let classes: Vec<String> = (0..classes).map(|i| format!("\"c{i}\"")).collect();
        let manifest = format!(
            "task = \"{task}\"\narchitecture = \"{name}\"\nweights = \"w.safetensors\"\ndescription = \"d\"\nclasses = [{}]\n\
             [input]\nresize = \"stretch\"\nside = {side}\nmean = [0.5, 0.5, 0.5]\nstd = [0.2, 0.2, 0.2]\n[limits]\nbatch = 2\n",
            classes.join(",")
        );
        fs::write(folder.join("1/model.toml"), manifest).expect("writable");
        // tch writes no file without tensors.
        let empty = [("num_batches_tracked".to_owned(), Tensor::from(0i64))];
        let tensors = if tensors.is_empty() { &empty } else { tensors };
        Tensor::write_safetensors(tensors, folder.join("1/w.safetensors")).expect("writable");
        Self(folder)
    }

    fn load(&self) -> Result<Torch, Vec<String>> {
        Torch::load(&registry::read(&self.0.join("1/model.toml")).expect("the manifest is right"), Device::Cpu, 1)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Names and shapes that a network asks for, from what it misses in an empty file.
fn wanted(name: &str, classes: usize, side: usize) -> BTreeMap<String, Vec<i64>> {
    let folder = Folder::new(name, "classify", classes, side, &[]);
    let missing = |problem: &String| {
        let (name, shape) = problem.split_once(": missing, expected shape [").expect("nothing else is wrong");
        let sides = shape.trim_end_matches(']').split(", ").map(|side| side.parse().expect("a number")).collect();
        (name.to_owned(), sides)
    };
    folder.load().err().expect("an empty file is no network").iter().map(missing).collect()
}

#[test]
fn every_architecture_has_as_many_parameters_as_torchvision_states() {
    assert_eq!(PARAMETERS.map(|(name, _)| name), TORCHVISION);
    for (name, stated) in PARAMETERS {
        let learnt = wanted(name, 1000, 224).into_iter().filter(|(name, _)| !name.contains("running_"));
        let count: i64 = learnt.map(|(_, shape)| shape.iter().product::<i64>()).sum();
        // torchvision counts the auxiliary classifier of Inception, which does not serve.
        let auxiliary = if name == "inception_v3" { 3_326_696 } else { 0 };
        assert_eq!(count.unsigned_abs() + auxiliary, stated, "{name}");
    }
}

fn random(wanted: &BTreeMap<String, Vec<i64>>) -> Vec<(String, Tensor)> {
    let one = |(name, shape): (&String, &Vec<i64>)| {
        let fan = shape.iter().skip(1).product::<i64>().max(1) as f64;
        let tensor = Tensor::randn(shape, (Kind::Float, Device::Cpu)) * (1.5 / fan).sqrt();
        (name.clone(), if name.ends_with("running_var") { tensor.abs() + 0.5 } else { tensor })
    };
    wanted.iter().map(one).collect()
}

#[test]
fn small_networks_compute_logits_and_features() {
    tch::manual_seed(1);
    for (name, side, features) in [
        ("resnet18", 64, 512),
        ("squeezenet1_1", 64, 512),
        ("mobilenet_v2", 64, 1280),
        ("mobilenet_v3_small", 64, 1024),
        ("efficientnet_b0", 64, 1280),
        ("densenet121", 64, 1024),
        ("inception_v3", 96, 2048),
        ("convnext_tiny", 64, 768),
    ] {
        let tensors = random(&wanted(name, 7, side));
        for (task, classes, width) in [("classify", 7, 7), ("embed", 0, features)] {
            let folder = Folder::new(name, task, classes, side, &tensors);
            let mut torch = folder.load().unwrap_or_else(|problems| panic!("{name}: {}", problems.join("; ")));
            let info = registry::read(&folder.0.join("1/model.toml")).expect("it was read before");
            let rows: Vec<Vec<f32>> = torch.run(&trial::frames(&info, 2)).expect("it computes").into_iter().map(row).collect();
            assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [width, width], "{name} {task}");
            assert_ne!(rows[0], rows[1], "{name}: two pictures, two answers");
            let alone = row(torch.run(&trial::frames(&info, 1)).expect("it computes").remove(0));
            let most = alone.iter().fold(0f32, |most, number| most.max(number.abs()));
            let apart = alone.iter().zip(&rows[0]).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(apart <= most * 1e-4, "{name}: alone and in a batch differ by {apart} of {most}");
        }
    }
}

fn row(output: Output) -> Vec<f32> {
    if let Output::Row(row) = output { row } else { panic!("no row of numbers") }
}

#[test]
fn half_precision_files_load_and_other_types_do_not() {
    let wanted = wanted("resnet18", 3, 64);
    let tensors = random(&wanted);
    let as_kind = |kind: Kind| tensors.iter().map(|(name, tensor)| (name.clone(), tensor.to_kind(kind))).collect::<Vec<_>>();
    for kind in [Kind::Half, Kind::BFloat16] {
        assert!(Folder::new("resnet18", "classify", 3, 64, &as_kind(kind)).load().is_ok(), "{kind:?}");
    }
    let problems = Folder::new("resnet18", "classify", 3, 64, &as_kind(Kind::Double)).load().err().expect("no such type");
    assert_eq!(problems.len(), wanted.len());
    assert!(problems[0].contains("type F64, expected F32, F16 or BF16"), "{}", problems[0]);
}

#[test]
fn what_is_wrong_with_weights_is_listed_whole() {
    let mut tensors = random(&wanted("resnet18", 3, 64));
    for (name, tensor) in &mut tensors {
        match name.as_str() {
            "conv1.weight" => *tensor = Tensor::zeros([1], (Kind::Float, Device::Cpu)),
            "layer2.0.bn1.bias" => *tensor = &*tensor * f64::NAN,
            "layer4.1.conv2.weight" => *tensor = tensor.to_kind(Kind::Int64),
            _ => {}
        }
    }
    tensors.retain(|(name, _)| name != "bn1.weight");
    tensors.push(("head.weight".into(), Tensor::from_slice(&[1f32])));
    let problems = Folder::new("resnet18", "classify", 3, 64, &tensors).load().err().expect("five things are wrong").join("\n");
    for part in [
        "bn1.weight: missing, expected shape [64]",
        "conv1.weight: shape [1], expected [64, 3, 7, 7]",
        "head.weight: the network has no such parameter",
        "layer2.0.bn1.bias: holds values that are not finite",
        "layer4.1.conv2.weight: type I64, expected F32, F16 or BF16",
    ] {
        assert!(problems.contains(part), "{part:?} is not in {problems:?}");
    }
    assert_eq!(problems.lines().count(), 5, "{problems}");
    let tensors = random(&wanted("resnet18", 3, 64));
    let problems = Folder::new("resnet18", "classify", 5, 64, &tensors).load().err().expect("another number of classes");
    assert_eq!(problems, ["fc: the file tells 3 classes apart, model.toml names 5"]);
    let mut negative = tensors;
    for (name, tensor) in &mut negative {
        if name == "bn1.running_var" {
            *tensor = Tensor::full([64], -1., (Kind::Float, Device::Cpu));
        }
    }
    let problems = Folder::new("resnet18", "classify", 3, 64, &negative).load().err().expect("roots of negative numbers").join("\n");
    assert!(problems.contains("the network gives numbers that are not finite"), "{problems}");
}

#[test]
fn files_that_are_none_are_named() {
    let folder = Folder::new("resnet18", "classify", 3, 64, &[]);
    let weights = folder.0.join("1/w.safetensors");
    let problem = |bytes: &[u8]| {
        fs::write(&weights, bytes).expect("writable");
        folder.load().err().expect("no network").join("\n")
    };
    assert!(problem(b"").contains("not a safetensors file"));
    assert!(problem(b"PK\x03\x04 and so on").contains("torch.save"));
    // A header longer than the file, and one that points behind its end.
    assert!(problem(&u64::MAX.to_le_bytes()).contains("not a safetensors file"));
    let header = br#"{"conv1.weight":{"dtype":"F32","shape":[64,3,7,7],"data_offsets":[0,37632]}}"#;
    let mut lying = (header.len() as u64).to_le_bytes().to_vec();
    lying.extend_from_slice(header);
    assert!(problem(&lying).contains("not a safetensors file"));
    fs::remove_file(&weights).expect("it is there");
    assert!(folder.load().err().expect("no file").join("\n").contains("w.safetensors: No such file"));
    script_that_is_none(&folder.0);
}

fn script_that_is_none(folder: &Path) {
    let manifest = fs::read_to_string(folder.join("1/model.toml")).expect("it is there").replace("\"resnet18\"", "\"torchscript\"");
    fs::write(folder.join("1/model.toml"), manifest).expect("writable");
    fs::write(folder.join("1/w.safetensors"), b"no archive").expect("writable");
    let info = registry::read(&folder.join("1/model.toml")).expect("the manifest is right");
    let problems = Torch::load(&info, Device::Cpu, 1).err().expect("no module").join("\n");
    assert!(problems.contains("not a TorchScript file (torch.jit.save)") && problems.len() < 700, "{problems}");
}
