//! What a person sees when the demo world is up.

use std::path::Path;

use super::tenants::Tenants;

/// The tenants with their addresses, and five commands to try.
#[allow(clippy::print_stdout, reason = "this is the command's output")]
pub(super) fn print(data_dir: &Path, tenants: &Tenants) {
    println!("DEMO: four nations on this machine, data in {}\n", data_dir.display());
    println!("{:<30} {:<8} {:<22} sidecar listens on", "tenant", "speaks", "simulator");
    for (id, protocol, simulator, sidecar) in tenants.addresses() {
        println!("{id:<30} {protocol:<8} {:<22} {sidecar}", format!("http://{simulator}"));
    }
    let context = match data_dir.to_str() {
        Some(".bulkhead") | None => String::new(),
        Some(dir) => format!(" --context {dir}/dev.json"),
    };
    println!("\nTry:");
    println!("  bulkhead{context} status");
    println!(
        "  bulkhead{context} send README.md --from england/nhs111-north --to england/riverside-ooh --wait delivered"
    );
    println!("  bulkhead{context} list");
    println!("  bulkhead{context} watch");
    println!("  bulkhead{context} explain SERVICE_UNKNOWN\n");
}

/// The line that scripts wait for.
#[allow(clippy::print_stdout, reason = "this is the command's output")]
pub(super) fn ready() {
    println!("ready");
}
