//! What the JSON surfaces share: errors as problem documents, bodies within bounds and read field by field, and the
//! finishing of OpenAPI documents. Here and not in `api`, because the operator's routes speak the same JSON and surfaces
//! never import one another.

pub mod body;
pub mod fields;
pub mod problem;
pub mod spec;
