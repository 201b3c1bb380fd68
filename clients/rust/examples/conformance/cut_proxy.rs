//! A way to the sidecar that can be cut, as a real connection breaks.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::given::Failure;

pub struct CutProxy {
    pub address: String,
    cuts: watch::Sender<u32>,
}

impl CutProxy {
    /// Takes connections to the sidecar at `target` as long as the program runs.
    pub async fn start(target: &str) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (cuts, cut) = watch::channel(0);
        tokio::spawn(accept(listener, target.to_owned(), cut));
        Ok(Self { address, cuts })
    }

    /// Ends all connections that there are; new ones are taken.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    cut: watch::Receiver<u32>,
) -> io::Result<()> {
    loop {
        let (caller, _) = listener.accept().await?;
        tokio::spawn(carry(caller, target.clone(), cut.clone()));
    }
}

async fn carry(caller: TcpStream, target: String, mut cut: watch::Receiver<u32>) {
    // Cuts of the past are not this connection's.
    cut.mark_unchanged();
    tokio::select! {
        _ = cut.changed() => {}
        _ = join(caller, &target) => {}
    }
}

async fn join(mut caller: TcpStream, target: &str) -> io::Result<(u64, u64)> {
    let mut sidecar = dial(target).await?;
    copy_bidirectional(&mut caller, &mut sidecar).await
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
