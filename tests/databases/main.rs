//! Databases as they are run: what fails is said in the database's own words wherever somebody looks.

mod causes;
mod hosts;
mod patience;
mod pooler;
mod program;
mod tls;
