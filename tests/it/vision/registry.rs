//! model.toml files that are wrong: each problem is told, and all of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use lensmeter::vision::{
    OpenError, Task,
    preprocess::{Interpolation, Resize},
    registry::{self, Activation, Architecture, BoxFormat, Corners, Layout, Place, Precision, Units},
    torch::{Torch, device},
};
use tch::{Device, Kind, Tensor};

type Tensors = Vec<(String, Tensor)>;

/// A folder of one model, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("lensmeter-models-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("net/1")).expect("the temporary folder is writable");
        Self(folder)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.join("net/1").join(file)
    }

    fn read(&self, manifest: &str) -> Result<registry::ModelInfo, Vec<String>> {
        fs::write(self.path("model.toml"), manifest).expect("writable");
        registry::read(&self.path("model.toml")).map_err(|error| match error {
            OpenError::Manifest { problems, .. } => problems,
            other => panic!("another error: {other}"),
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const CLASSIFIER: &str = r#"
task = "classify"
architecture = "resnet50"
weights = "weights.safetensors"
classes = "classes.txt"
description = "Cats and dogs."
license = "CC-BY-4.0"
precision = "auto"

[input]
resize = "crop"
shorter = 256
side = 224
mean = [0.485, 0.456, 0.406]
std = [0.229, 0.224, 0.225]
interpolation = "bicubic"

[limits]
batch = 4

[price]
hint = "0.001 EUR a picture"
"#;

#[test]
fn a_whole_manifest_is_read() {
    let folder = Folder::new("whole");
    fs::write(folder.path("classes.txt"), "cat\n\n  dog \n").expect("writable");
    let info = folder.read(CLASSIFIER).expect("nothing is wrong");
    assert_eq!((info.name.as_str(), info.version.as_str(), info.task), ("net", "1", Task::Classify));
    assert_eq!((info.architecture, info.classes), (Architecture::Torchvision("resnet50"), vec!["cat".to_owned(), "dog".to_owned()]));
    assert_eq!((info.input.resize, info.input.interpolation), (Resize::Crop { shorter: 256, side: 224 }, Interpolation::Bicubic));
    assert_eq!((info.limits.batch, info.limits.queue, info.precision), (4, 32, Some(Precision::Auto)));
    assert_eq!((info.license.as_deref(), info.price_hint.as_deref()), (Some("CC-BY-4.0"), Some("0.001 EUR a picture")));
    assert_eq!(info.weights, folder.path("weights.safetensors"));
}

#[test]
fn a_detector_says_how_its_boxes_are_read() {
    let folder = Folder::new("detector");
    let head = "task = \"detect\"\narchitecture = \"torchscript\"\nweights = \"m.pt\"\nclasses = [\"a\"]\ndescription = \"d\"\n\
                [input]\nresize = \"letterbox\"\nside = 640\nmean = [0,0,0]\nstd = [1,1,1]\n";
    assert!(folder.read(head).expect_err("no [output]").join("\n").starts_with("output: is missing"));
    let info = folder.read(&format!("{head}[output]\nlayout = \"yolo\"\n")).expect("nothing is wrong");
    let yolo =
        BoxFormat { layout: Layout::Yolo, corners: Corners::Cxcywh, units: Units::Pixels, activation: Activation::None, background: None };
    assert_eq!((info.output, info.input.padding), (Some(yolo), 114));
    let output =
        "[output]\nboxes = 0\nscores = \"conf\"\nformat = \"xywh\"\nunits = \"relative\"\nactivation = \"sigmoid\"\nbackground = 0\n";
    let format = folder.read(&format!("{head}{output}")).expect("nothing is wrong").output.expect("it is a detector");
    assert_eq!(format.layout, Layout::Scores { boxes: Place::Index(0), scores: Place::Name("conf".into()) });
    assert_eq!((format.corners, format.units, format.background), (Corners::Xywh, Units::Relative, Some(0)));
    let problems =
        folder.read(&format!("{head}[output]\nboxes = 0\nformat = \"corners\"\nnms = true\n")).expect_err("three things are wrong");
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems.iter().any(|problem| problem == "output.nms: no such key is known here"), "{problems:?}");
}

#[test]
fn every_problem_is_told() {
    let folder = Folder::new("problems");
    let problems = folder
        .read(
            "task = \"detect\"\narchitecture = \"resnet50\"\nweights = \"../../x\"\nclasses = [\"a\", \"a\"]\ntypo = 1\nprecision = \"int8\"\n\
             [input]\nresize = \"crop\"\nside = 224\nshorter = 100\nmean = [0.5, 0.5]\nstd = [1, 0, 1]\nshade = 2\n\
             [limits]\nbatch = 0\n[defaults]\niou = 1.5\n",
        )
        .expect_err("nearly everything is wrong");
    for part in [
        "weights: must name a file in the model's own folder",
        "classes: \"a\" is there twice",
        "description: is missing",
        "precision: \"int8\" is none of auto, float32, bfloat16",
        "input.shorter: must be at least side",
        "input.mean: ",
        "input.std: must be three numbers above 0",
        "input.shade: no such key is known here",
        "limits.batch: must be 1 to 1024",
        "defaults.iou: must lie between 0 and 1",
        "task: \"detect\" is not what architecture \"resnet50\" does",
        "typo: no such key is known here",
    ] {
        assert!(problems.iter().any(|problem| problem.starts_with(part)), "{part:?} is not in {problems:#?}");
    }
    assert_eq!(problems.len(), 12, "{problems:#?}");
    let unknown = folder.read("architecture = \"resnet19\"\n").expect_err("no such network").join("\n");
    assert!(unknown.contains("\"resnet19\" is not known; there are: elements, torchscript, alexnet"), "{unknown}");
    assert!(folder.read("task = ").expect_err("no TOML").join("\n").contains("TOML parse error"));
}

#[test]
fn no_way_leads_out_of_the_folder() {
    let folder = Folder::new("outside");
    for name in ["../x", "/etc/passwd", "a/../../x", "", "..", "./../x"] {
        for line in ["weights = \"weights.safetensors\"", "classes = \"classes.txt\""] {
            let key = line.split(' ').next().expect("a key");
            let problems = folder.read(&CLASSIFIER.replace(line, &format!("{key} = \"{name}\""))).expect_err("outside");
            let told = problems.iter().any(|problem| problem.starts_with(&format!("{key}: must name a file")));
            assert!(told, "{key} = {name:?}: {problems:?}");
        }
    }
}

#[test]
fn the_shipped_model_with_wrong_weights_is_told_apart() {
    let folder = Folder::new("weights");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/elements/1");
    fs::copy(shipped.join("model.toml"), folder.path("model.toml")).expect("the shipped model is there");
    let info = registry::read(&folder.path("model.toml")).expect("the shipped manifest is right");
    let write = |change: &dyn Fn(&mut Tensors)| {
        let mut tensors = Tensor::read_safetensors(shipped.join("weights.safetensors")).expect("the shipped weights");
        change(&mut tensors);
        Tensor::write_safetensors(&tensors, folder.path("weights.safetensors")).expect("writable");
        Torch::load(&info, Device::Cpu, 1).err().expect("the weights are wrong").join("\n")
    };
    let problems = write(&|tensors| {
        for (name, tensor) in tensors.iter_mut() {
            match name.as_str() {
                "stem.conv.weight" => *tensor = Tensor::zeros([1], (Kind::Half, Device::Cpu)),
                "reg.bias" => *tensor = tensor.to_kind(Kind::Int64),
                _ => {}
            }
        }
        tensors.retain(|(name, _)| name != "cls.bias");
        tensors.push(("extra.weight".into(), Tensor::from_slice(&[1f32])));
    });
    for part in [
        "stem.conv.weight: shape [1], expected [32, 3, 6, 6]",
        "reg.bias: type I64",
        "cls.bias: missing, expected shape",
        "extra.weight: the network has no such parameter",
    ] {
        assert!(problems.contains(part), "{part:?} is not in {problems:?}");
    }
    assert_eq!(problems.lines().count(), 4, "{problems}");
    let problems = write(&|tensors| {
        let bias = tensors.iter_mut().find(|(name, _)| name == "cls.bias").expect("it has one");
        bias.1 = &bias.1 * f64::NAN;
    });
    assert_eq!(problems, "cls.bias: holds values that are not finite");
}

#[test]
fn an_empty_folder_and_an_unknown_device_are_named() {
    let folder = Folder::new("empty");
    assert!(matches!(registry::manifests(&folder.0), Err(OpenError::Empty(_))));
    assert!(matches!(registry::manifests(&folder.0.join("none")), Err(OpenError::Folder(..))));
    let error = device::choose("tpu").expect_err("no such device");
    assert!(error.to_string().contains("\"tpu\" is none of auto, cpu, cuda:N"), "{error}");
}
