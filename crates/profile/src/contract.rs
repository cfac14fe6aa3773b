//! The RPCs that an endpoint may call, as plain data, because this crate does not use the generated messages. A
//! test of the crate that makes the calls compares this table with the contract's descriptors.

/// Type of a field of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A text or the name of an enumeration's value.
    Text,
    /// A list of texts.
    TextList,
    /// Texts by name.
    Map,
    /// A duration: `30s`, `15m`, `24h`, `365d`.
    Duration,
    /// A time in RFC 3339.
    Time,
    /// A whole number.
    Number,
    /// True or false.
    Flag,
}

/// Path and type of a field.
pub type Field = (&'static str, FieldType);

/// An RPC that an endpoint may call.
#[derive(Debug, PartialEq, Eq)]
pub struct Rpc {
    /// The name of the RPC in documents.
    pub name: &'static str,
    /// The gRPC path.
    pub path: &'static str,
    /// Fields of the request that a document may fill.
    pub request_fields: &'static [Field],
    /// Fields of the response, apart from its list.
    pub response_fields: &'static [Field],
    /// The list that the RPC returns in pages, and the fields of each item.
    pub list: Option<(&'static str, &'static [Field])>,
}

use FieldType::{Duration, Flag, Map, Number, Text, TextList, Time};

macro_rules! key {
    ($($prefix:literal)? $(, $extra:literal)?) => {
        &[
            (concat!($($prefix,)? "id"), Text),
            (concat!($($prefix,)? "tenant_id"), Text),
            (concat!($($prefix,)? "name"), Text),
            (concat!($($prefix,)? "kind"), Text),
            (concat!($($prefix,)? "environment"), Text),
            (concat!($($prefix,)? "prefix"), Text),
            (concat!($($prefix,)? "hint"), Text),
            (concat!($($prefix,)? "scopes"), TextList),
            (concat!($($prefix,)? "bindings"), Map),
            (concat!($($prefix,)? "metadata"), Map),
            (concat!($($prefix,)? "state"), Text),
            (concat!($($prefix,)? "create_time"), Time),
            (concat!($($prefix,)? "expire_time"), Time),
            (concat!($($prefix,)? "revoke_time"), Time),
            (concat!($($prefix,)? "last_use_time"), Time),
            (concat!($($prefix,)? "created_by"), Text),
            (concat!($($prefix,)? "value"), Text),
            $(($extra, Text),)?
        ]
    };
}

const KEY: &[Field] = key!();
const NESTED_KEY: &[Field] = key!("key.");
const KEY_AND_SECRET: &[Field] = key!("key.", "secret");

macro_rules! token {
    ($($extra:expr),*) => {
        &[
            ("access_token", Text),
            ("token_type", Text),
            ("expires_in", Duration),
            ("refresh_token", Text),
            ("refresh_expires_in", Duration),
            ("scopes", TextList),
            $($extra,)*
        ]
    };
}

const TOKENS: &[Field] = token!();
const TOKENS_AND_USER: &[Field] =
    token!(("user.id", Text), ("user.email", Text), ("user.role", Text), ("user.bindings", Map));

/// Pairs of fields of a request of which it can have one (`oneof`).
pub const ALTERNATIVES: &[(&str, &str)] = &[("expire_time", "ttl"), ("api_key", "password")];

/// All RPCs that an endpoint may call.
pub const RPCS: &[Rpc] = &[
    Rpc {
        name: "CreateKey",
        path: "/latchkey.v1.KeyService/CreateKey",
        request_fields: &[
            ("tenant", Text),
            ("name", Text),
            ("kind", Text),
            ("environment", Text),
            ("scopes", TextList),
            ("all_scopes", Flag),
            ("bindings", Map),
            ("expire_time", Text),
            ("ttl", Duration),
            ("allowed_networks", TextList),
            ("rate_limits", Map),
            ("metadata", Map),
            ("idempotency_key", Text),
        ],
        response_fields: KEY_AND_SECRET,
        list: None,
    },
    Rpc {
        name: "GetKey",
        path: "/latchkey.v1.KeyService/GetKey",
        request_fields: &[("id", Text)],
        response_fields: KEY,
        list: None,
    },
    Rpc {
        name: "ListKeys",
        path: "/latchkey.v1.KeyService/ListKeys",
        request_fields: &[
            ("tenant", Text),
            ("kind", Text),
            ("environment", Text),
            ("state", Text),
            ("bindings", Map),
            ("name_contains", Text),
            ("hint", Text),
            ("created_by", Text),
            ("last_used_after", Text),
            ("last_used_before", Text),
            ("expires_after", Text),
            ("expires_before", Text),
            ("created_after", Text),
            ("created_before", Text),
            ("scopes", TextList),
            ("order_by", Text),
        ],
        response_fields: &[],
        list: Some(("keys", KEY)),
    },
    Rpc {
        name: "RotateKey",
        path: "/latchkey.v1.KeyService/RotateKey",
        request_fields: &[("id", Text), ("overlap", Duration), ("expire_time", Text), ("ttl", Duration)],
        response_fields: KEY_AND_SECRET,
        list: None,
    },
    Rpc {
        name: "RevokeKey",
        path: "/latchkey.v1.KeyService/RevokeKey",
        request_fields: &[("id", Text), ("reason", Text)],
        response_fields: NESTED_KEY,
        list: None,
    },
    Rpc {
        name: "GetPublishableKey",
        path: "/latchkey.v1.KeyService/GetPublishableKey",
        request_fields: &[("tenant", Text), ("environment", Text), ("kind", Text), ("bindings", Map)],
        response_fields: KEY,
        list: None,
    },
    Rpc {
        name: "Check",
        path: "/latchkey.v1.CheckService/Check",
        request_fields: &[("tenant", Text), ("environment", Text), ("scopes", TextList), ("resource", Map)],
        response_fields: &[
            ("principal.tenant_id", Text),
            ("principal.tenant_slug", Text),
            ("principal.subject_type", Text),
            ("principal.subject_id", Text),
            ("principal.subject_name", Text),
            ("principal.kind", Text),
            ("principal.environment", Text),
            ("principal.scopes", TextList),
            ("principal.bindings", Map),
            ("principal.expire_time", Time),
            ("principal.role", Text),
            ("revision", Number),
        ],
        list: None,
    },
    Rpc {
        name: "IssueJwt",
        path: "/latchkey.v1.TokenService/IssueJwt",
        request_fields: &[
            ("api_key", Text),
            ("password.email", Text),
            ("password.password", Text),
            ("tenant", Text),
            ("scopes", TextList),
            ("audience", Text),
            ("ttl", Duration),
        ],
        response_fields: TOKENS_AND_USER,
        list: None,
    },
    Rpc {
        name: "RefreshJwt",
        path: "/latchkey.v1.TokenService/RefreshJwt",
        request_fields: &[("refresh_token", Text), ("tenant", Text), ("scopes", TextList)],
        response_fields: TOKENS,
        list: None,
    },
    Rpc {
        name: "RevokeJwt",
        path: "/latchkey.v1.TokenService/RevokeJwt",
        request_fields: &[("token", Text)],
        response_fields: &[("revision", Number)],
        list: None,
    },
];
