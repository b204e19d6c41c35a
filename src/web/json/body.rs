//! Reading bodies within bounds, and getting rid of those that are not wanted.

use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt as _;
use poem::http::header;
use poem::{Body, Request};

use super::problem::{Code, Problem};

/// Bodies of routes that take JSON about resources.
const SMALL: usize = 64 * 1024;
/// What is still read of a refused body, so that its sender gets to see the answer.
const DISCARD_BYTES: usize = 64 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// Reads at most `limit` bytes.
///
/// # Errors
/// `too_large` beyond the limit; 400 when the client broke off.
pub async fn read(request: &Request, body: Body, limit: usize, too_large: impl FnOnce() -> Problem) -> Result<bytes::Bytes, Problem> {
    let announced = request.header(header::CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        discard(request, body).await;
        return Err(too_large());
    }
    let mut stream = body.into_bytes_stream();
    let mut read = BytesMut::new();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| Problem::new(Code::InvalidRequest, format!("The body ended early: {error}. Send it again.")))?;
        if read.len() + piece.len() > limit {
            return Err(too_large());
        }
        read.extend_from_slice(&piece);
    }
    Ok(read.freeze())
}

/// Throws away what the client is still sending, within bounds: most clients only look at the answer afterwards.
/// One that asked first (`Expect: 100-continue`) has not begun and is told at once.
pub async fn discard(request: &Request, body: Body) {
    if body.is_empty() || request.headers().contains_key(header::EXPECT) {
        return;
    }
    let mut stream = std::pin::pin!(body.into_bytes_stream());
    let drain = async {
        let mut seen = 0;
        while let Some(Ok(chunk)) = stream.next().await {
            seen += chunk.len();
            if seen > DISCARD_BYTES {
                return;
            }
        }
    };
    // Slower than that is the client's own trouble.
    let _ = tokio::time::timeout(DISCARD_TIME, drain).await;
}

/// Reads the body of a route that takes JSON about resources up front: the framework itself reads without a bound.
///
/// # Errors
/// `body_too_large`; 400 when the client broke off.
pub async fn bound(request: &mut Request) -> Result<(), Problem> {
    let body = request.take_body();
    let bytes = read(request, body, SMALL, || Problem::plain(Code::BodyTooLarge)).await?;
    request.set_body(bytes);
    Ok(())
}
