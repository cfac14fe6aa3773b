//! Turns `proto/` into Rust, and into the descriptor set that server reflection serves.
//! protox compiles the files itself, so no protoc has to be installed.

use std::error::Error;
use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 9] = [
    "latchkey/v1/callers.proto",
    "latchkey/v1/check.proto",
    "latchkey/v1/keys.proto",
    "latchkey/v1/profile_changes.proto",
    "latchkey/v1/shadow.proto",
    "latchkey/v1/tenants.proto",
    "latchkey/v1/tokens.proto",
    "latchkey/v1/usage.proto",
    "envoy/service/auth/v3/external_auth.proto",
];

/// Messages that carry a secret; `proto/redact.rs` writes their `Debug`.
const REDACTED: [&str; 19] = [
    ".latchkey.v1.CheckRequest",
    ".latchkey.v1.Key",
    ".latchkey.v1.CreateKeyResponse",
    ".latchkey.v1.RotateKeyResponse",
    ".latchkey.v1.ImportedKey",
    ".latchkey.v1.ImportedKey.secret",
    ".latchkey.v1.ImportedHash",
    ".latchkey.v1.SetProfileSecretRequest",
    ".latchkey.v1.IssueJwtRequest",
    ".latchkey.v1.IssueJwtRequest.grant",
    ".latchkey.v1.PasswordGrant",
    ".latchkey.v1.RefreshJwtRequest",
    ".latchkey.v1.IssueJwtResponse",
    ".latchkey.v1.RefreshJwtResponse",
    ".latchkey.v1.RevokeJwtRequest",
    ".latchkey.v1.CreateUserRequest",
    ".latchkey.v1.SetUserPasswordRequest",
    ".envoy.service.auth.v3.AttributeContext.HttpRequest",
    ".envoy.config.core.v3.HeaderValue",
];

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script where to write by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .include_file("contract.rs")
        .skip_debug(REDACTED)
        .compile_fds(descriptors)?;
    Ok(())
}
