//! A file of weights that is asked for one tensor after the other, each with the shape it must have. Everything that is
//! wrong is collected; tch's own loading checks no shapes: a `[1]` tensor is spread over a `[4]` parameter without a word.

use std::{cell::RefCell, collections::BTreeSet};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use tch::{Device, Kind, Tensor};

/// A safetensors file on its way into a network.
#[derive(Debug)]
pub struct Weights<'f> {
    file: SafeTensors<'f>,
    device: Device,
    kind: Kind,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<String>,
    problems: Vec<String>,
    parameters: u64,
}

impl<'f> Weights<'f> {
    /// Reads the header. What a network takes out is placed on `device` as `kind`.
    ///
    /// # Errors
    /// When the bytes are no safetensors file.
    pub fn read(bytes: &'f [u8], device: Device, kind: Kind) -> Result<Self, String> {
        let hint = if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x80") {
            " (it looks like a file of torch.save: docs/models.md shows how to convert it)"
        } else {
            ""
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| format!("not a safetensors file: {e}{hint}"))?;
        Ok(Self { file, device, kind, state: RefCell::default() })
    }

    /// The tensor of that name as float32 on the CPU. A tensor that is missing or wrong is noted, and zeros of the shape
    /// take its place so that the rest can be looked at.
    pub fn tensor(&self, name: &str, shape: &[i64]) -> Tensor {
        let mut state = self.state.borrow_mut();
        state.known.insert(name.to_owned());
        if !name.contains(".running_") {
            state.parameters += shape.iter().product::<i64>().unsigned_abs();
        }
        self.checked(name, shape).unwrap_or_else(|problem| {
            state.problems.push(format!("{name}: {problem}"));
            Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand(shape, false)
        })
    }

    fn checked(&self, name: &str, shape: &[i64]) -> Result<Tensor, String> {
        let view = self.file.tensor(name).map_err(|_| format!("missing, expected shape {shape:?}"))?;
        let found = shape_of(&view);
        if found != shape {
            return Err(format!("shape {found:?}, expected {shape:?}"));
        }
        let kind = kind_of(view.dtype()).ok_or_else(|| format!("type {:?}, expected F32, F16 or BF16", view.dtype()))?;
        let tensor = Tensor::f_from_data_size(view.data(), shape, kind).map_err(|e| e.to_string())?.to_kind(Kind::Float);
        if tensor.isfinite().all().int64_value(&[]) == 0 {
            return Err("holds values that are not finite".into());
        }
        Ok(tensor)
    }

    /// Where the network computes, in its precision; weights of convolutions in channels-last order.
    pub fn place(&self, tensor: &Tensor) -> Tensor {
        if !self.state.borrow().problems.is_empty() {
            // This network will not be used: its zeros need no memory.
            return tensor.shallow_clone();
        }
        let placed = tensor.to_device(self.device).to_kind(self.kind);
        if placed.dim() == 4 { placed.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]) } else { placed.contiguous() }
    }

    /// Notes a wrong number of classes, which says more than two shapes would. True where it is right, or cannot be told.
    #[must_use]
    pub fn has_classes(&self, name: &str, classes: i64) -> bool {
        let found = self.file.tensor(&format!("{name}.weight")).ok().and_then(|view| shape_of(&view).first().copied());
        match found {
            Some(found) if found != classes => {
                self.ignore(&format!("{name}."));
                let problem = format!("{name}: the file tells {found} classes apart, model.toml names {classes}");
                self.state.borrow_mut().problems.push(problem);
                false
            }
            _ => true,
        }
    }

    /// Lets tensors whose names begin so be in the file without a use.
    pub fn ignore(&self, prefix: &str) {
        let names = self.file.names().into_iter().filter(|name| name.starts_with(prefix)).map(ToOwned::to_owned);
        self.state.borrow_mut().known.extend(names);
    }

    /// How many learnt numbers were asked for; statistics are not learnt.
    #[must_use]
    pub fn parameters(&self) -> u64 {
        self.state.borrow().parameters
    }

    /// Everything that is wrong, one sentence each, tensors that nobody asked for included.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let state = self.state.borrow();
        let unused = self.file.names().into_iter().filter(|name| !state.known.contains(*name) && !name.ends_with("num_batches_tracked"));
        let unused = unused.map(|name| format!("{name}: the network has no such parameter"));
        let mut problems: Vec<String> = state.problems.iter().cloned().chain(unused).collect();
        problems.sort();
        problems
    }
}

fn shape_of(view: &TensorView<'_>) -> Vec<i64> {
    // A side that no i64 holds is no side that a network expects.
    view.shape().iter().map(|&side| i64::try_from(side).unwrap_or(i64::MAX)).collect()
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        _ => None,
    }
}
