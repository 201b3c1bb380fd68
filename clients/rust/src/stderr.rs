//! Reads what a sidecar logs, always, so that it never waits for us; keeps how it ended.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::task::JoinHandle;

/// Longer lines come in parts.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Gets every line that the sidecar writes to stderr.
pub type OnLog = Box<dyn FnMut(&str) + Send>;

/// The last words of a process; complete once `finished` is over.
pub(crate) struct LastWords {
    words: Arc<Mutex<Words>>,
    reading: JoinHandle<()>,
}

#[derive(Clone, Default)]
pub(crate) struct Words {
    /// The last line.
    pub line: String,
    /// The last line that tells why it ended.
    pub refusal: Option<Refusal>,
}

/// The line `lanspread-peer: REASON: sentence`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub reason: String,
    pub message: String,
}

impl LastWords {
    /// Reads until the other end is closed, whether or not anybody keeps this.
    pub fn of(stderr: impl AsyncRead + Send + Unpin + 'static, on_log: Option<OnLog>) -> Self {
        let words = Arc::<Mutex<Words>>::default();
        let reading = tokio::spawn(read(stderr, on_log, words.clone()));
        Self { words, reading }
    }

    pub async fn finished(self) -> Words {
        let _ = self.reading.await;
        lock(&self.words).clone()
    }
}

async fn read(stderr: impl AsyncRead + Unpin, mut on_log: Option<OnLog>, words: Arc<Mutex<Words>>) {
    let mut stderr = BufReader::new(stderr);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let mut line = (&mut stderr).take(MAX_LINE_BYTES);
        if !matches!(line.read_until(b'\n', &mut bytes).await, Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&bytes);
        let text = text.trim_end();
        if text.is_empty() {
            continue;
        }
        keep(&mut lock(&words), text);
        // Whatever becomes of the callback, reading goes on.
        on_log = on_log.and_then(|on_log| call(on_log, text));
    }
}

fn lock(words: &Mutex<Words>) -> std::sync::MutexGuard<'_, Words> {
    words
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn call(mut on_log: OnLog, line: &str) -> Option<OnLog> {
    let called = catch_unwind(AssertUnwindSafe(move || {
        on_log(line);
        on_log
    }));
    called.ok()
}

fn keep(words: &mut Words, line: &str) {
    line.clone_into(&mut words.line);
    words.refusal = refusal_in(line).or(words.refusal.take());
}

fn refusal_in(line: &str) -> Option<Refusal> {
    let (reason, message) = line.strip_prefix("lanspread-peer: ")?.split_once(": ")?;
    let is_reason = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    if reason.is_empty() || !reason.chars().all(is_reason) {
        return None;
    }
    Some(Refusal {
        reason: reason.to_owned(),
        message: message.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn words_of(text: Vec<u8>) -> (Words, Vec<String>) {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let seen = lines.clone();
        let on_log: OnLog = Box::new(move |line| seen.lock().unwrap().push(line.to_owned()));
        let (mut writer, reader) = tokio::io::duplex(1024);
        let words = LastWords::of(reader, Some(on_log));
        tokio::io::AsyncWriteExt::write_all(&mut writer, &text)
            .await
            .unwrap();
        drop(writer);
        let words = words.finished().await;
        let lines = lines.lock().unwrap().clone();
        (words, lines)
    }

    #[tokio::test]
    async fn the_reason_of_the_end_is_kept_whatever_is_logged_after_it() {
        let text = b"starting\nlanspread-peer: CANNOT_BIND: port 7: in use\r\n\nending";
        let (words, lines) = words_of(text.to_vec()).await;
        let refusal = words.refusal.unwrap();
        assert_eq!(refusal.reason, "CANNOT_BIND");
        assert_eq!(refusal.message, "port 7: in use");
        assert_eq!(words.line, "ending");
        assert_eq!(lines.len(), 3);
    }

    #[tokio::test]
    async fn other_lines_are_no_reason() {
        for line in [
            "lanspread-peer: ready: yes",
            "CRASH: x",
            "lanspread-peer: : x",
        ] {
            let (words, _) = words_of(line.as_bytes().to_vec()).await;
            assert_eq!(words.refusal, None, "{line}");
            assert_eq!(words.line, line);
        }
    }

    #[tokio::test]
    async fn an_endless_line_comes_in_parts() {
        let limit = MAX_LINE_BYTES as usize;
        let (words, lines) = words_of(vec![b'x'; limit + 1]).await;
        assert_eq!(
            lines.iter().map(String::len).collect::<Vec<_>>(),
            [limit, 1]
        );
        assert_eq!(words.line, "x");
    }

    #[tokio::test]
    async fn what_is_no_text_is_read_too() {
        let (words, _) = words_of(b"\xff\xfe\nlast".to_vec()).await;
        assert_eq!(words.line, "last");
    }

    #[tokio::test]
    async fn reading_goes_on_when_the_callback_panics() {
        let on_log: OnLog = Box::new(|line| panic!("told of {line}"));
        let words = LastWords::of(&b"first\nlast\n"[..], Some(on_log));
        assert_eq!(words.finished().await.line, "last");
    }
}
