//! Commands to paste, which work unchanged in any shell.

use std::net::SocketAddr;

use super::demo::TENANT;
use crate::args::Secret;

/// Returns the commands for grpcurl and for this program.
pub(super) fn grpc_commands(grpc: SocketAddr, root: &Secret, key: &Secret) -> String {
    let (root, key, program) = (&root.0, &key.0, program());
    let check = |method: &str| {
        format!(
            "grpcurl -plaintext -d '{{\"credential\": \"{key}\", \"method\": \"{method}\", \"path\": \"/things\"}}' \
             {grpc} latchkey.v1.CheckService/Check"
        )
    };
    let check_command = |method: &str| {
        format!("{program} --server http://{grpc} check {key} --method {method} --path /things")
    };
    [
        format!("Latchkey serves gRPC on {grpc}.\n"),
        format!("  operator's key   {root}"),
        format!("  tenant {TENANT:?}    {key}\n"),
        "# The key may read: allowed.".to_owned(),
        check("GET"),
        "# It may not write: denied, and why.".to_owned(),
        check("POST"),
        check_command("GET"),
        check_command("POST"),
        "# The tenant's keys, as its operator sees them.".to_owned(),
        format!(
            "grpcurl -plaintext -H 'authorization: Bearer {root}' -d '{{\"tenant\": \"{TENANT}\"}}' {grpc} \
             latchkey.v1.KeyService/ListKeys"
        ),
        format!("LATCHKEY_API_KEY={root} {program} --server http://{grpc} key list --tenant {TENANT}"),
    ]
    .join("\n")
}

/// Returns the commands for curl, through Envoy.
pub(super) fn curl_commands(envoy: SocketAddr, key: &Secret) -> String {
    let curl = format!("curl -i -H 'x-api-key: {}'", key.0);
    let status = "-s -o /dev/null -w '%{http_code}\\n'";
    [
        format!(
            "\nEnvoy asks Latchkey about every request to {envoy}, and an echo service answers behind it.\n"
        ),
        "# 200, and what the service behind sees: who calls, but not the key.".to_owned(),
        format!("{curl} http://{envoy}/things"),
        "# 401: no key.".to_owned(),
        format!("curl -i http://{envoy}/things"),
        "# 403: a scope is missing.".to_owned(),
        format!("{curl} -X POST http://{envoy}/things"),
        "# 429 after 60 in a minute.".to_owned(),
        format!("for i in $(seq 70); do {curl} {status} http://{envoy}/things; done | sort | uniq -c")
            .replace(" -i ", " "),
    ]
    .join("\n")
}

/// Returns the path of this program, so that the printed commands work from any folder.
fn program() -> String {
    let path = std::env::current_exe().ok().map(|path| path.display().to_string());
    path.filter(|path| !path.contains([' ', '\''])).unwrap_or_else(|| "latchkey".to_owned())
}
