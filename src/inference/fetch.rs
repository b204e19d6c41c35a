//! Fetches the image of a call that was given by its URL: through the door that customers' URLs go through, each redirect
//! checked like the first URL, and never more than an image may have.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION};
use reqwest::{Client, Response, Url};

use crate::platform::outbound::{self, Refused};
use crate::vision::DecodeLimits;

/// Hops after the first URL.
const REDIRECTS: usize = 3;

/// Why no image came. None of these is ever charged. What they say is for the caller: it names what the URL led to and
/// nothing of the network that we are in.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// More bytes than an image may have.
    #[error("{0}")]
    TooLarge(String),
    /// The URL leads where nothing is fetched from.
    #[error("{0}")]
    Refused(String),
    /// The other side gave no image.
    #[error("{0}")]
    Failed(String),
    /// The call's deadline passed.
    #[error("the image did not come before the call's deadline")]
    Deadline,
}

impl From<Refused> for FetchError {
    fn from(refused: Refused) -> Self {
        Self::Refused(format!("the image is not fetched: {refused}"))
    }
}

impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        let what = if error.is_timeout() {
            "the host took too long"
        } else if error.is_connect() {
            "no connection to the host could be made, or its certificate is not valid"
        } else {
            "the host broke off"
        };
        Self::Failed(format!("the image could not be fetched: {what}"))
    }
}

/// The bytes behind a URL, at most as many as an image may have.
///
/// # Errors
/// See [`FetchError`].
pub async fn fetch(url: &str, allow_private: bool, deadline: Instant) -> Result<Bytes, FetchError> {
    let ours = Instant::now() + outbound::TIMEOUT;
    match tokio::time::timeout_at(ours.min(deadline).into(), follow(url, allow_private)).await {
        Ok(fetched) => fetched,
        Err(_) if deadline < ours => Err(FetchError::Deadline),
        Err(_) => Err(FetchError::Failed(format!("the image did not come within {} seconds", outbound::TIMEOUT.as_secs()))),
    }
}

async fn follow(url: &str, allow_private: bool) -> Result<Bytes, FetchError> {
    let mut url = outbound::parse(url, allow_private)?;
    for _ in 0..=REDIRECTS {
        ordinary_port(&url, allow_private)?;
        let client = outbound::client_for(&url, allow_private).await?;
        let answer = get(&client, &url).await?;
        if !answer.status().is_redirection() {
            return body(answer).await;
        }
        url = target(&url, &answer, allow_private)?;
    }
    Err(FetchError::Failed(format!("the URL redirects more than {REDIRECTS} times")))
}

/// Where a redirect leads, checked like a URL that someone sent; from https never to http.
fn target(from: &Url, answer: &Response, allow_private: bool) -> Result<Url, FetchError> {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let joined = location.and_then(|location| from.join(location).ok());
    let joined = joined.ok_or_else(|| FetchError::Failed("the URL redirects to nowhere".into()))?;
    let url = outbound::parse(joined.as_str(), allow_private)?;
    if from.scheme() == "https" && url.scheme() != "https" {
        return Err(FetchError::Refused("the image is not fetched: the URL redirects from https to http".into()));
    }
    Ok(url)
}

/// Other ports are those of services that serve no images.
fn ordinary_port(url: &Url, allow_private: bool) -> Result<(), FetchError> {
    match url.port_or_known_default() {
        Some(80 | 443) => Ok(()),
        Some(_) if allow_private => Ok(()),
        _ => Err(FetchError::Refused("the image is not fetched: only from ports 80 and 443".into())),
    }
}

/// Not compressed: what is fetched is counted as it comes, and nothing is unpacked here.
async fn get(client: &Client, url: &Url) -> Result<Response, FetchError> {
    let request = client.get(url.clone()).header(ACCEPT, "image/*, */*;q=0.1").header(ACCEPT_ENCODING, "identity");
    Ok(request.send().await?)
}

