//! Files into networks, after everything about them was checked.

use tch::{Device, Kind, nn::VarStore};

use super::{Network, architectures, network::Elements, script::Script, weights::Weights};
use crate::vision::registry::{Architecture, ModelInfo, Task};

/// A network on its device, and how large it is.
pub struct Loaded {
    /// Ready to compute.
    pub network: Network,
    /// How many numbers it has learnt.
    pub parameters: u64,
}

/// Loads the weights of a model in a precision.
///
/// # Errors
/// Everything that is wrong with the file, one sentence each: what was expected and what was found.
pub fn network(info: &ModelInfo, device: Device, kind: Kind) -> Result<Loaded, Vec<String>> {
    if info.architecture == Architecture::TorchScript {
        let script = Script::load(info, device, kind).map_err(|problem| vec![problem])?;
        return Ok(Loaded { parameters: script.parameters(), network: Network::Script(script) });
    }
    let wrong = |problem: &dyn std::fmt::Display| vec![format!("{}: {problem}", info.weights.display())];
    let bytes = std::fs::read(&info.weights).map_err(|e| wrong(&e))?;
    let weights = Weights::read(&bytes, device, kind).map_err(|problem| wrong(&problem))?;
    let network = match info.architecture {
        Architecture::Torchvision(name) => {
            let classes = (info.task == Task::Classify).then_some(info.classes.len() as i64);
            let side = info.input.resize.square() as i64;
            let network = tch::no_grad(|| architectures::build(name, &weights, classes, side));
            Network::Row(network.ok_or_else(|| vec![format!("no network is called {name:?}")])?)
        }
        Architecture::Elements | Architecture::TorchScript => {
            Network::Elements(Box::new(elements(&weights, info.classes.len(), device, kind)))
        }
    };
    let problems = weights.problems();
    if problems.is_empty() { Ok(Loaded { network, parameters: weights.parameters() }) } else { Err(problems) }
}

/// A fresh network with the weights of a file, folded for serving; of use only if the file has no problems.
fn elements(weights: &Weights<'_>, classes: usize, device: Device, kind: Kind) -> Elements {
    let store = VarStore::new(device);
    let mut network = Elements::new(&store.root(), classes);
    tch::no_grad(|| {
        for (name, mut variable) in store.variables() {
            variable.copy_(&weights.tensor(&name, &variable.size()));
        }
    });
    network.fold(kind.into());
    network
}
