//! libtorch: the network, its weights, its device. This folder and `train/` are the only code that names tch.

pub mod device;
pub mod load;
pub mod network;

use tch::{Device, Kind, Tensor};

use super::backend::{Backend, Frame, Maps, Output};
use network::{Elements, Precision, STRIDE};

/// The `elements` network on a device.
#[derive(Debug)]
pub struct Torch {
    network: Elements,
    device: Device,
    /// Threads of one forward pass on a CPU.
    threads: i32,
}

impl Torch {
    /// Wraps a loaded and folded network.
    #[must_use]
    pub fn new(network: Elements, device: Device, threads: usize) -> Self {
        Self { network, device, threads: i32::try_from(threads.max(1)).unwrap_or(1) }
    }
}

impl Backend for Torch {
    fn run(&mut self, batch: &[Frame]) -> Result<Vec<Output>, String> {
        // The count of threads belongs to the thread that asks, and this is the first call on the device thread.
        if tch::get_num_threads() != self.threads {
            tch::set_num_threads(self.threads);
        }
        let _no_grad = tch::no_grad_guard();
        self.forward(batch).map_err(|error| error.to_string())
    }
}

impl Torch {
    fn forward(&self, batch: &[Frame]) -> Result<Vec<Output>, tch::TchError> {
        let Some(first) = batch.first() else { return Ok(Vec::new()) };
        let shape = [first.height as i64, first.width as i64, 3];
        let frames: Result<Vec<Tensor>, _> = batch.iter().map(|frame| Tensor::f_from_data_size(&frame.rgb, &shape, Kind::Uint8)).collect();
        // [n, h, w, 3] permuted is channels-last: the strides carry it through the network.
        let pictures = Tensor::f_stack(&frames?, 0)?.f_to_device(self.device)?.f_permute([0, 3, 1, 2])?;
        let maps = self.network.forward(&(pictures.f_to_kind(Kind::Float)? / 255.), false, Precision::Full);
        let scores = flat(&maps.class.sigmoid())?;
        let sides = flat(&((maps.sides.clamp(-4., 6.).exp() - 1.) * STRIDE as f64))?;
        let mask = flat(&maps.mask.sigmoid())?;
        let (columns, rows) = (first.width / STRIDE, first.height / STRIDE);
        let part = |all: &[f32], i: usize| {
            let each = all.len() / batch.len();
            all[i * each..(i + 1) * each].to_vec()
        };
        let of = |i| Output::Maps(Maps { columns, rows, scores: part(&scores, i), sides: part(&sides, i), mask: part(&mask, i) });
        Ok((0..batch.len()).map(of).collect())
    }
}

fn flat(map: &Tensor) -> Result<Vec<f32>, tch::TchError> {
    Vec::try_from(map.to_device(Device::Cpu).contiguous().f_flatten(0, -1)?)
}
