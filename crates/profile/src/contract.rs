//! The RPCs that an endpoint may call, as plain data: this room knows no messages. Who makes the calls holds
//! this table against the contract's own descriptors, by a test.

/// What a field of a message holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A text, an enumeration's name among them.
    Text,
    /// Texts.
    Texts,
    /// Names with texts.
    Map,
    /// A duration: `30s`, `15m`, `24h`, `365d`.
    Duration,
    /// A moment.
    Time,
    /// A whole number.
    Number,
}

/// A field by its path, and what it holds.
pub type Field = (&'static str, Shape);

/// An RPC.
#[derive(Debug, PartialEq, Eq)]
pub struct Rpc {
    /// Its name, as a document writes it.
    pub name: &'static str,
    /// Its path on the wire.
    pub path: &'static str,
    /// What can be asked.
    pub asked: &'static [Field],
    /// What is answered, besides its list.
    pub answered: &'static [Field],
    /// The list that it answers page by page, and the fields of each item.
    pub list: Option<(&'static str, &'static [Field])>,
}

use Shape::{Duration, Map, Number, Text, Texts, Time};

macro_rules! key {
    ($($within:literal)? $(, $beside:literal)?) => {
        &[
            (concat!($($within,)? "id"), Text),
            (concat!($($within,)? "tenant_id"), Text),
            (concat!($($within,)? "name"), Text),
            (concat!($($within,)? "kind"), Text),
            (concat!($($within,)? "environment"), Text),
            (concat!($($within,)? "prefix"), Text),
            (concat!($($within,)? "hint"), Text),
            (concat!($($within,)? "scopes"), Texts),
            (concat!($($within,)? "bindings"), Map),
            (concat!($($within,)? "metadata"), Map),
            (concat!($($within,)? "state"), Text),
            (concat!($($within,)? "create_time"), Time),
            (concat!($($within,)? "expire_time"), Time),
            (concat!($($within,)? "revoke_time"), Time),
            (concat!($($within,)? "last_use_time"), Time),
            (concat!($($within,)? "created_by"), Text),
            (concat!($($within,)? "value"), Text),
            $(($beside, Text),)?
        ]
    };
}

const KEY: &[Field] = key!();
const REVOKED: &[Field] = key!("key.");
const MADE: &[Field] = key!("key.", "secret");

macro_rules! token {
    ($($more:expr),*) => {
        &[
            ("access_token", Text),
            ("token_type", Text),
            ("expires_in", Duration),
            ("refresh_token", Text),
            ("refresh_expires_in", Duration),
            ("scopes", Texts),
            $($more,)*
        ]
    };
}

const REFRESHED: &[Field] = token!();
const ISSUED: &[Field] =
    token!(("user.id", Text), ("user.email", Text), ("user.role", Text), ("user.bindings", Map));

/// Every RPC that an endpoint may call.
pub const RPCS: &[Rpc] = &[
    Rpc {
        name: "CreateKey",
        path: "/latchkey.v1.KeyService/CreateKey",
        asked: &[
            ("tenant", Text),
            ("name", Text),
            ("kind", Text),
            ("environment", Text),
            ("scopes", Texts),
            ("bindings", Map),
            ("expire_time", Text),
            ("ttl", Duration),
            ("allowed_networks", Texts),
            ("rate_limits", Map),
            ("metadata", Map),
            ("idempotency_key", Text),
        ],
        answered: MADE,
        list: None,
    },
    Rpc {
        name: "GetKey",
        path: "/latchkey.v1.KeyService/GetKey",
        asked: &[("id", Text)],
        answered: KEY,
        list: None,
    },
    Rpc {
        name: "ListKeys",
        path: "/latchkey.v1.KeyService/ListKeys",
        asked: &[("tenant", Text), ("kind", Text), ("environment", Text), ("state", Text), ("bindings", Map)],
        answered: &[],
        list: Some(("keys", KEY)),
    },
    Rpc {
        name: "RotateKey",
        path: "/latchkey.v1.KeyService/RotateKey",
        asked: &[("id", Text), ("overlap", Duration)],
        answered: MADE,
        list: None,
    },
    Rpc {
        name: "RevokeKey",
        path: "/latchkey.v1.KeyService/RevokeKey",
        asked: &[("id", Text), ("reason", Text)],
        answered: REVOKED,
        list: None,
    },
    Rpc {
        name: "GetPublishableKey",
        path: "/latchkey.v1.KeyService/GetPublishableKey",
        asked: &[("tenant", Text), ("environment", Text)],
        answered: KEY,
        list: None,
    },
    Rpc {
        name: "Check",
        path: "/latchkey.v1.CheckService/Check",
        asked: &[("tenant", Text), ("environment", Text), ("scopes", Texts), ("resource", Map)],
        answered: &[
            ("principal.tenant_id", Text),
            ("principal.tenant_slug", Text),
            ("principal.subject_type", Text),
            ("principal.subject_id", Text),
            ("principal.subject_name", Text),
            ("principal.kind", Text),
            ("principal.environment", Text),
            ("principal.scopes", Texts),
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
        asked: &[
            ("api_key", Text),
            ("password.email", Text),
            ("password.password", Text),
            ("tenant", Text),
            ("scopes", Texts),
            ("ttl", Duration),
        ],
        answered: ISSUED,
        list: None,
    },
    Rpc {
        name: "RefreshJwt",
        path: "/latchkey.v1.TokenService/RefreshJwt",
        asked: &[("refresh_token", Text), ("tenant", Text), ("scopes", Texts)],
        answered: REFRESHED,
        list: None,
    },
    Rpc {
        name: "RevokeJwt",
        path: "/latchkey.v1.TokenService/RevokeJwt",
        asked: &[("token", Text)],
        answered: &[("revision", Number)],
        list: None,
    },
];
