//! Arguments of `latchkey dev`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::globals::variable;

/// Addresses that the parts listen on.
#[derive(Args, Debug)]
pub(crate) struct DevArgs {
    /// Address of the gRPC port; 127.0.0.1:50051 by default (`LATCHKEY_GRPC_ADDR`)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) grpc_addr: Option<SocketAddr>,
    /// Address of the HTTP port: /livez, /readyz, /metrics and the key set; 127.0.0.1:8081 by default
    /// (`LATCHKEY_HTTP_ADDR`)
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http_addr: Option<SocketAddr>,
    /// Start an Envoy in front of an echo service too
    ///
    /// The program is searched for in `LATCHKEY_ENVOY`, in PATH, and at ./.tools/bin/envoy.
    #[arg(long)]
    pub(crate) envoy: bool,
    /// Path of Envoy's program (`LATCHKEY_ENVOY`)
    #[arg(long, value_name = "FILE", requires = "envoy")]
    pub(crate) envoy_binary: Option<PathBuf>,
    /// Address of that Envoy
    #[arg(long, default_value = "127.0.0.1:10000", value_name = "ADDRESS", requires = "envoy")]
    pub(crate) envoy_addr: SocketAddr,
    /// Address of the echo service behind it; a free port by default
    #[arg(
        long,
        default_value = "127.0.0.1:0",
        hide_default_value = true,
        value_name = "ADDRESS",
        requires = "envoy"
    )]
    pub(crate) echo_addr: SocketAddr,
}

impl DevArgs {
    /// Returns the arguments, completed by the environment.
    pub(crate) fn resolve(self) -> Self {
        let envoy_binary = self.envoy_binary.or_else(|| variable("LATCHKEY_ENVOY").map(PathBuf::from));
        Self { envoy_binary, ..self }
    }
}
