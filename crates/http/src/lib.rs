//! Thin handlers: a handler extracts, calls one service function and maps the answer.
//!
//! Areas and endpoint files are named as ruma names them: `client/message/send_message_event.rs` serves what
//! `ruma::api::client::message::send_message_event` describes.

#![expect(
    clippy::doc_markdown,
    reason = "an endpoint file's first line is its method and path as the specification writes them"
)]

mod account;
pub mod admin;
pub mod answer;
pub mod client;
pub mod console;
pub mod domicile;
mod door;
pub mod error;
pub mod extract;
pub mod federation;
mod fenced;
pub mod forwarded;
mod gateway;
pub mod health;
pub mod inner;
pub mod listener;
pub mod metrics;
pub mod moved;
pub mod observe;
mod pages;
mod passing;
mod probe;
pub mod router;
mod sign_in;
pub mod state;
mod status;