async fn body(mut answer: Response) -> Result<Bytes, FetchError> {
    let limit = DecodeLimits::default().bytes;
    let too_large = || FetchError::TooLarge(format!("the image behind the URL is larger than {} MB", limit >> 20));
    if answer.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Failed(format!("the URL was answered with status {}, not with an image", answer.status().as_u16())));
    }
    if answer.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(FetchError::Failed("the host sent the image compressed although that was not asked for".into()));
    }
    if answer.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    if bytes.is_empty() {
        return Err(FetchError::Failed("the URL was answered with nothing: 0 bytes".into()));
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A host that answers each request by its path; where it is.
    async fn host() -> String {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut request = vec![0; 4096];
                    let length = stream.read(&mut request).await.unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..length]).to_ascii_lowercase();
                    for part in answer(&request) {
                        // The other side may have heard enough.
                        if stream.write_all(&part).await.is_err() {
                            return;
                        }
                    }
                    if request.starts_with("get /silent") {
                        tokio::time::sleep(Duration::from_secs(60)).await;
                    }
                });
            }
        });
        url
    }

    fn answer(request: &str) -> Vec<Vec<u8>> {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let whole = |head: &str, body: &str| vec![format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()];
        let hops = path.strip_prefix("/hop/").and_then(|left| left.parse::<u32>().ok());
        match (path, hops) {
            (_, Some(0)) | ("/image", _) => whole("200 OK", "pixels"),
            (_, Some(left)) => whole(&format!("302 Found\r\nLocation: /hop/{}", left - 1), ""),
            ("/headers", _) => whole("200 OK", request),
            ("/inward", _) => whole("302 Found\r\nLocation: ftp://127.0.0.1/", ""),
            ("/nowhere", _) => whole("302 Found", ""),
            ("/secret", _) => whole("403 Forbidden", "what is said inside"),
            ("/empty", _) => whole("200 OK", ""),
            ("/packed", _) => whole("200 OK\r\nContent-Encoding: gzip", "zip"),
            ("/says-much", _) => vec![b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n".to_vec()],
            ("/endless", _) => {
                let megabyte = [b"100000\r\n".to_vec(), vec![7; 1 << 20], b"\r\n".to_vec()].concat();
                let mut parts = vec![b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec()];
                parts.extend(std::iter::repeat_n(megabyte, 30));
                parts
            }
            ("/broken", _) => vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf".to_vec()],
            _ => vec![],
        }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[tokio::test]
    async fn an_image_comes_also_after_three_redirects_but_not_four() {
        let host = host().await;
        for path in ["image", "hop/1", "hop/3"] {
            assert_eq!(&fetch(&format!("{host}/{path}"), true, soon()).await.expect("it comes")[..], b"pixels", "{path}");
        }
        let error = fetch(&format!("{host}/hop/4"), true, soon()).await.expect_err("too many");
        assert!(matches!(error, FetchError::Failed(ref why) if why.contains("redirects")), "{error}");
    }

    #[tokio::test]
    async fn it_asks_for_plain_bytes_and_says_who_it_is_and_nothing_more() {
        let text = fetch(&format!("{}/headers", host().await), true, soon()).await.expect("it comes");
        let text = String::from_utf8(text.to_vec()).expect("text");
        assert!(text.contains("accept-encoding: identity\r\n") && text.contains("user-agent: lensmeter/"), "{text}");
        assert!(!text.contains("cookie") && !text.contains("authorization") && !text.contains("referer"), "{text}");
    }

    #[tokio::test]
    async fn what_is_no_image_is_told_apart_and_nothing_of_it_is_repeated() {
        let host = host().await;
        for (path, why) in [
            ("secret", "status 403"),
            ("empty", "0 bytes"),
            ("packed", "compressed"),
            ("broken", "broke off"),
            ("nowhere", "redirects to nowhere"),
            ("hang-up", "broke off"),
        ] {
            let error = fetch(&format!("{host}/{path}"), true, soon()).await.expect_err(path);
            assert!(matches!(error, FetchError::Failed(_)) && error.to_string().contains(why), "{path}: {error}");
            assert!(!error.to_string().contains("inside") && !error.to_string().contains("127.0.0.1"), "{error}");
        }
        for path in ["says-much", "endless"] {
            let error = fetch(&format!("{host}/{path}"), true, soon()).await.expect_err(path);
            assert!(matches!(error, FetchError::TooLarge(_)), "{path}: {error}");
        }
        let error = fetch(&format!("{host}/inward"), true, soon()).await.expect_err("another scheme");
        assert!(matches!(error, FetchError::Refused(_)), "{error}");
    }

    #[tokio::test]
    async fn a_silent_host_is_left_at_the_deadline() {
        let url = format!("{}/silent", host().await);
        let error = fetch(&url, true, Instant::now() + Duration::from_millis(300)).await.expect_err("nothing comes");
        assert!(matches!(error, FetchError::Deadline), "{error}");
    }

    #[tokio::test]
    async fn nothing_leads_inside_or_to_another_port() {
        for url in [
            "http://example.com/a.png",
            "https://127.0.0.1/a.png",
            "https://localhost/a.png",
            "https://[::1]/a.png",
            "https://[::ffff:127.0.0.1]/a.png",
            "https://[64:ff9b:1::7f00:1]/a.png",
            "https://169.254.169.254/latest/meta-data/",
            "https://2130706433/a.png",
            "https://0x7f.1/a.png",
            "https://8.8.8.8:22/",
            "https://user:password@8.8.8.8/",
            "file:///etc/passwd",
            "data:image/png;base64,aGk=",
            "a.png",
            "",
        ] {
            let error = fetch(url, false, soon()).await.expect_err(url);
            assert!(matches!(error, FetchError::Refused(_)), "{url}: {error}");
        }
    }
}
