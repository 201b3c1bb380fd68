//! Drive a lanspread-peer sidecar from Rust.
//!
//! [`Sidecar::spawn`] starts one that lives as long as this process, [`Client::connect`] finds
//! one that runs already. Answers are the messages of [`v1`]; every failure is an [`Error`].
//! [`Client::events`] and [`Client::download`] survive a broken connection.
//!
//! Everything here must be called within a tokio runtime.

mod calls;
mod client;
mod connection;
mod error;
mod events;
mod follow;
mod launch;
mod paging;
mod process;
mod runtime_file;
mod spawn;
mod stderr;
mod stream_place;
mod whole_snapshots;

/// The messages of `lanspread.peer.v1`, and its client as tonic makes it.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("lanspread.peer.v1");
}

pub use client::{Client, Stub};
pub use connection::Token;
pub use error::{Error, Result, reason};
pub use follow::is_final;
pub use futures_util::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
pub use launch::Launch;
pub use runtime_file::default_state_dir;
pub use serde_json;
pub use spawn::{Options, Sidecar};
pub use tonic;
