//! The routes that take an image, in front of the tree of routes. Each level of the tree puts the request and its future on
//! the heap once more, and a call that waits for its commit holds all of that: with a few hundred under way it no longer fits
//! the processor's cache. These three go to their handlers at once; the tree has them too, for the OpenAPI document.

use poem::http::Method;
use poem::web::Data;
use poem::{Endpoint, IntoResponse, Request, Response, Result};

use super::auth::Key;
use super::{classify, detect, embed, jobs};
use crate::web::json::problem::Problem;
use crate::web::page::app_of;

/// The tree of routes, and what goes past it.
pub struct Front<T, I> {
    pub tree: T,
    pub images: I,
}

impl<T: Endpoint, I: Endpoint<Output = Response>> Endpoint for Front<T, I> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        // Boxed, each: what is inline here is moved by every layer above.
        if goes_past(&request) {
            return Box::pin(self.images.call(request)).await;
        }
        Box::pin(self.tree.call(request)).await.map(IntoResponse::into_response)
    }
}

/// A call that prefers its answer later becomes another route's, and so does not.
fn goes_past(request: &Request) -> bool {
    let path = request.uri().path();
    request.method() == Method::POST && [detect::ROUTE, classify::ROUTE, embed::ROUTE].contains(&path) && !jobs::preferred(request)
}

/// The handlers themselves.
pub struct Images;

impl Endpoint for Images {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let (request, mut body) = request.split();
        let key = Key::of(&request, &mut body).await?;
        let (app, body) = (Data(app_of(&request)), body.take()?);
        match request.uri().path() {
            detect::ROUTE => answered(detect::DetectApi.detect(key, app, &request, body).await),
            classify::ROUTE => answered(classify::ClassifyApi.classify(key, app, &request, body).await),
            _ => answered(embed::EmbedApi.embed(key, app, &request, body).await),
        }
    }
}

fn answered(answer: Result<impl IntoResponse, Problem>) -> Result<Response> {
    Ok(answer?.into_response())
}
