//! The binary.

mod allocator;

fn main() -> std::process::ExitCode {
    allocator::give_back_soon();
    domicile_server::commands::run()
}
