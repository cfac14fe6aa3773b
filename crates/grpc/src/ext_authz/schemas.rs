//! Schemas of the parts of a `CheckRequest` that no profile reads: the destination, the TLS session, the metadata of
//! other filters. Field numbers and types are those of Envoy's API and the well-known types.

use crate::wire::schema::FieldType::{Bytes, Entry, Fixed64, Message, Text, Varint};
use crate::wire::schema::Schema;

/// Schema of `AttributeContext` without its source, request and context extensions.
pub(super) static ATTRIBUTES: Schema = Schema::new([
    (2, Message(&DESTINATION)),
    (11, Message(&METADATA)),
    (12, Message(&TLS_SESSION)),
    (13, Message(&METADATA)),
]);

/// Schema of `AttributeContext.Peer` without its address.
pub(super) static PEER: Schema = Schema::new([(2, Text), (3, Entry(&TEXT_ENTRY)), (4, Text), (5, Text)]);

/// Schema of `AttributeContext.Request` without its HTTP part.
pub(super) static REQUEST: Schema = Schema::new([(1, Message(&TIMESTAMP))]);

/// Schema of `AttributeContext.HttpRequest` without the fields that a profile reads.
pub(super) static HTTP: Schema =
    Schema::new([(1, Text), (6, Text), (7, Text), (8, Text), (9, Varint), (10, Text)]);

/// Schema of `SocketAddress` without the address itself.
pub(super) static SOCKET_ADDRESS: Schema =
    Schema::new([(1, Varint), (3, Varint), (4, Text), (5, Text), (6, Varint), (7, Text)]);

/// Schema of `Pipe`.
pub(super) static PIPE: Schema = Schema::new([(1, Text), (2, Varint)]);

/// Schema of `EnvoyInternalAddress`.
pub(super) static INTERNAL_ADDRESS: Schema = Schema::new([(1, Text), (2, Text)]);

static DESTINATION: Schema =
    Schema::new([(1, Message(&ADDRESS)), (2, Text), (3, Entry(&TEXT_ENTRY)), (4, Text), (5, Text)]);

static ADDRESS: Schema =
    Schema::new([(1, Message(&WHOLE_SOCKET_ADDRESS)), (2, Message(&PIPE)), (3, Message(&INTERNAL_ADDRESS))]);

static WHOLE_SOCKET_ADDRESS: Schema =
    Schema::new([(1, Varint), (2, Text), (3, Varint), (4, Text), (5, Text), (6, Varint), (7, Text)]);

static TLS_SESSION: Schema = Schema::new([(1, Text)]);

static METADATA: Schema = Schema::new([(1, Entry(&STRUCT_ENTRY)), (2, Entry(&ANY_ENTRY))]);

static STRUCT_ENTRY: Schema = Schema::new([(1, Text), (2, Message(&STRUCT))]);

static ANY_ENTRY: Schema = Schema::new([(1, Text), (2, Message(&ANY))]);

static TEXT_ENTRY: Schema = Schema::new([(1, Text), (2, Text)]);

static ANY: Schema = Schema::new([(1, Text), (2, Bytes)]);

static TIMESTAMP: Schema = Schema::new([(1, Varint), (2, Varint)]);

static STRUCT: Schema = Schema::new([(1, Entry(&VALUE_ENTRY))]);

static VALUE_ENTRY: Schema = Schema::new([(1, Text), (2, Message(&VALUE))]);

static VALUE: Schema = Schema::new([
    (1, Varint),
    (2, Fixed64),
    (3, Text),
    (4, Varint),
    (5, Message(&STRUCT)),
    (6, Message(&LIST)),
]);

static LIST: Schema = Schema::new([(1, Message(&VALUE))]);
