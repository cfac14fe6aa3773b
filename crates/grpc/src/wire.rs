//! Protobuf's wire format, as far as Envoy's Check needs it. A reader that borrows instead of copying and a writer
//! into one buffer cost a tenth of decoding into owned maps. The reader accepts and rejects the same messages as
//! prost, which tests check with `envoy-types`.

pub(crate) mod frame;
pub(crate) mod reader;
pub(crate) mod scan;
pub(crate) mod schema;
pub(crate) mod writer;
