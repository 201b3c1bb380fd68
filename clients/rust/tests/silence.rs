//! A sidecar that is gone without a word, as when its machine loses power.

use std::time::Duration;

use lanspread_client::{Client, TryStreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Kinds of frames: RFC 9113 section 6.
const HEADERS: u8 = 1;
const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
const PING: u8 = 6;
/// The kind of the first record of TLS: RFC 8446 section 5.1.
const TLS_HANDSHAKE: u8 = 22;

/// One that keeps quiet is asked after 20 seconds, and has 10 to answer.
const FOUND_OUT: Duration = Duration::from_secs(31);
const FOR_EVER: Duration = Duration::from_secs(3600);

/// The kind of the next frame; None once the connection is closed.
async fn next_frame(stream: &mut TcpStream) -> Option<u8> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    stream.read_exact(&mut payload).await.ok()?;
    Some(head[3])
}

async fn accept_call(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut preface = [0; PREFACE.len()];
    stream.read_exact(&mut preface).await.unwrap();
    assert_eq!(preface, PREFACE);
    stream.write_all(&SETTINGS).await.unwrap();
    while next_frame(&mut stream).await.unwrap() != HEADERS {}
    stream
}

#[tokio::test]
async fn an_event_stream_without_a_sign_of_life_breaks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut events = Client::new(&address, "t0ken").unwrap().events("");
    let following = tokio::spawn(async move { events.try_next().await });
    let mut dead = accept_call(&listener).await;
    tokio::time::pause();
    let begun = Instant::now();
    let mut frames = Vec::new();
    let closed = async {
        while let Some(frame) = next_frame(&mut dead).await {
            frames.push(frame);
        }
    };
    let is_closed = tokio::time::timeout(FOR_EVER, closed).await.is_ok();
    assert!(
        is_closed && begun.elapsed() <= FOUND_OUT,
        "{:?}",
        begun.elapsed()
    );
    assert!(frames.contains(&PING), "{frames:?}");
    tokio::time::resume();
    // And it goes on over a new one.
    accept_call(&listener).await;
    following.abort();
}

#[tokio::test]
async fn a_handshake_of_tls_without_an_answer_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let client = Client::with_tls(&address, "t0ken", "").unwrap();
    let following = tokio::spawn(async move { client.events("").try_next().await });
    let (mut dead, _) = listener.accept().await.unwrap();
    assert_eq!(dead.read_u8().await.unwrap(), TLS_HANDSHAKE);
    tokio::time::pause();
    let begun = Instant::now();
    let mut rest = Vec::new();
    let closed = dead.read_to_end(&mut rest);
    let is_closed = tokio::time::timeout(FOR_EVER, closed).await.is_ok();
    assert!(
        is_closed && begun.elapsed() <= FOUND_OUT,
        "{:?}",
        begun.elapsed()
    );
    tokio::time::resume();
    // And it tries again.
    listener.accept().await.unwrap();
    following.abort();
}
