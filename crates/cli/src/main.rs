//! Entry point of the program `latchkey`, which the library beside this file implements.

use std::process::ExitCode;

/// Global allocator. In a measurement, a Check took a quarter less CPU time with it than with the system's allocator.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    latchkey_cli::run()
}
