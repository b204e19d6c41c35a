//! The program. What it does is in `lensmeter::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    lensmeter::cli::main()
}
