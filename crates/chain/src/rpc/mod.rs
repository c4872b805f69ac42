//! Ethereum JSON-RPC over HTTP and WebSocket on one port, every input bounded.

mod api;
mod connection;
mod convert;
mod error;
mod eth;
mod filters;
mod guard;
mod subscribe;

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use api::EthereumServer as _;
use connection::{Flow, Pace, Places, Wire};
use hyper::{StatusCode, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use jsonrpsee::{
    core::{middleware::RpcServiceBuilder, traits::IdProvider},
    server::{BatchRequestConfig, PingConfig, Server, ServerConfig, stop_channel},
    types::SubscriptionId,
};
use tokio::{net::TcpListener, sync::oneshot};
use tower_http::timeout::TimeoutLayer;

use crate::{error::ChainError, ledger::Ledger};

/// Messages that wait to be written to one WebSocket.
const MESSAGES: u32 = 16;

/// Bounds of JSON-RPC.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// The largest request body or WebSocket message.
    pub max_request_bytes: u32,
    /// The largest response.
    pub max_response_bytes: u32,
    /// Calls in one batch.
    pub max_batch: u32,
    /// Connections at once, HTTP and WebSocket together. More wait for one to end; one that is only kept open ends for them.
    pub max_connections: u32,
    /// How long a client may take to ask, to have its HTTP request answered, or to take in some of an answer before its
    /// connection is closed.
    pub patience: Duration,
    /// Subscriptions of one connection.
    pub max_subscriptions: u32,
    /// Blocks that one `eth_getLogs` looks at.
    pub max_log_blocks: u64,
    /// Logs in one answer.
    pub max_logs: usize,
    /// Installed filters.
    pub max_filters: usize,
    /// A filter that is not polled for this long is forgotten.
    pub filter_lifetime: Duration,
    /// Web origins that may call, besides those on this machine; `*` allows all.
    pub allowed_origins: Vec<String>,
    /// Other validators, for `net_peerCount`.
    pub(crate) peers: usize,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            max_request_bytes: 2 * 1024 * 1024,
            max_response_bytes: 32 * 1024 * 1024,
            max_batch: 1_000,
            max_connections: 512,
            // Longer than HTTP clients keep a connection that they do not use (90 s in reqwest), so that they close it.
            patience: Duration::from_secs(100),
            max_subscriptions: 64,
            max_log_blocks: 10_000,
            max_logs: 20_000,
            max_filters: 1_024,
            filter_lifetime: Duration::from_secs(300),
            allowed_origins: Vec::new(),
            peers: 0,
        }
    }
}

/// A running server, on a runtime and thread of its own so that requests cannot delay consensus.
pub(crate) struct RpcServer {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RpcServer {
    /// The bound address.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the server to stop. Idempotent; does not wait.
    pub(crate) fn signal(&mut self) {
        if let Some(stop) = self.stop.take() {
            // A closed receiver means that the server has already ended.
            let _ = stop.send(());
        }
    }

    /// Stops and waits for the thread. Blocks.
    pub(crate) fn join(mut self) {
        self.signal();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the RPC thread panicked");
        }
    }
}

/// Listens and serves.
pub(crate) async fn start(address: SocketAddr, config: RpcConfig, ledger: Ledger) -> Result<RpcServer, ChainError> {
    let (stop_tx, stop_rx) = oneshot::channel();
    let (bound_tx, bound_rx) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("fonte-rpc".into())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                // Calls beyond these wait for a thread: a flood of eth_call is slowed, not multiplied.
                .max_blocking_threads(16)
                .thread_name("fonte-rpc")
                .enable_all()
                .build();
            let outcome = match runtime {
                Ok(runtime) => runtime.block_on(serve(address, config, ledger, bound_tx, stop_rx)),
                Err(source) => {
                    // Nobody waits for the address if the caller gave up.
                    let _ = bound_tx.send(Err(source));
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                tracing::error!(%error, "JSON-RPC ended");
            }
        })
        .map_err(|source| ChainError::Io { what: "start the RPC thread", source })?;
    let bound = bound_rx.await.unwrap_or_else(|_| Err(std::io::Error::other("the RPC thread ended while starting")));
    match bound {
        Ok(address) => Ok(RpcServer { address, stop: Some(stop_tx), thread: Some(thread) }),
        Err(source) => Err(ChainError::Listen { address, source }),
    }
}

