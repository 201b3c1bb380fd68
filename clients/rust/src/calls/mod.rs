//! The calls of the service, each with its deadline, and errors of one type.

mod downloads;
mod games;
mod library;
mod peers;
mod sidecar;

use crate::error::{Error, Result};

/// What an answer is about; no sidecar leaves it out.
fn given<T>(content: Option<T>) -> Result<T> {
    content.ok_or_else(|| Error::new("INTERNAL", "the sidecar left out what was asked for"))
}
