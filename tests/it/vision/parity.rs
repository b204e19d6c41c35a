//! Every claimed architecture against torchvision's own numbers, computed by torchvision. Runs where `python3` (or
//! `LENSMETER_PYTHON`) imports torch and torchvision, and says why it does not elsewhere.
//!
//! The measure is the greatest absolute difference of a number, as a share of the greatest absolute number.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use lensmeter::vision::{
    backend::{Backend as _, Frame, Output},
    decode::Picture,
    preprocess::{Input, Resize, prepare},
    registry,
    torch::Torch,
};
use tch::{Device, Kind, Tensor};

const MOST: f64 = 1e-4;

/// torchvision in another process.
struct Reference {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Reference {
    /// None, with the reason printed, where it cannot run.
    fn start(modules: &str) -> Option<Self> {
        let python = env::var("LENSMETER_PYTHON").unwrap_or_else(|_| "python3".into());
        let imports = Command::new(&python).args(["-c", &format!("import {modules}")]).stderr(Stdio::null()).status();
        if !imports.is_ok_and(|status| status.success()) {
            println!("skipped: {python} does not import {modules} (LENSMETER_PYTHON names another interpreter)");
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/reference.py");
        let mut process =
            Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it started just now");
        let questions = process.stdin.take().expect("its input is a pipe");
        let answers = BufReader::new(process.stdout.take().expect("its output is a pipe"));
        Some(Self { process, questions, answers })
    }

    fn write(&mut self, kind: &str, name: &str) -> Written {
        let folder = env::temp_dir().join(format!("lensmeter-parity-{kind}-{name}-{}", std::process::id()));
        writeln!(self.questions, "{kind} {name} {}", folder.display()).expect("the process reads");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the process answers");
        assert_eq!(answer.trim(), "ok", "{kind} {name}");
        Written(folder)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder that the reference wrote, removed at the end.
struct Written(PathBuf);

impl Written {
    fn expected(&self, name: &str) -> Tensor {
        let tensors = Tensor::read_safetensors(self.0.join("expected.safetensors")).expect("the reference wrote it");
        tensors.into_iter().find(|(found, _)| found == name).expect("the reference wrote that").1
    }

    fn frames(&self) -> Vec<Frame> {
        let rgb = self.expected("rgb");
        let (n, height, width) = (rgb.size()[0], rgb.size()[1] as usize, rgb.size()[2] as usize);
        let frame = |i| {
            let rgb: Vec<u8> = Vec::try_from(rgb.get(i).flatten(0, -1)).expect("bytes");
            Frame { width, height, rgb: rgb.into(), pixels: (width * height) as u64 }
        };
        (0..n).map(frame).collect()
    }

    fn load(&self, model: &str) -> Result<Torch, Vec<String>> {
        let info = registry::read(&self.0.join(model).join("1/model.toml")).expect("the reference writes what we read");
        Torch::load(&info, Device::Cpu, 1)
    }

    /// What a model of the folder gives for the pictures of the folder.
    fn run(&self, model: &str) -> Vec<Output> {
        let mut torch = self.load(model).expect("it loads");
        torch.run(&self.frames()).expect("it computes")
    }

    /// Greatest difference to what the reference computed, as it is and as a share of the greatest number.
    fn apart(&self, model: &str, expected: &str) -> (f64, f64) {
        let row = |output| if let Output::Row(row) = output { row } else { panic!("no row of numbers") };
        let ours: Vec<f32> = self.run(model).into_iter().flat_map(row).collect();
        let theirs: Vec<f32> = Vec::try_from(self.expected(expected).contiguous().flatten(0, -1)).expect("floats");
        assert_eq!(ours.len(), theirs.len());
        let most = theirs.iter().fold(0f64, |most, number| most.max(f64::from(number.abs())));
        let apart = ours.iter().zip(&theirs).fold(0f64, |most, (a, b)| most.max(f64::from((a - b).abs())));
        assert!(most.is_finite() && most > 0., "the reference gives numbers");
        (apart, apart / most)
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn compare(kind: &str, names: &[&str]) {
    let modules = if kind == "timm" { "torch, torchvision, timm" } else { "torch, torchvision" };
    let Some(mut reference) = Reference::start(modules) else { return };
    for name in names {
        let written = reference.write(kind, name);
        let (logits, share) = written.apart("classify", "logits");
        let embed = if kind == "torchscript" { 0. } else { written.apart("embed", "features").1 };
        println!("| {kind} | {name} | {logits:.1e} | {share:.1e} | {embed:.1e} |");
        assert!(share <= MOST && embed <= MOST, "{kind} {name}: logits differ by {share:e}, features by {embed:e}");
    }
}

#[test]
fn resnets() {
    compare("torchvision", &["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]);
}

#[test]
fn resnets_of_timm() {
    compare("timm", &["resnet18", "resnet50"]);
}

#[test]
fn plain_networks() {
    compare("torchvision", &["alexnet", "squeezenet1_0", "squeezenet1_1", "vgg11", "vgg13", "vgg16", "vgg19"]);
}

#[test]
fn plain_networks_with_normalisation() {
    compare("torchvision", &["vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "inception_v3"]);
}

#[test]
fn densenets() {
    compare("torchvision", &["densenet121", "densenet161", "densenet169", "densenet201"]);
}

#[test]
fn mobile_networks() {
    compare("torchvision", &["mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"]);
}

#[test]
fn small_efficientnets() {
    compare("torchvision", &["efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3"]);
}

#[test]
fn large_efficientnets() {
    compare("torchvision", &["efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7"]);
}

#[test]
fn convnexts() {
    compare("torchvision", &["convnext_tiny", "convnext_small", "convnext_base", "convnext_large"]);
}

#[test]
fn vision_transformers() {
    compare("torchvision", &["vit_b_16", "vit_b_32", "vit_l_16", "vit_l_32"]);
}

#[test]
fn torchscript() {
    compare("torchscript", &["resnet18", "mobilenet_v3_large", "efficientnet_b0", "shufflenet_v2_x1_0", "swin_t"]);
}

/// Boxes in shares, scores before the softmax, a background class; and code that reads maps in plain order only.
#[test]
fn detectors_of_torchscript() {
    let Some(mut reference) = Reference::start("torch, torchvision") else { return };
    for name in ["plain", "view"] {
        let written = reference.write("detector", name);
        let (boxes, scores, labels) = (written.expected("boxes"), written.expected("scores"), written.expected("labels"));
        for (i, output) in written.run("detect").into_iter().enumerate() {
            let Output::Boxes(found) = output else { panic!("no boxes") };
            assert!(found.len() > 10, "{} boxes", found.len());
            let of = |tensor: &Tensor| {
                Vec::<f64>::try_from(tensor.get(i as i64).to_kind(Kind::Double).contiguous().flatten(0, -1)).expect("floats")
            };
            let (boxes, scores, labels) = (of(&boxes), of(&scores), of(&labels));
            let sure: Vec<usize> = (0..scores.len()).filter(|&j| scores[j] >= 0.01).collect();
            assert_eq!(found.len(), sure.len());
            for (raw, j) in found.iter().zip(sure) {
                assert_eq!(raw.class, labels[j] as usize);
                assert!((f64::from(raw.score) - scores[j]).abs() < 1e-5);
                assert!((0..4).all(|side| (f64::from(raw.rect[side]) - boxes[j * 4 + side]).abs() < 1e-2), "{raw:?}");
            }
        }
    }
}

/// A module that loads and does not work is refused with its reason, and the process lives on.
#[test]
fn torchscript_that_does_not_work() {
    let Some(mut reference) = Reference::start("torch, torchvision") else { return };
    for (name, part) in [
        ("raises", "no picture of 64 pixels is welcome"),
        ("wrong", "the network gives 3 numbers for a picture, model.toml names 100 classes"),
        ("alone", "2 pictures together (limits.batch = 1 forbids that)"),
        ("nms", "calls an operator of torchvision"),
        ("infinite", "not finite"),
    ] {
        let written = reference.write("hostile", name);
        let problems = written.load("hostile").err().unwrap_or_else(|| panic!("{name} was taken")).join("\n");
        assert!(problems.contains(part) && problems.len() < 600, "{name}: {problems}");
    }
}

/// Scaling and cutting as Pillow and torchvision do it, to a rounding step of a byte.
#[test]
fn pictures_are_scaled_as_torchvision_scales() {
    let Some(mut reference) = Reference::start("torch, torchvision") else { return };
    for (width, height, shorter, side) in [(640, 480, 256, 224), (401, 299, 232, 224), (100, 333, 128, 96)] {
        let written = reference.write("resized", &format!("{width}x{height}x{shorter}x{side}"));
        let bytes = |name| -> Vec<u8> { Vec::try_from(written.expected(name).contiguous().flatten(0, -1)).expect("bytes") };
        let input = Input { resize: Resize::Crop { shorter, side }, ..Input::of_elements(1280) };
        let ours = prepare(&Picture::new(width, height, bytes("rgb")), &input).frame.rgb;
        let theirs = bytes("cropped");
        let apart = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).max();
        assert_eq!((ours.len(), theirs.len()), (side * side * 3, side * side * 3));
        assert!(apart.is_some_and(|apart| apart <= 1), "{width}x{height}: pixels differ by {apart:?}");
    }
}
