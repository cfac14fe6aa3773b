//! Rendering of the contract as `docs/api.md`.

use std::fmt::Write as _;

use latchkey_grpc::rpc_table::{CallerClass, find};

use crate::contract::{Contract, Field, Item, Rpc, Value};

const HEAD: &str = "\
# API reference

Every service, RPC and message of `latchkey.v1`, generated from the comments in `proto/latchkey/v1`. The services use gRPC, by
default on port 50051. The same port serves `envoy.service.auth.v3.Authorization` (Envoy's Check), `grpc.health.v1.Health`,
and server reflection, with which grpcurl needs no `.proto` files. [Client libraries](clients.md) shows clients in Rust,
Python, TypeScript and Go; [The tour](tour.md) is an introduction with examples.

- **Authentication**: the caller sends its credential in the metadata, as `authorization: Bearer KEY` or `x-api-key: KEY`, or
  uses a client certificate ([Deploying](deploy.md)). In a Check and in the RPCs of `TokenService`, the message contains the
  credential instead.
- **Callers**: *anyone* who reaches the port; *a key manager*, which is a key or user with the scope `api_keys.manage`, within
  its own tenant; *an operator*, for every tenant, with the named role or one that has more rights
  ([roles](operating.md#roles-of-operators)). Objects of another tenant are NOT_FOUND, as if they did not exist.
- **Pages**: a list has several pages. Send `next_page_token` of a response as `page_token` of the next request, with all other
  fields unchanged.
- **JSON** (grpcurl): field names are `lowerCamelCase`, a `Timestamp` is `\"2026-11-26T12:00:00Z\"`, a `Duration` is `\"3600s\"`,
  `bytes` are base64, a 64-bit number is a string, and empty fields are omitted.

## Errors

A denial is a response with the status OK. An error means that there is no response. It carries a `google.rpc.ErrorInfo` with a
reason and the domain `latchkey`.

| code | reason | meaning |
|---|---|---|
| INVALID_ARGUMENT | `INVALID_ARGUMENT` | Fields are invalid. `google.rpc.BadRequest` names all of them, up to 4 KiB. |
| NOT_FOUND | `NOT_FOUND` | The object does not exist, or the caller may not see it; the text is the same. The metadata entry `resource` names its type, `google.rpc.ResourceInfo` has the type and the name as the call has it. A text that is not the name of such an object, or may be a credential, is not repeated. |
| ALREADY_EXISTS | `ALREADY_EXISTS` | Another object has this name, value or idempotency key. |
| FAILED_PRECONDITION | `FAILED_PRECONDITION` | The object's state does not allow the operation: a revoked key can't be rotated. |
| UNAUTHENTICATED | `UNAUTHENTICATED` | The credential is missing or invalid. |
| UNAUTHENTICATED | `INVALID_LOGIN` | The tenant, the e-mail address or the password of a login is wrong. |
| PERMISSION_DENIED | `PERMISSION_DENIED` | The caller is authenticated but not allowed to do this. |
| RESOURCE_EXHAUSTED | `BUSY` | The service is busy. `google.rpc.RetryInfo` says when to retry. |
| UNAVAILABLE | `UNAVAILABLE` | A store did not answer, or refused the call, and nothing was decided. `RetryInfo` says when to retry. |
| UNAVAILABLE | `NOT_READY` | The replica is starting. `RetryInfo` says when to retry. |
| UNIMPLEMENTED | `UNIMPLEMENTED` | There is no such RPC. |
| INTERNAL | | An internal error. Only the log contains its cause. |
";

/// Returns the whole page.
pub(crate) fn of(contract: &Contract) -> String {
    let mut page = HEAD.to_owned();
    let links = Links(contract);
    page.push_str("\n## Services\n");
    for service in &contract.services {
        table(&mut page, service, "RPC | request | response | callers", |rpc| links.rpc(rpc));
    }
    page.push_str("\n## Messages\n");
    for message in &contract.messages {
        table(&mut page, message, "field | type |", |field| links.field(field));
    }
    page.push_str("\n## Enums\n");
    for item in &contract.enums {
        table(&mut page, item, "value | number |", value);
    }
    page
}

fn table<T>(page: &mut String, item: &Item<T>, head: &str, row: impl Fn(&T) -> String) {
    let Item { name, docs, members } = item;
    let _infallible = write!(page, "\n### {name}\n");
    if !docs.is_empty() {
        let _infallible = write!(page, "\n{}\n", table_cell(docs));
    }
    if members.is_empty() {
        page.push_str("\nNo fields.\n");
        return;
    }
    let columns = head.split('|').count();
    let _infallible = write!(page, "\n| {head} |\n{}|\n", "|---".repeat(columns));
    for member in members {
        let _infallible = writeln!(page, "| {} |", row(member));
    }
}

/// Links to the messages and enums of the page.
struct Links<'a>(&'a Contract);

impl Links<'_> {
    fn rpc(&self, rpc: &Rpc) -> String {
        let Rpc { name, path, request, response, docs } = rpc;
        let entry = find(path).expect("the table has every RPC");
        let scope = entry.operator_role.scope();
        let callers = match entry.caller_class {
            CallerClass::Anyone => "anyone".to_owned(),
            CallerClass::Authenticated => "every valid credential".to_owned(),
            CallerClass::KeyManager => format!("a key manager, or an operator with `{scope}`"),
            CallerClass::Operator => format!("an operator with `{scope}`"),
        };
        let (request, response) = (self.link(request), self.link(response));
        format!("**`{name}`**<br>{} | {request} | {response} | {callers}", table_cell(docs))
    }

    fn field(&self, field: &Field) -> String {
        let Field { name, label, kind, one_of, docs } = field;
        let choice = one_of.as_ref().map(|name| format!("One of `{name}`. ")).unwrap_or_default();
        format!("`{name}` | {label}{} | {choice}{}", self.link(kind), table_cell(docs))
    }

    /// Returns a name, as a link if the page describes it.
    fn link(&self, name: &str) -> String {
        let messages = self.0.messages.iter().map(|message| &message.name);
        let known = messages.chain(self.0.enums.iter().map(|item| &item.name)).any(|known| known == name);
        if known { format!("[{name}](#{})", name.to_lowercase()) } else { format!("`{name}`") }
    }
}

fn value(value: &Value) -> String {
    format!("`{}` | {} | {}", value.name, value.number, table_cell(&value.docs))
}

/// Escapes a text for a cell of a table.
fn table_cell(docs: &str) -> String {
    docs.replace('|', "\\|").replace('<', "&lt;")
}
