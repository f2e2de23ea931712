//! Taking connections. While the system has no descriptor left, every attempt fails at once: the next one waits.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::poll::{Limit, Retry};

/// After failures in a row. Each time that the limit is reached the log says so, and waiting begins anew.
const AGAIN: Limit = Limit {
    total: Duration::from_secs(60),
    first_interval: Duration::from_millis(10),
    longest_interval: Duration::from_secs(1),
};

/// Where connections come from.
pub(super) trait Listens: Send {
    fn next(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send;
}

impl Listens for TcpListener {
    fn next(&mut self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> + Send {
        self.accept()
    }
}

/// Hands on each connection that comes, until it is told to stop.
pub(super) async fn accept(
    mut listener: impl Listens,
    stopping: CancellationToken,
    serve: impl Fn(TcpStream, SocketAddr) + Send,
) {
    let mut retry = Retry::new("the storage gateway to take a connection", AGAIN);
    while let Some(accepted) = stopping.run_until_cancelled(listener.next()).await {
        let error = match accepted {
            Ok((stream, peer)) => {
                retry.succeeded();
                serve(stream, peer);
                continue;
            }
            Err(error) => error,
        };
        // One that went away before it was taken, or no descriptor left: the next may do better.
        tracing::warn!(%error, "the storage gateway could not take a connection");
        if let Some(Err(late)) = stopping.run_until_cancelled(retry.failed(error.to_string())).await {
            tracing::error!("failed to {late}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// No descriptor is free for so long.
    struct Full {
        since: tokio::time::Instant,
        lasts: Duration,
        asked: Arc<AtomicUsize>,
        then: TcpListener,
    }

    impl Listens for Full {
        async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
            // An attempt that spins would give nobody else a turn, and no time would pass.
            assert!(self.asked.fetch_add(1, Ordering::Relaxed) < 1000, "it spins");
            match self.since.elapsed() < self.lasts {
                true => Err(io::Error::from(nix::errno::Errno::EMFILE)),
                false => self.then.accept().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_gateway_without_a_descriptor_left_waits_and_then_goes_on() {
        let then = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = then.local_addr().unwrap();
        let (asked, lasts) = (Arc::<AtomicUsize>::default(), Duration::from_secs(300));
        let full = Full { since: tokio::time::Instant::now(), lasts, asked: asked.clone(), then };
        let (send, mut taken) = tokio::sync::mpsc::unbounded_channel();
        let stopping = CancellationToken::new();
        let accepting = tokio::spawn(accept(full, stopping.clone(), move |_, peer| send.send(peer).unwrap()));
        let client = TcpStream::connect(address).await.unwrap();
        assert_eq!(taken.recv().await.unwrap(), client.local_addr().unwrap());
        // About one a second.
        assert!(asked.load(Ordering::Relaxed) < 500, "{asked:?}");
        stopping.cancel();
        accepting.await.unwrap();
    }
}
