//! The one binary.

fn main() -> std::process::ExitCode {
    sluicegate::cli::main(std::env::args_os())
}
