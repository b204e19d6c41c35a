//! libtorch: networks, their weights, their device. This folder and `train/` are the only code that names tch.

pub mod architectures;
mod boxes;
pub mod device;
pub mod freeze;
mod layers;
mod load;
pub mod network;
mod script;
pub mod second;
pub mod trial;
mod weights;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tch::{Device, Kind, TchError, Tensor};

use super::{
    backend::{Backend, Frame, Maps, Output},
    batcher::words_of,
    preprocess::Input,
    registry::{ModelInfo, Precision},
};
use layers::Layer;
use network::{Elements, STRIDE};
use script::Script;

/// What computes.
enum Network {
    /// The built-in detector.
    Elements(Box<Elements>),
    /// `[n, 3, h, w]` to `[n, numbers]`.
    Row(Layer),
    /// An operator's own code.
    Script(Script),
}

/// What the threads of a device compute with together: its weights are there once.
struct Shared(Network);

#[expect(unsafe_code, reason = "tch says of no tensor that threads may share it")]
// SAFETY: threads share what is loaded, and nothing writes to it then: forward passes only read weights (statistics of
// normalisations are at rest or folded away), and libtorch counts references to a tensor atomically. TorchScript, whose
// code may write to its own buffers, is never shared: see `replicate`.
unsafe impl Sync for Shared {}

/// A network on a device.
pub struct Torch {
    network: Arc<Shared>,
    device: Device,
    /// Float, or `BFloat16` for convolutions and products.
    kind: Kind,
    /// Threads of one forward pass on a CPU.
    threads: i32,
    input: Input,
    parameters: u64,
}

impl Torch {
    /// Loads a model, chooses its precision, and tries it on pictures of noise.
    ///
    /// # Errors
    /// Everything that is wrong with its weights or with what it computes, one sentence each.
    pub fn load(info: &ModelInfo, device: Device, threads: usize) -> Result<Self, Vec<String>> {
        let load = |precision| Self::load_in(info, device, threads, precision);
        match info.precision {
            Some(Precision::Auto) if device::has_bfloat16(device) => {
                let (mut exact, Ok(mut fast)) = (load(Precision::Float32)?, load(Precision::BFloat16)) else {
                    return load(Precision::Float32);
                };
                let time = |torch: &mut Self| trial::time(torch, info, info.limits.batch, 2).map_err(|problem| vec![problem]);
                if time(&mut fast)? < time(&mut exact)? { Ok(fast) } else { Ok(exact) }
            }
            Some(Precision::BFloat16) => load(Precision::BFloat16),
            None if device.is_cuda() => load(Precision::BFloat16).or_else(|_| load(Precision::Float32)),
            Some(Precision::Auto | Precision::Float32) | None => load(Precision::Float32),
        }
    }

    /// The same in a given precision; `Auto` means float32.
    ///
    /// # Errors
    /// As [`Torch::load`].
    pub fn load_in(info: &ModelInfo, device: Device, threads: usize, precision: Precision) -> Result<Self, Vec<String>> {
        let kind = if precision == Precision::BFloat16 { Kind::BFloat16 } else { Kind::Float };
        let threads = i32::try_from(threads.max(1)).unwrap_or(1);
        let try_it = || {
            let load::Loaded { network, parameters } = load::network(info, device, kind)?;
            let mut torch = Self { network: Arc::new(Shared(network)), device, kind, threads, input: info.input, parameters };
            trial::check(&mut torch, info).map_err(|problem| vec![problem])?;
            Ok(torch)
        };
        // Most of tch panics where libtorch throws.
        catch_unwind(AssertUnwindSafe(try_it)).unwrap_or_else(|panic| Err(vec![reason(&words_of(&*panic))]))
    }

    /// In what it computes.
    #[must_use]
    pub fn precision(&self) -> Precision {
        if self.kind == Kind::BFloat16 { Precision::BFloat16 } else { Precision::Float32 }
    }

