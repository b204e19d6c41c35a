//! The program. What it does is in `lensmeter::cli`.

use std::process::ExitCode;

/// A call allocates some hundred times on whatever thread it is on; glibc's arenas took a tenth of its time (`docs/decisions/0027`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    lensmeter::cli::main()
}