async fn serve(
    address: SocketAddr,
    config: RpcConfig,
    ledger: Ledger,
    bound: oneshot::Sender<std::io::Result<SocketAddr>>,
    stop: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let server = ServerConfig::builder()
        .max_request_body_size(config.max_request_bytes)
        .max_response_body_size(config.max_response_bytes)
        // Connections are counted where they are accepted.
        .max_connections(u32::MAX)
        .set_message_buffer_capacity(MESSAGES)
        .max_subscriptions_per_connection(config.max_subscriptions)
        .set_batch_request_config(BatchRequestConfig::Limit(config.max_batch))
        .enable_ws_ping(PingConfig::new().ping_interval(Duration::from_secs(30)))
        .set_id_provider(HexIds)
        .set_tcp_no_delay(true)
        .build();
    let middleware = tower::ServiceBuilder::new()
        .layer(guard::OriginGuard::new(&config.allowed_origins))
        .layer(guard::cors(&config.allowed_origins))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, config.patience));
    let server = Server::builder().set_config(server).set_http_middleware(middleware).to_service_builder();
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(source) => {
            // Nobody waits for the address if the caller gave up.
            let _ = bound.send(Err(source));
            return Ok(());
        }
    };
    // As above.
    let _ = bound.send(listener.local_addr());
    let (patience, places) = (config.patience, Places::new(config.max_connections));
    let methods = eth::Eth::new(ledger, config).into_rpc();
    let mut http = http1::Builder::new();
    // From the end of one answer to the head of the next request, too.
    http.timer(TokioTimer::new()).header_read_timeout(patience);
    let (stopped, handle) = stop_channel();
    let accepting = async move {
        for number in 0.. {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Of one connection, or for want of descriptors, of which those that end give some back.
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection ended at once");
                continue;
            }
            let place = places.take().await;
            let flow = Flow::new();
            let listed = places.list(number, Arc::clone(&flow));
            let pace = RpcServiceBuilder::new().layer(Pace(Arc::clone(&flow)));
            let service = server.clone().set_rpc_middleware(pace).build(methods.clone(), stopped.clone());
            let wire = TokioIo::new(Wire::new(stream, place, Arc::clone(&flow), patience));
            let connection = http.serve_connection(wire, TowerToHyperService::new(service)).with_upgrades();
            let stopped = stopped.clone().shutdown();
            tokio::spawn(async move {
                // A session of WebSocket is a task of its own, which this does not end.
                let _listed = listed;
                tokio::pin!(connection);
                let leave = async {
                    tokio::select! {
                        () = stopped => {}
                        () = flow.leave.notified() => {}
                    }
                };
                let ended = tokio::select! {
                    ended = &mut connection => ended,
                    () = leave => {
                        connection.as_mut().graceful_shutdown();
                        connection.await
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
            });
        }
    };
    tokio::select! {
        () = accepting => {}
        // Also taken when the owner dropped its side without a word.
        _ = stop => {}
    }
    // Fails only if it has stopped already.
    let _ = handle.stop();
    // Connections get a moment to finish; the runtime's end closes the rest.
    let _ = tokio::time::timeout(Duration::from_secs(2), handle.stopped()).await;
    Ok(())
}

/// Subscription ids as geth's: random hex quantities.
#[derive(Debug)]
struct HexIds;

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        SubscriptionId::Str(format!("{}", alloy_primitives::B128::random()).into())
    }
}
