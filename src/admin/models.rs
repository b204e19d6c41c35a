//! The models of the process that answers: what serves, and why something does not.

use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::{Enum, Object, OpenApi};

use super::Tag;
use super::accounts::ListObject;
use super::gate::Operator;
use crate::app::App;
use crate::vision::ModelState;
use crate::web::json::problem::Problem;

pub struct ModelsApi;

/// Versions of models, and problems with the folder.
#[derive(Debug, Object)]
pub struct ModelStateList {
    /// Always `list`.
    pub object: ListObject,
    /// All of them.
    pub data: Vec<OperatedModel>,
    /// Always false: the list is whole.
    pub has_more: bool,
}

/// A version of a model, as this replica serves it.
#[derive(Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OperatedModel {
    /// `name/version`; `folder` or `routing.toml` where the problem is with one of them.
    pub id: String,
    /// Whether it answers.
    pub state: OperatedState,
    /// Why the folder's state is not what serves.
    pub problem: Option<String>,
    /// Memory of its weights.
    pub bytes: u64,
    /// Calls that wait for it.
    pub waiting: u64,
}

/// Whether a version answers.
#[derive(Debug, Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub enum OperatedState {
    /// It answers; with a problem, as it was before the folder changed.
    Serving,
    /// It does not.
    Refused,
}

#[OpenApi(prefix_path = "/admin/v1", tag = "Tag::Models")]
impl ModelsApi {
    /// List versions of models
    ///
    /// What this replica serves and what it refuses, with the reason.
    #[oai(path = "/models", method = "get", operation_id = "listModelStates")]
    async fn list(&self, _operator: Operator, app: Data<&App>) -> Result<Json<ModelStateList>, Problem> {
        Ok(Json(states(&app)))
    }

    /// Reload models
    ///
    /// Looks at the folder now, tries again what was refused, and answers when this replica has taken over what is there.
    #[oai(path = "/models/reload", method = "post", operation_id = "reloadModels")]
    async fn reload(&self, _operator: Operator, app: Data<&App>) -> Result<Json<ModelStateList>, Problem> {
        app.inference.vision.reload().await;
        Ok(Json(states(&app)))
    }
}

fn states(app: &App) -> ModelStateList {
    let shown = |state: ModelState| OperatedModel {
        id: state.id,
        state: if state.serving { OperatedState::Serving } else { OperatedState::Refused },
        problem: state.problem,
        bytes: state.bytes,
        waiting: state.waiting as u64,
    };
    let data = app.inference.vision.states().into_iter().map(shown).collect();
    ModelStateList { object: ListObject::List, data, has_more: false }
}
