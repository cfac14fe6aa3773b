//! Causes of failing databases, in the database's own words, at every place where an operator looks.

mod causes;
mod dialect;
mod distance;
mod hosts;
mod lookups;
mod patience;
mod pooler;
mod program;
mod rotation;
mod schema;
mod tls;
mod url;
