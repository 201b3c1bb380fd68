//! Where an event stream stands, and what to do when it breaks.

use std::time::Duration;

use crate::error::{Error, Result, reason};
use crate::v1::WatchEventsResponse;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(2);
const MAX_TRIES: u32 = 8;

/// After `receive` for every message and `pause_after` for an error, `resume_token` is what the
/// next stream must ask for.
pub(crate) struct StreamPlace {
    pub resume_token: String,
    tries: u32,
}

impl StreamPlace {
    pub fn new(resume: String) -> Self {
        Self {
            resume_token: resume,
            tries: 0,
        }
    }

    pub fn receive(&mut self, message: &WatchEventsResponse) {
        if !message.resume_token.is_empty() {
            self.resume_token.clone_from(&message.resume_token);
        }
        self.tries = 0;
    }

    /// How long to wait before the next try; `error` itself when there is none.
    pub fn pause_after(
        &mut self,
        error: Error,
        is_running: impl FnOnce() -> bool,
    ) -> Result<Duration> {
        if error.reason == reason::RESUME_TOKEN_EXPIRED && !self.resume_token.is_empty() {
            self.resume_token.clear();
            return Ok(Duration::ZERO);
        }
        self.tries += 1;
        if error.reason != reason::NO_ANSWER || self.tries > MAX_TRIES || !is_running() {
            return Err(error);
        }
        Ok(MAX_PAUSE.min(FIRST_PAUSE * 2u32.pow(self.tries - 1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(resume_token: &str) -> WatchEventsResponse {
        WatchEventsResponse {
            resume_token: resume_token.to_owned(),
            ..Default::default()
        }
    }

    fn expired() -> Error {
        Error::new(reason::RESUME_TOKEN_EXPIRED, "")
    }

    #[test]
    fn it_goes_on_after_the_last_message_with_a_token() {
        let mut place = StreamPlace::new("a".to_owned());
        place.receive(&message("b"));
        place.receive(&message(""));
        place.pause_after(Error::no_answer(), || true).unwrap();
        assert_eq!(place.resume_token, "b");
    }

    #[test]
    fn an_expired_token_means_a_snapshot_at_once() {
        let mut place = StreamPlace::new("a".to_owned());
        let pause = place.pause_after(expired(), || false).unwrap();
        assert_eq!(pause, Duration::ZERO);
        assert_eq!(place.resume_token, "");
        // A stream without a token cannot have an expired one.
        assert_eq!(place.pause_after(expired(), || true), Err(expired()));
    }

    #[test]
    fn pauses_grow_up_to_a_limit_and_end() {
        let mut place = StreamPlace::new(String::new());
        let mut pauses = Vec::new();
        while let Ok(pause) = place.pause_after(Error::no_answer(), || true) {
            pauses.push(pause.as_millis());
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn a_message_gives_all_tries_back() {
        let mut place = StreamPlace::new(String::new());
        place.pause_after(Error::no_answer(), || true).unwrap();
        place.receive(&message("a"));
        let pause = place.pause_after(Error::no_answer(), || true).unwrap();
        assert_eq!(pause, FIRST_PAUSE);
    }

    #[test]
    fn an_ended_sidecar_or_another_error_is_final() {
        let mut place = StreamPlace::new("a".to_owned());
        let gone = place.pause_after(Error::no_answer(), || false);
        assert_eq!(gone, Err(Error::no_answer()));
        let refused = Error::new("UNAUTHENTICATED", "");
        let end = place.pause_after(refused.clone(), || true);
        assert_eq!(end, Err(refused));
    }
}
