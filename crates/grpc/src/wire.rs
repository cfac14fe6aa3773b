//! Protobuf's wire format, as far as Envoy's question and its answer need it. A reader that borrows instead
//! of copying and a writer into one buffer cost a tenth of decoding into owned maps. What the reader takes
//! and refuses is what prost takes and refuses, which tests hold against `envoy-types`.

pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod scan;
pub(crate) mod schema;
pub(crate) mod writer;
