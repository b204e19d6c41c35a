//! What the surfaces share: the session of a browser, forms and their protection, page shells, assets, request ids.
//! Knows HTTP and the [`App`](crate::app::App), and no page or route of its own.

pub mod assets;
pub mod client_ip;
pub mod cookie;
pub mod csrf;
pub mod flash;
pub mod form;
pub mod headers;
pub mod json;
pub mod page;
pub mod request_id;
pub mod session;
