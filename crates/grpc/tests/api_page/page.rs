//! The contract as a page of the handbook.

use std::fmt::Write as _;

use latchkey_grpc::rpc_table::{CallerClass, find};

use crate::contract::{Contract, Field, Item, Rpc, Value};

const HEAD: &str = "\
# API reference

Every service, call and message of `latchkey.v1`, made from the comments of the files in `proto/latchkey/v1`; gRPC, on the port
that is 50051 where nothing else is set. The same port serves `envoy.service.auth.v3.Authorization` (what Envoy asks),
`grpc.health.v1.Health`, and reflection, by which grpcurl knows all of this without a file. Callers in Rust, Python,
TypeScript and Go are in [Client libraries](clients.md), a first walk through it in [The tour](tour.md).

- **CallerClass calls** is told in the metadata: `authorization: Bearer KEY` or `x-api-key: KEY`, or by a client certificate
  ([Deploying](deploy.md)). A check, and the calls for tokens, carry what is judged in the message instead.
- **CallerClass may**: *anyone* who reaches the port; *a key manager*, which is a key or user with the scope `api_keys.manage`, within its
  own tenant; *an operator*, anywhere. Another tenant's things are NOT_FOUND, as if there were none.
- **Lists** come in pages: `next_page_token` of an answer is `page_token` of the next call, with everything else as it was.
- **As JSON** (grpcurl), links are `lowerCamelCase`, a `Timestamp` is `\"2026-11-26T12:00:00Z\"`, a `Duration` `\"3600s\"`, `bytes`
  are base64, a 64-bit number is a string, and what is empty is left out.

## Errors

A denial is an answer with the status OK. An error means that there is no answer; it carries `google.rpc.ErrorInfo` with a
reason and the domain `latchkey`.

| code | reason | what it says |
|---|---|---|
| INVALID_ARGUMENT | `INVALID_ARGUMENT` | fields are wrong: `google.rpc.BadRequest` links every one of them, as far as 4 KiB go |
| NOT_FOUND | `NOT_FOUND` | there is none that the caller may know of; the metadata says of what (`resource`) |
| ALREADY_EXISTS | `ALREADY_EXISTS` | something else has that name, value or idempotency key |
| FAILED_PRECONDITION | `FAILED_PRECONDITION` | it isn't in a state that allows this: a revoked key can't be rotated |
| UNAUTHENTICATED | `UNAUTHENTICATED` | nobody said who they are, or not truly |
| PERMISSION_DENIED | `PERMISSION_DENIED` | known, and not allowed |
| RESOURCE_EXHAUSTED | `BUSY` | more than can be done at once; `google.rpc.RetryInfo` says when to ask again |
| UNAVAILABLE | `UNAVAILABLE` | a store could not be asked, and nothing was decided; with `RetryInfo` |
| UNAVAILABLE | `NOT_READY` | it is starting; with `RetryInfo` |
| UNIMPLEMENTED | `UNIMPLEMENTED` | there is no such call |
| INTERNAL | | a fault of ours; what it was stands in the log alone |
";

/// The whole page.
pub(crate) fn of(contract: &Contract) -> String {
    let mut page = HEAD.to_owned();
    let links = Links(contract);
    page.push_str("\n## Services\n");
    for service in &contract.services {
        table(&mut page, service, "call | takes | answers | who may", |rpc| links.rpc(rpc));
    }
    page.push_str("\n## Messages\n");
    for message in &contract.messages {
        table(&mut page, message, "field | type |", |field| links.field(field));
    }
    page.push_str("\n## Enums\n");
    for one in &contract.enums {
        table(&mut page, one, "value | number |", value);
    }
    page
}

fn table<T>(page: &mut String, thing: &Item<T>, head: &str, row: impl Fn(&T) -> String) {
    let Item { name, docs, members } = thing;
    let _infallible = write!(page, "\n### {name}\n");
    if !docs.is_empty() {
        let _infallible = write!(page, "\n{}\n", table_cell(docs));
    }
    if members.is_empty() {
        page.push_str("\nNothing is in it.\n");
        return;
    }
    let columns = head.split('|').count();
    let _infallible = write!(page, "\n| {head} |\n{}|\n", "|---".repeat(columns));
    for part in members {
        let _infallible = writeln!(page, "| {} |", row(part));
    }
}

/// What there is to link to.
struct Links<'a>(&'a Contract);

impl Links<'_> {
    fn rpc(&self, rpc: &Rpc) -> String {
        let Rpc { name, path, request, response, docs } = rpc;
        let who = match find(path).expect("a test of the table holds that it has every call").caller_class {
            CallerClass::Anyone => "anyone",
            CallerClass::KeyManager => "a key manager",
            CallerClass::Operator => "an operator",
        };
        let (request, response) = (self.link(request), self.link(response));
        format!("**`{name}`**<br>{} | {request} | {response} | {who}", table_cell(docs))
    }

    fn field(&self, field: &Field) -> String {
        let Field { name, label, kind, one_of, docs } = field;
        let choice = one_of.as_ref().map(|one| format!("One of `{one}`. ")).unwrap_or_default();
        format!("`{name}` | {label}{} | {choice}{}", self.link(kind), table_cell(docs))
    }

    /// The name, as a link where the page tells of it.
    fn link(&self, name: &str) -> String {
        let messages = self.0.messages.iter().map(|message| &message.name);
        let known = messages.chain(self.0.enums.iter().map(|one| &one.name)).any(|known| known == name);
        if known { format!("[{name}](#{})", name.to_lowercase()) } else { format!("`{name}`") }
    }
}

fn value(value: &Value) -> String {
    format!("`{}` | {} | {}", value.name, value.number, table_cell(&value.docs))
}

/// As text of a table.
fn table_cell(docs: &str) -> String {
    docs.replace('|', "\\|").replace('<', "&lt;")
}
