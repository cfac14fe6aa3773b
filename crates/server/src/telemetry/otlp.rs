//! Traces and metrics by OTLP, to a collector. Whatever the collector does, Checks don't notice: spans go through a
//! bounded queue, and what doesn't fit is dropped and counted; sending is a task of its own.

mod metrics;
mod sampler;
mod ship;
mod spans;
mod words;

pub(crate) use ship::Shipper;
pub(crate) use spans::Spans;
