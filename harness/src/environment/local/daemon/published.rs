//! The API server for those outside the sandbox: a port of the host's loopback, handed on byte by byte.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::environment::EnvironmentError;
use crate::environment::local::network::API_SERVER;
use crate::poll::{Limit, Retry};

/// How long no connection at all may be acceptable.
const ACCEPT: Limit = Limit::seconds(30);

/// Listens outside. A socket stays in the network namespace where it was made, so this must come before the sandbox is
/// entered; its descriptor is the daemon's, and nobody reaches the port once the environment's processes are gone.
#[derive(Debug)]
pub struct Published {
    listener: StdListener,
    address: SocketAddr,
    /// What `kubectl` means where nobody names one.
    namespace: String,
}

impl Published {
    /// Takes a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is none.
    pub fn listen(namespace: String) -> Result<Self, EnvironmentError> {
        let listened = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        });
        let (listener, address) = listened.map_err(listening)?;
        Ok(Published { listener, address, namespace })
    }

    /// The port of the host's loopback.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The namespace that its clients mean.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Hands connections on for as long as any can be accepted. Who comes too early is closed at once.
    pub(super) async fn serve(&self) -> EnvironmentError {
        let listener = self.listener.try_clone().and_then(TcpListener::from_std);
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) => return listening(error),
        };
        let mut retry = Retry::new("a connection from outside", ACCEPT);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        retry.succeeded();
                        connections.spawn(hand_on(stream));
                    }
                    Err(error) => if let Err(late) = retry.failed(error.to_string()).await {
                        return late.into();
                    },
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

async fn hand_on(mut outside: TcpStream) -> std::io::Result<()> {
    let mut server = TcpStream::connect((API_SERVER, 443)).await?;
    outside.set_nodelay(true)?;
    server.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut outside, &mut server).await?;
    Ok(())
}

fn listening(source: std::io::Error) -> EnvironmentError {
    EnvironmentError::Sandbox { what: "listen for clients outside".to_owned(), source }
}
