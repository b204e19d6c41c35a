//! The files that are made to break a decoder, sent as customers would: each gets its answer, and only pictures are charged.

use std::time::Duration;

use entity::usage_event;
use futures_util::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use sea_orm::PaginatorTrait as _;
use serde_json::Value;

use super::{Api, json};
use crate::support::make;
use crate::support::model::detector;
use crate::vision::hostile::{Comes, corpus};

/// Files under way at once.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn every_hostile_file_gets_an_answer_and_only_pictures_are_charged() {
    let api = Api::with_models(vec![detector()]).await;
    make::unhurried(&api.db).await;
    let send = async |(name, bytes, comes): (String, Vec<u8>, Comes)| {
        let response = loop {
            let request = api.request(Method::POST, "/v1/detect").header("Content-Type", "application/octet-stream");
            let response = request.header("Cache-Control", "no-cache").body(bytes.clone()).send().await;
            let response = response.unwrap_or_else(|error| panic!("{name}: no answer: {error}"));
            if response.status() != StatusCode::SERVICE_UNAVAILABLE {
                break response;
            }
            // The queue is full, as it may be: a customer tries again.
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let (status, body) = (response.status(), response.json::<Value>().await.unwrap_or_else(|error| panic!("{name}: {error}")));
        match status {
            StatusCode::OK => assert!(body["usage"]["event_id"].is_string(), "{name}: {body}"),
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => {
                assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 10), "{name}: {body}");
            }
            _ => panic!("{name}: {status} {body}"),
        }
        match comes {
            Comes::Picture => assert_eq!(status, StatusCode::OK, "{name}: {body}"),
            Comes::Refused => assert_ne!(status, StatusCode::OK, "{name}"),
            Comes::TooLarge => assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{name}: {body}"),
            Comes::Something => {}
        }
        status
    };
    let answers: Vec<StatusCode> = stream::iter(corpus()).map(send).buffer_unordered(AT_ONCE).collect().await;
    assert!(answers.len() >= 200, "{}", answers.len());
    let pictures = answers.iter().filter(|status| **status == StatusCode::OK).count() as u64;
    let events = usage_event::Entity::of(api.account.id).count(&*api.db).await.expect("the database answers");
    assert_eq!(events, pictures, "of {} files", answers.len());
    assert!(pictures > 20, "{pictures} of them are pictures");
    assert_eq!(json(api.detect()).await["object"], "detection", "as healthy as before");
}
