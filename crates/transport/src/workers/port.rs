//! A port: its listener, its service and its TLS configuration.

use std::sync::Arc;

use crate::listen::Listener;
use crate::tls::Acceptor;

/// Configuration of a port.
pub struct PortConfig<M> {
    /// Factory of the services of the port's connections.
    pub service: M,
    /// TLS acceptor; `None` for plain text.
    pub tls: Option<Acceptor>,
}

/// Bound port.
pub struct BoundPort<M> {
    /// Listener that accepts the port's connections.
    pub listener: Arc<Listener>,
    /// Configuration that the connections are served with.
    pub port: Arc<PortConfig<M>>,
}

impl<M> Clone for BoundPort<M> {
    fn clone(&self) -> Self {
        Self { listener: Arc::clone(&self.listener), port: Arc::clone(&self.port) }
    }
}

impl<M> PortConfig<M> {
    /// Reads the TLS files again whenever they change, until the future is dropped.
    pub async fn watch_files(&self) {
        match &self.tls {
            Some(acceptor) => acceptor.watch_files().await,
            None => std::future::pending().await,
        }
    }
}
