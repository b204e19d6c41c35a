//! AdamW and the running mean of the weights, written out because tch cannot save its optimiser and a run must resume.

use std::collections::BTreeMap;

use tch::{Kind, Tensor, nn::VarStore};

const BETAS: (f64, f64) = (0.9, 0.99);
const EPSILON: f64 = 1e-8;
const DECAY: f64 = 0.03;
const CLIP: f64 = 10.;
/// How the names of the second look's parameters begin.
const LOOK: &str = "look.";

/// State beside each trained parameter.
#[derive(Debug)]
struct Slot {
    value: Tensor,
    first: Tensor,
    second: Tensor,
    decays: bool,
}

/// The optimiser of one network.
#[derive(Debug)]
pub struct Optimizer {
    slots: BTreeMap<String, Slot>,
    /// Running mean of every variable, statistics of the normalisations included: what is exported.
    mean: BTreeMap<String, Tensor>,
    variables: BTreeMap<String, Tensor>,
    /// Steps done.
    pub step: u64,
    /// Only the second look is trained.
    settled: bool,
}

impl Optimizer {
    /// For all variables of `store`. Convolution weights decay; norms and biases do not.
    #[must_use]
    pub fn new(store: &VarStore) -> Self {
        let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
        let slot = |value: &Tensor| Slot {
            value: value.shallow_clone(),
            first: value.detach().zeros_like(),
            second: value.detach().zeros_like(),
            decays: value.dim() > 1,
        };
        let trained = variables.iter().filter(|(_, value)| value.requires_grad());
        let slots = trained.map(|(name, value)| (name.clone(), slot(value))).collect();
        let mean = variables.iter().map(|(name, value)| (name.clone(), value.detach().copy())).collect();
        Self { slots, mean, variables, step: 0, settled: false }
    }

    /// From here on only the second look is trained, on the averaged weights of all the rest, which are what is exported.
    pub fn settle(&mut self) {
        self.settled = true;
        tch::no_grad(|| {
            for (name, variable) in self.variables.iter_mut().filter(|(name, _)| !name.starts_with(LOOK)) {
                variable.copy_(&self.mean[name]);
            }
        });
    }

    /// One step down the gradient of `loss` at this learning rate; gives the norm of the gradient before clipping.
    pub fn step(&mut self, loss: &Tensor, rate: f64) -> f64 {
        for slot in self.slots.values_mut() {
            slot.value.zero_grad();
        }
        loss.backward();
        self.step += 1;
        tch::no_grad(|| {
            let settled = self.settled;
            let mut moved: Vec<&mut Slot> =
                self.slots.iter_mut().filter(|(name, _)| !settled || name.starts_with(LOOK)).map(|(_, slot)| slot).collect();
            let squares: Vec<Tensor> = moved.iter().map(|slot| slot.value.grad().square().sum(Kind::Float)).collect();
            let norm = Tensor::stack(&squares, 0).sum(Kind::Float).sqrt().double_value(&[]);
            if !norm.is_finite() {
                return norm;
            }
            let clip = (CLIP / (norm + 1e-6)).min(1.);
            let bias = (1. - BETAS.0.powf(self.step as f64), 1. - BETAS.1.powf(self.step as f64));
            for slot in &mut moved {
                let gradient = slot.value.grad() * clip;
                let _ = slot.first.g_mul_scalar_(BETAS.0).g_add_(&(&gradient * (1. - BETAS.0)));
                let _ = slot.second.g_mul_scalar_(BETAS.1).g_add_(&(gradient.square() * (1. - BETAS.1)));
                let move_by = &slot.first / bias.0 / ((&slot.second / bias.1).sqrt() + EPSILON) * rate;
                if slot.decays {
                    let _ = slot.value.g_mul_scalar_(1. - rate * DECAY);
                }
                let _ = slot.value.g_sub_(&move_by);
            }
            let keep = 0.998f64.min((1. + self.step as f64) / (10. + self.step as f64));
            for (name, mean) in &mut self.mean {
                let _ = mean.g_mul_scalar_(keep).g_add_(&(self.variables[name].detach() * (1. - keep)));
            }
            norm
        })
    }

    /// Everything needed to go on, under names that keep the parts apart.
    #[must_use]
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let plain = |t: &Tensor| t.detach().copy().contiguous();
        let mut state: Vec<(String, Tensor)> = self.variables.iter().map(|(name, value)| (format!("value/{name}"), plain(value))).collect();
        state.extend(self.mean.iter().map(|(name, mean)| (format!("mean/{name}"), plain(mean))));
        for (name, slot) in &self.slots {
            state.push((format!("first/{name}"), plain(&slot.first)));
            state.push((format!("second/{name}"), plain(&slot.second)));
        }
        state.push(("step".into(), Tensor::from_slice(&[self.step as i64])));
        state
    }

    /// Takes over what [`Self::state`] gave; names that are missing keep their fresh value.
    pub fn restore(&mut self, state: &BTreeMap<String, Tensor>) {
        let into = |target: &mut Tensor, name: String| {
            if let Some(source) = state.get(&name) {
                tch::no_grad(|| target.copy_(source));
            }
        };
        for (name, value) in &mut self.variables {
            into(value, format!("value/{name}"));
        }
        for (name, mean) in &mut self.mean {
            into(mean, format!("mean/{name}"));
        }
        for (name, slot) in &mut self.slots {
            into(&mut slot.first, format!("first/{name}"));
            into(&mut slot.second, format!("second/{name}"));
        }
        self.step = state.get("step").map_or(0, |step| step.int64_value(&[0]) as u64);
    }

    /// Takes over trained weights; where they are for fewer outputs, for the first of them. Names that are missing keep
    /// their fresh value.
    pub fn begin_with(&mut self, weights: &BTreeMap<String, Tensor>) {
        let into = |target: &Tensor, source: &Tensor| {
            let rows = source.size().first().copied().unwrap_or(0).min(target.size().first().copied().unwrap_or(0));
            if source.dim() == target.dim() && source.size().get(1..) == target.size().get(1..) {
                target.narrow(0, 0, rows).copy_(&source.narrow(0, 0, rows));
            }
        };
        tch::no_grad(|| {
            for (name, source) in weights {
                self.variables.get(name).into_iter().chain(self.mean.get(name)).for_each(|target| into(target, source));
            }
        });
    }

    /// The averaged weights in half precision, as a model file holds them.
    #[must_use]
    pub fn export(&self) -> Vec<(String, Tensor)> {
        self.mean.iter().map(|(name, mean)| (name.clone(), mean.to_kind(Kind::Half).contiguous())).collect()
    }
}
