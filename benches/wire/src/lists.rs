//! A client that reads pages of keys, and measures each kind of list.

use latchkey_proto::v1;
use tokio::time::Instant;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use v1::key_service_client::KeyServiceClient;

use crate::client::BoxError;

/// Options of the client.
pub(crate) struct ListOptions {
    /// Address of the server.
    pub(crate) address: String,
    /// Key of an operator.
    pub(crate) operator: String,
    /// Number of first pages that are read of each list.
    pub(crate) pages: usize,
    /// Hint of a key that is looked up.
    pub(crate) hint: String,
}

/// Tenant of the benchmark.
const TENANT: &str = "bench";
/// Time before which a few keys of the benchmark expire, in seconds.
const SOON: i64 = 4_000_000_100;

/// Lists by name: one tenant's and all tenants', each by its order and by its filters.
fn lists(hint: &str) -> Vec<(String, v1::ListKeysRequest)> {
    let mut lists = Vec::new();
    for all_tenants in [false, true] {
        let tenant = if all_tenants { String::new() } else { TENANT.to_owned() };
        let base = v1::ListKeysRequest { tenant, all_tenants, ..v1::ListKeysRequest::default() };
        let mut add = |name: &str, request| {
            let of = if all_tenants { "all tenants" } else { "one tenant" };
            lists.push((format!("{of}, {name}"), request));
        };
        for order in ["created", "name", "last_used", "expires"] {
            let order_by = format!("{order} desc");
            add(&format!("by {order}"), v1::ListKeysRequest { order_by, ..base.clone() });
        }
        add("last four characters", v1::ListKeysRequest { hint: hint.to_owned(), ..base.clone() });
        let named = v1::ListKeysRequest { name_contains: "key 77".to_owned(), ..base.clone() };
        add("name contains, many match", named);
        let absent = v1::ListKeysRequest { name_contains: "no key has this".to_owned(), ..base.clone() };
        add("name contains, none matches", absent);
        add("never used", v1::ListKeysRequest { never_used: true, ..base.clone() });
        let mut soon = base.clone();
        soon.expires_before.get_or_insert_default().seconds = SOON;
        add("expires before, a few", soon);
        let states = vec![v1::KeyState::Revoked.into()];
        add("revoked, a few", v1::ListKeysRequest { states, ..base.clone() });
        let scopes = vec!["no such scope".to_owned()];
        add("scope, none matches", v1::ListKeysRequest { scopes, order_by: "name".to_owned(), ..base });
    }
    lists
}

/// Reads pages of each list, following its tokens, and prints a line of JSON for each.
pub(crate) async fn run(options: ListOptions) -> Result<(), BoxError> {
    let channel = Endpoint::from_shared(format!("http://{}", options.address))?.connect().await?;
    let mut keys = KeyServiceClient::new(channel).max_decoding_message_size(64 << 20);
    let bearer: MetadataValue<Ascii> = format!("Bearer {}", options.operator).parse()?;
    for (name, request) in lists(&options.hint) {
        let (mut times, mut found) = (Vec::new(), 0);
        let mut page_token = String::new();
        while times.len() < options.pages {
            let next = v1::ListKeysRequest { page_token, ..request.clone() };
            let (time, page) = read(&mut keys, next, &bearer).await?;
            times.push(time);
            found += page.keys.len();
            page_token = page.next_page_token;
        }
        times.sort_unstable();
        let at =
            |share: usize| times.get(times.len() * share / 100).or(times.last()).copied().unwrap_or_default();
        let (pages, p50, p99) = (times.len(), at(50), at(99));
        #[expect(clippy::print_stdout, reason = "the program prints its result")]
        {
            println!(r#"{{"list":"{name}","pages":{pages},"keys":{found},"p50_us":{p50},"p99_us":{p99}}}"#);
        }
    }
    Ok(())
}

async fn read(
    keys: &mut KeyServiceClient<Channel>,
    request: v1::ListKeysRequest,
    bearer: &MetadataValue<Ascii>,
) -> Result<(u128, v1::ListKeysResponse), BoxError> {
    let mut request = Request::new(request);
    request.metadata_mut().insert("authorization", bearer.clone());
    let start = Instant::now();
    let page = keys.list_keys(request).await?.into_inner();
    Ok((start.elapsed().as_micros(), page))
}
