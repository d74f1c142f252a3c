//! What a person sees when the demo world is up.

use std::path::Path;
use std::{env, fs};

use anyhow::Result;
use bulkhead_format_bars::{SampleReferral, SampleService, Syntax};
use jiff::Timestamp;

use super::tenants::Tenants;
use super::world;

/// A referral to try the commands with.
const SAMPLE: &str = "sample-referral.xml";

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
    let bulkhead = program();
    println!("\nTry, in another terminal in this folder:");
    println!("  {bulkhead}{context} status");
    let sample = data_dir.join(SAMPLE);
    println!(
        "  {bulkhead}{context} send {} --from england/nhs111-north --to wales/cardiff-ooh --wait acknowledged",
        sample.display()
    );
    println!("  {bulkhead}{context} list");
    println!("  {bulkhead}{context} watch");
    println!("  {bulkhead}{context} explain SERVICE_UNKNOWN\n");
}

/// How this very binary is called: by its name where a shell finds it, else by its path.
fn program() -> String {
    const NAME: &str = "bulkhead";
    let Ok(own) = env::current_exe().and_then(fs::canonicalize) else { return NAME.to_owned() };
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|dir| dir.join(NAME)).find(|place| place.is_file());
    if found.and_then(|found| found.canonicalize().ok()).as_ref() == Some(&own) {
        return NAME.to_owned();
    }
    let here = env::current_dir().unwrap_or_default();
    own.strip_prefix(&here).unwrap_or(&own).display().to_string()
}

/// Writes a referral from the first tenant to the fourth, of the median size of real ones.
pub(super) fn write_sample(data_dir: &Path) -> Result<()> {
    let service = |index: usize| {
        let demo = &world::TENANTS[index];
        SampleService::new(demo.dos, demo.organisation, demo.service)
    };
    let sample = SampleReferral::new(1).sized(57_000).between(service(0), service(3));
    let sample = SampleReferral { at: Timestamp::now(), ..sample };
    fs::write(data_dir.join(SAMPLE), sample.build(Syntax::Xml).write()?)?;
    Ok(())
}

/// The line that scripts wait for.
#[allow(clippy::print_stdout, reason = "this is the command's output")]
pub(super) fn ready() {
    println!("ready");
}
