//! A way to the sidecar that can be cut, as a real connection breaks.

use std::io;
use std::iter::{once, repeat};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::given::Failure;

pub struct CutProxy {
    pub address: String,
    cuts: watch::Sender<u32>,
    taken: Arc<AtomicU32>,
}

impl CutProxy {
    /// Takes connections to the sidecar at `target` as long as the program runs.
    pub async fn start(target: &str) -> Result<Self, Failure> {
        Self::start_with_cut(target, u64::MAX).await
    }

    /// Its first connection ends after so many bytes of the sidecar's answer.
    pub async fn start_with_cut(target: &str, answer_bytes: u64) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (cuts, cut) = watch::channel(0);
        let taken = Arc::<AtomicU32>::default();
        let count = taken.clone();
        let target = target.to_owned();
        tokio::spawn(async move {
            for answer_bytes in once(answer_bytes).chain(repeat(u64::MAX)) {
                let (caller, _) = listener.accept().await?;
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(carry(caller, target.clone(), answer_bytes, cut.clone()));
            }
            io::Result::Ok(())
        });
        Ok(Self {
            address,
            cuts,
            taken,
        })
    }

    /// How many connections there were.
    pub fn taken(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Ends all connections that there are; new ones are taken.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn carry(
    caller: TcpStream,
    target: String,
    answer_bytes: u64,
    mut cut: watch::Receiver<u32>,
) {
    // Cuts of the past are not this connection's.
    cut.mark_unchanged();
    tokio::select! {
        _ = cut.changed() => {}
        _ = join(caller, &target, answer_bytes) => {}
    }
}

/// Ends with whichever side ends first.
async fn join(caller: TcpStream, target: &str, answer_bytes: u64) -> io::Result<u64> {
    let (answer, mut sidecar) = split(dial(target).await?);
    let mut answer = answer.take(answer_bytes);
    let (mut request, mut caller) = caller.into_split();
    tokio::select! {
        sent = copy(&mut request, &mut sidecar) => sent,
        answered = copy(&mut answer, &mut caller) => answered,
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

async fn dial(target: &str) -> io::Result<Box<dyn Stream>> {
    #[cfg(unix)]
    if let Some(path) = target.strip_prefix("unix:") {
        return Ok(Box::new(tokio::net::UnixStream::connect(path).await?));
    }
    Ok(Box::new(TcpStream::connect(target).await?))
}
