//! The one test binary: everything that goes through the outside, one folder per room.

mod support;

mod api;
mod auth;
mod billing;
mod chaos;
mod demo;
mod jobs;
mod layers;
mod metering;
mod openapi;
mod portal;
mod sandbox;
mod vision;
mod webhooks;