    /// How many numbers it has learnt.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    fn forward(&mut self, batch: &[Frame]) -> Result<Vec<Output>, TchError> {
        // The count of threads belongs to the thread that asks.
        if tch::get_num_threads() != self.threads {
            tch::set_num_threads(self.threads);
        }
        let _no_grad = tch::no_grad_guard();
        let Some(first) = batch.first() else { return Ok(Vec::new()) };
        let x = self.pictures(batch, first)?;
        match &self.network.0 {
            Network::Elements(network) => maps(network, &x, first, self.kind),
            Network::Row(network) => rows(&network(&x.f_to_kind(self.kind)?)),
            Network::Script(script) => script.forward(&x.f_to_kind(self.kind)?),
        }
    }

    /// `[n, 3, h, w]` on the device, as the network wants its values, in channels-last order.
    fn pictures(&self, batch: &[Frame], first: &Frame) -> Result<Tensor, TchError> {
        let (h, w) = (first.height as i64, first.width as i64);
        let frames: Result<Vec<Tensor>, _> =
            batch.iter().map(|frame| Tensor::f_from_data_size(&frame.rgb, &[h, w * 3], Kind::Uint8)).collect();
        let mut x = Tensor::f_stack(&frames?, 0)?;
        if self.device.is_cuda() {
            // Out of page-locked memory the copy does not wait; libtorch keeps such memory for the next batch.
            x = x.f_pin_memory(self.device)?.f_internal_to_copy((Kind::Uint8, self.device), true)?;
        }
        let mut x = x.f_to_kind(Kind::Float)?;
        if self.input.mean == [0.; 3] && self.input.std == [1.; 3] {
            x = x.f_div_scalar_(255.)?;
        } else {
            // One row of factors as long as a row of the picture: three at a time would take ten times as long.
            let row = |value: fn(f32, f32) -> f32| {
                let three = [0, 1, 2].map(|i| value(self.input.mean[i], self.input.std[i]));
                Tensor::from_slice(&three).f_repeat([w])?.f_to_device(self.device)
            };
            x = row(|mean, std| -mean / std)?.f_addcmul(&x, &row(|_, std| 1. / (255. * std))?)?;
        }
        x.f_view([-1, h, w, 3])?.f_permute([0, 3, 1, 2])
    }
}

impl Backend for Torch {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        let outcome = catch_unwind(AssertUnwindSafe(|| self.forward(batch).map_err(|error| reason(&error.to_string()))));
        outcome.unwrap_or_else(|panic| Err(reason(&words_of(&*panic))))
    }

    fn bytes(&self) -> u64 {
        self.parameters * if self.kind == Kind::BFloat16 { 2 } else { 4 }
    }

    fn replicate(&self) -> Option<Box<dyn Backend>> {
        let own_code = matches!(self.network.0, Network::Script(_));
        (!own_code).then(|| Box::new(Self { network: self.network.clone(), ..*self }) as Box<dyn Backend>)
    }
}

/// What went wrong, in the one line that says it: libtorch's messages carry the C++ stack, TorchScript's the whole program.
fn reason(message: &str) -> String {
    let message = message.replace("\\n", "\n");
    let lines = || message.lines().take_while(|line| !line.starts_with("Exception raised from")).map(str::trim);
    let error = lines().filter(|line| line.contains("Error: ") && !line.starts_with("called `Result")).last();
    let line = error.or_else(|| lines().find(|line| !line.is_empty())).unwrap_or("libtorch failed without a word");
    let start = line.find("RuntimeError: ").map_or(0, |at| at + "RuntimeError: ".len());
    line[start..].trim_start_matches("Internal torch error: ").chars().take(400).collect()
}

fn maps(network: &Elements, x: &Tensor, first: &Frame, kind: Kind) -> Result<Vec<Output>, TchError> {
    let maps = network.forward(x, false, kind.into());
    let scores = split(&maps.class.f_sigmoid()?)?;
    let sides = split(&second::distances(&maps.sides))?;
    let mask = split(&maps.mask.f_sigmoid()?)?;
    let (columns, rows) = (first.width / STRIDE, first.height / STRIDE);
    let of = |((scores, sides), mask)| Output::Maps(Maps { columns, rows, scores, sides, mask });
    Ok(scores.into_iter().zip(sides).zip(mask).map(of).collect())
}

/// The numbers of each picture.
fn rows(output: &Tensor) -> Result<Vec<Output>, TchError> {
    Ok(split(output)?.into_iter().map(Output::Row).collect())
}

/// The first dimension apart, the others in a row, as float32 in memory.
fn split(output: &Tensor) -> Result<Vec<Vec<f32>>, TchError> {
    let n = output.size().first().copied().unwrap_or(0);
    let flat = output.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([n, -1])?;
    (0..n).map(|i| Vec::try_from(flat.f_get(i)?)).collect()
}
