//! `portForward` as kubelet has it for websockets, `v4.channel.k8s.io`: each port has two channels, one for data and
//! one for why there are none. The first message of each channel names the port.
//!
//! The API server hands such a request on as it is. What kubectl asks for it turns into SPDY, which is not spoken here.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures::channel::mpsc;
use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{self, Message};

use super::super::network::PodNetwork;
use super::super::shared::Shared;
use super::Body;
use crate::poll::within;

const PROTOCOL: &str = "v4.channel.k8s.io";
/// Channels have one byte for their number.
const MOST_PORTS: usize = 128;
/// For the last words of a connection that ends.
const CLOSE: Duration = Duration::from_secs(5);

/// The ports of a pod that a connection is about to be taken over for.
pub(super) struct Forwarding {
    upgraded: OnUpgrade,
    network: Arc<PodNetwork>,
    pod: String,
    ports: Vec<u16>,
}

pub(super) fn answer(
    request: &mut Request<Incoming>,
    shared: &Shared,
    namespace: &str,
    pod: &str,
) -> Result<(Response<Body>, Forwarding), (StatusCode, String)> {
    let bad = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned());
    let headers = request.headers();
    if !has(headers, &UPGRADE, "websocket") || !has(headers, &SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        let why = format!(
            "ports are forwarded over websockets with {PROTOCOL} here, not over SPDY as kubectl does"
        );
        return Err(bad(&why));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| bad("there is no Sec-WebSocket-Key"))?;
    let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accept = accept.map_err(|error| bad(&error.to_string()))?;
    let ports = ports(request.uri().query().unwrap_or_default()).map_err(|why| bad(&why))?;
    let network = shared.pod_networks().get(namespace, pod);
    let pod = format!("{namespace}/{pod}");
    let network = network.ok_or_else(|| (StatusCode::NOT_FOUND, format!("pod {pod} does not run here")))?;
    let upgraded = hyper::upgrade::on(request);
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    Ok((response, Forwarding { upgraded, network, pod, ports }))
}

/// One of the values that a header lists is this.
fn has(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
}

/// Those of `port=5432,8008` or `port=5432&port=8008`.
fn ports(query: &str) -> Result<Vec<u16>, String> {
    let values =
        query.split('&').filter_map(|pair| pair.strip_prefix("port=").or(pair.strip_prefix("ports=")));
    let decoded = values.map(|value| value.replace("%2C", ",")).collect::<Vec<_>>().join(",");
    let ports = decoded.split(',').map(|port| match port.parse() {
        Ok(0) | Err(_) => Err(format!("unable to parse {port:?} as a port")),
        Ok(port) => Ok(port),
    });
    let ports = ports.collect::<Result<Vec<u16>, _>>()?;
    if ports.len() > MOST_PORTS { Err(format!("{} are too many ports", ports.len())) } else { Ok(ports) }
}

impl Forwarding {
    /// Forwards until the client leaves or no port has anything more to say.
    pub(super) async fn run(self) {
        let upgraded = match self.upgraded.await {
            Ok(upgraded) => TokioIo::new(upgraded),
            Err(error) => return tracing::debug!(%error, "a client for ports of a pod went away"),
        };
        let socket = WebSocketStream::from_raw_socket(upgraded, Role::Server, None).await;
        let (mut to_client, mut from_client) = socket.split();
        let (answers, mut answered) = mpsc::channel::<Bytes>(1);
        let (to_ports, from_clients): (Vec<_>, Vec<_>) = self.ports.iter().map(|_| mpsc::channel(1)).unzip();
        let forwarded = self.ports.iter().zip(from_clients).enumerate().map(|(index, (port, from))| {
            let channel = Channel { number: 2 * index as u8, to: answers.clone() };
            forward(&self.network, &self.pod, *port, from, channel)
        });
        let forwarded = join_all(forwarded);
        drop(answers);
        let ports_to_client = async {
            while let Some(message) = answered.next().await {
                to_client.send(Message::Binary(message)).await?;
            }
            Ok::<_, tungstenite::Error>(())
        };
        let ended = tokio::select! {
            (_, sent) = async { tokio::join!(forwarded, ports_to_client) } => sent,
            heard = hear(&mut from_client, to_ports) => heard,
        };
        if let Err(error) = ended {
            tracing::debug!(pod = self.pod, %error, "a client for ports of a pod went away");
        }
        // Who has gone without a word hears nothing.
        let _ = within("the end of forwarded ports", CLOSE, to_client.close()).await;
    }
}

/// Comes back when the client has said that it is done.
async fn hear(
    from: &mut (impl StreamExt<Item = Result<Message, tungstenite::Error>> + Unpin),
    mut to_ports: Vec<mpsc::Sender<Bytes>>,
) -> Result<(), tungstenite::Error> {
    while let Some(message) = from.next().await.transpose()? {
        match message {
            Message::Binary(mut data) if !data.is_empty() => {
                let channel = data.split_to(1)[0];
                // What is for a port that has ended, or for a channel that takes nothing, is nobody's.
                if channel.is_multiple_of(2)
                    && let Some(port) = to_ports.get_mut(usize::from(channel / 2))
                {
                    let _ = port.send(data).await;
                }
            }
            Message::Close(_) => return Ok(()),
            _ => {}
        }
    }
    Ok(())
}

/// The two channels of a port: that of its data, and the next for what went wrong.
struct Channel {
    number: u8,
    to: mpsc::Sender<Bytes>,
}

impl Channel {
    async fn send(&mut self, errors: bool, data: &[u8]) {
        let mut message = BytesMut::with_capacity(data.len() + 1);
        message.put_u8(self.number + u8::from(errors));
        message.put_slice(data);
        // When nobody takes it, all of this is about to be dropped.
        let _ = self.to.send(message.freeze()).await;
    }
}

async fn forward(
    network: &PodNetwork,
    pod: &str,
    port: u16,
    mut from_client: mpsc::Receiver<Bytes>,
    mut channel: Channel,
) {
    channel.send(false, &port.to_le_bytes()).await;
    channel.send(true, &port.to_le_bytes()).await;
    let ended = async {
        let stream = network.connect(port).await?;
        stream.set_nodelay(true)?;
        let (mut from_pod, mut to_pod) = stream.into_split();
        let to_pod = async {
            while let Some(data) = from_client.next().await {
                to_pod.write_all(&data).await?;
            }
            to_pod.shutdown().await
        };
        let from_pod = async {
            let mut data = vec![0; 32 * 1024];
            loop {
                match from_pod.read(&mut data).await? {
                    0 => return Ok(()),
                    length => channel.send(false, &data[..length]).await,
                }
            }
        };
        let mut to_pod = std::pin::pin!(to_pod);
        let mut from_pod = std::pin::pin!(from_pod);
        // Once the pod has said all, nobody answers any more.
        tokio::select! {
            ended = &mut from_pod => ended,
            Err(error) = &mut to_pod => Err(error),
        }
    };
    let ended: std::io::Result<()> = ended.await;
    if let Err(error) = ended {
        let why = format!("error forwarding port {port} to pod {pod}: {error}");
        channel.send(true, why.as_bytes()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_the_api_server_writes_them() {
        assert_eq!(ports("port=5432").unwrap(), [5432]);
        assert_eq!(ports("port=5432%2C8008").unwrap(), [5432, 8008]);
        assert_eq!(ports("port=5432&port=8008").unwrap(), [5432, 8008]);
        for wrong in ["", "port=0", "port=65536", "port=a"] {
            assert!(ports(wrong).unwrap_err().contains("as a port"), "{wrong}");
        }
    }
}
