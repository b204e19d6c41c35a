//! `Prefer: respond-async` (RFC 7240): a call of an inference route that is answered later is the submission of a job.

use poem::http::{HeaderValue, Method, Uri};
use poem::{Request, Response};

use super::ROUTE;
use crate::api::spec::IMAGE_ROUTES;
use crate::vision::Task;

/// The task of the route that a submission came to.
#[derive(Clone, Copy)]
pub(super) struct Preferred(pub Task);

/// Makes a submission of a call that prefers its answer later, and says whether it did.
pub fn prefer(request: &mut Request) -> bool {
    let Some(task) = preferred_task(request) else { return false };
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let Ok(uri) = format!("{ROUTE}{query}").parse::<Uri>() else { return false };
    *request.uri_mut() = uri;
    request.extensions_mut().insert(Preferred(task));
    true
}

/// Whether a call prefers its answer later.
pub fn preferred(request: &Request) -> bool {
    preferred_task(request).is_some()
}

/// Says on an answer that the preference was followed.
pub fn applied(response: &mut Response) {
    response.headers_mut().insert("preference-applied", HeaderValue::from_static("respond-async"));
}

/// The task of an inference route whose caller prefers its answer later.
fn preferred_task(request: &Request) -> Option<Task> {
    let (_, task) = IMAGE_ROUTES.into_iter().find(|(route, _)| request.uri().path() == *route)?;
    let preferences = request.headers().get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let mut names = preferences.flat_map(|value| value.split(',')).map(|one| one.split([';', '=']).next().unwrap_or_default().trim());
    let later = request.method() == Method::POST && names.any(|name| name.eq_ignore_ascii_case("respond-async"));
    later.then_some(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_is_one_of_a_list_on_an_inference_route() {
        let task = |path: &str, prefer: &str| {
            preferred_task(&Request::builder().method(Method::POST).uri(path.parse().unwrap()).header("Prefer", prefer).finish())
        };
        assert_eq!(task("/v1/detect", "respond-async"), Some(Task::Detect));
        assert_eq!(task("/v1/embed", "wait=10; x=1, Respond-Async"), Some(Task::Embed));
        assert_eq!(task("/v1/detect", "return=minimal, wait=5"), None);
        assert_eq!(task("/v1/quote", "respond-async"), None);
    }
}
