//! grpcurl, which knows the service by server reflection alone, as a user without the `.proto` files does.

use std::process::Command;

use serde_json::Value;

use crate::tools;

/// Result of a call by grpcurl.
#[derive(Clone, Debug)]
pub struct GrpcurlOutput {
    /// True if the call succeeded.
    pub ok: bool,
    /// Standard output.
    pub out: String,
    /// Standard error; for a failed call, its status as JSON.
    pub err: String,
}

impl GrpcurlOutput {
    /// Returns the response.
    #[must_use]
    pub fn json(&self) -> Value {
        assert!(self.ok, "the call failed: {}", self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Returns the status of a call that failed.
    #[must_use]
    pub fn status(&self) -> Value {
        assert!(!self.ok, "the call succeeded: {}", self.out);
        let start = self.err.find('{').unwrap_or_else(|| panic!("no status in {self:?}"));
        serde_json::from_str(&self.err[start..]).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// Runs grpcurl against a port of this machine.
#[derive(Clone, Debug)]
pub struct Grpcurl {
    port: u16,
    headers: Vec<String>,
}

impl Grpcurl {
    /// Creates a grpcurl for this port.
    #[must_use]
    pub fn new(port: u16) -> Self {
        Self { port, headers: Vec::new() }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, header: &str) -> Self {
        self.headers.push(header.to_owned());
        self
    }

    /// Runs `grpcurl … list` or `describe`, which use reflection.
    #[must_use]
    pub fn reflect(&self, words: &[&str]) -> GrpcurlOutput {
        let mut command = self.command();
        command.arg(self.address()).args(words);
        run(&mut command)
    }

    /// Calls a method with JSON.
    #[must_use]
    pub fn call(&self, method: &str, message: &Value) -> GrpcurlOutput {
        let mut command = self.command();
        command.args(["-format-error", "-d", &message.to_string(), &self.address(), method]);
        run(&mut command)
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(tools::tool("grpcurl"));
        command.args(["-plaintext", "-max-time", "120"]);
        for header in &self.headers {
            command.args(["-H", header]);
        }
        command
    }
}

fn run(command: &mut Command) -> GrpcurlOutput {
    let output = command.output().expect("grpcurl starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    GrpcurlOutput { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
}
