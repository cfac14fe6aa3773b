//! One port: the listener, the service of its calls, and whether it speaks TLS.

use std::sync::Arc;

use crate::listen::Listener;
use crate::tls::Acceptor;

/// What is particular to one port.
pub struct PortConfig<M> {
    /// Makes the service of each of its connections.
    pub service: M,
    /// Where it speaks TLS.
    pub tls: Option<Acceptor>,
}

/// A port that is bound.
pub struct BoundPort<M> {
    /// Accepts its connections.
    pub listener: Arc<Listener>,
    /// Serves them.
    pub port: Arc<PortConfig<M>>,
}

impl<M> Clone for BoundPort<M> {
    fn clone(&self) -> Self {
        Self { listener: Arc::clone(&self.listener), port: Arc::clone(&self.port) }
    }
}

impl<M> PortConfig<M> {
    /// Keeps up with its certificate until it is dropped.
    pub async fn watch_files(&self) {
        match &self.tls {
            Some(acceptor) => acceptor.watch_files().await,
            None => std::future::pending().await,
        }
    }
}
