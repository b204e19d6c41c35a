//! TorchScript: a module that brings its own code. It does whatever its author wrote, so it comes from the operator only.

use std::path::Path;

use tch::{CModule, Device, IValue, Kind, TchError, Tensor};

use super::{boxes, freeze::freeze, reason, rows};
use crate::vision::{
    backend::Output,
    registry::{BoxFormat, ModelInfo, Place},
};

/// A loaded module.
pub struct Script {
    module: CModule,
    /// Whether its code can read pictures in channels-last order, which most devices compute faster.
    channels_last: bool,
    /// How boxes are read; none for a module that gives a row of numbers.
    format: Option<BoxFormat>,
    classes: usize,
    /// Numbers in the file, by its size: a frozen module tells nobody.
    parameters: u64,
}

impl Script {
    /// Loads a file of `torch.jit.save`.
    pub fn load(info: &ModelInfo, device: Device, kind: Kind) -> Result<Self, String> {
        let path = &info.weights;
        let saved = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
        let frozen = if kind == Kind::Float { freeze(&saved).ok() } else { None };
        let mut bytes = frozen.as_deref().unwrap_or(&saved);
        let mut module = CModule::load_data_on_device(&mut bytes, device).map_err(|error| explain(path, &error))?;
        if frozen.is_none() {
            module.f_set_eval().map_err(|error| explain(path, &error))?;
        }
        if kind != Kind::Float {
            // Not of a frozen module, whose numbers are constants. libtorch converts tables of indices too; a module that has
            // some fails its trial and stays in float32.
            module.to(device, kind, false);
        }
        let parameters = saved.len() as u64 / 4;
        let mut script = Self { module, channels_last: true, format: info.output.clone(), classes: info.classes.len(), parameters };
        script.channels_last = script.reads_channels_last(info, device, kind);
        Ok(script)
    }

    pub fn parameters(&self) -> u64 {
        self.parameters
    }

    /// `view` in a module's code fails on maps in channels-last order.
    fn reads_channels_last(&self, info: &ModelInfo, device: Device, kind: Kind) -> bool {
        let side = info.input.resize.square() as i64;
        let picture = Tensor::zeros([1, side, side, 3], (kind, device)).permute([0, 3, 1, 2]);
        tch::no_grad(|| self.module.forward_is(&[IValue::Tensor(picture)]).is_ok())
    }

    /// `[n, 3, h, w]` to what it finds on each picture.
    pub fn forward(&self, x: &Tensor) -> Result<Vec<Output>, TchError> {
        let size = (x.size()[3] as f32, x.size()[2] as f32);
        let x = if self.channels_last { x.shallow_clone() } else { x.f_contiguous()? };
        let pictures = x.size()[0];
        let returned = self.module.forward_is(&[IValue::Tensor(x)])?;
        match &self.format {
            Some(format) => boxes::read(&returned, format, self.classes, size),
            None => {
                let row = take(&returned, &Place::Index(0))?;
                if row.size().first() != Some(&pictures) {
                    return Err(TchError::Shape(format!(
                        "{:?} for {pictures} picture(s): the first side must be their number",
                        row.size()
                    )));
                }
                rows(&row)
            }
        }
    }
}

/// One of the tensors that a module returned; of a single one, that.
pub fn take(returned: &IValue, place: &Place) -> Result<Tensor, TchError> {
    let tensor = match (returned, place) {
        (IValue::Tensor(tensor), Place::Index(0)) => Some(tensor),
        (IValue::TensorList(tensors), Place::Index(index)) => tensors.get(*index),
        (IValue::Tuple(values) | IValue::GenericList(values), Place::Index(index)) => values.get(*index).and_then(tensor_of),
        (IValue::GenericDict(pairs), Place::Name(name)) => {
            pairs.iter().find(|(key, _)| matches!(key, IValue::String(key) if key == name)).and_then(|(_, value)| tensor_of(value))
        }
        _ => None,
    };
    tensor
        .map(Tensor::shallow_clone)
        .ok_or_else(|| TchError::Convert(format!("the module returns {}, and no tensor at {place:?}", shape_of(returned))))
}

fn tensor_of(value: &IValue) -> Option<&Tensor> {
    if let IValue::Tensor(tensor) = value { Some(tensor) } else { None }
}

/// What a module returned, in words.
fn shape_of(returned: &IValue) -> String {
    let list = |values: &[IValue]| values.iter().map(shape_of).collect::<Vec<_>>().join(", ");
    match returned {
        IValue::Tensor(tensor) => format!("a tensor {:?}", tensor.size()),
        IValue::TensorList(tensors) => format!("a list of {} tensors", tensors.len()),
        IValue::Tuple(values) => format!("a tuple of ({})", list(values)),
        IValue::GenericList(values) => format!("a list of ({})", list(values)),
        IValue::GenericDict(pairs) => {
            let pair = |(key, value): &(IValue, IValue)| match key {
                IValue::String(key) => format!("{key:?}: {}", shape_of(value)),
                _ => shape_of(value),
            };
            format!("a dictionary of {{{}}}", pairs.iter().map(pair).collect::<Vec<_>>().join(", "))
        }
        _ => "something that is no tensor".into(),
    }
}

fn explain(path: &Path, error: &TchError) -> String {
    let text = error.to_string();
    let why = if text.contains("torchvision::") {
        "calls an operator of torchvision, which libtorch does not have: export the detector without its last step, as raw boxes and \
         scores; merging boxes is done here"
            .into()
    } else if text.contains("Unknown builtin op") || text.contains("Unknown type name") {
        format!("uses what libtorch 2.11 does not have: {}", reason(&text))
    } else {
        format!("not a TorchScript file (torch.jit.save): {}", reason(&text))
    };
    format!("{}: {why}", path.display())
}
