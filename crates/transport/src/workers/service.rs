//! Service of a connection's calls. The composition root supplies it as a type, so that a call costs no dispatch at run
//! time.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::service::Service;
use latchkey_core::principal::ClientCertificate;

use crate::listen::PeerAddress;

/// Factory of a service for each connection of a port.
pub trait MakeService: Send + Sync + 'static {
    /// Body of its responses.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;

    /// Service of one connection. Its calls are first polled on the connection's task, and most are ready then.
    type Service: Service<
            Request<Incoming>,
            Response = Response<Self::Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + Send
        + 'static;

    /// Makes the service for the calls of this client.
    fn make_service(&self, peer: Peer) -> Self::Service;
}

/// Connected client.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address of the client.
    pub address: PeerAddress,
    /// Verified certificate of the client, if the port asks for one.
    pub certificate: Option<ClientCertificate>,
}
