//! Compiles proto/bulkhead/v1 in pure Rust; the same descriptors serve gRPC reflection.

use std::path::PathBuf;

use prost::Message;

const FILES: [&str; 8] = ["types", "cuts", "ingest", "referrals", "delivery", "border", "records", "control"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let files: Vec<PathBuf> =
        FILES.iter().map(|name| root.join(format!("bulkhead/v1/{name}.proto"))).collect();
    for file in &files {
        println!("cargo:rerun-if-changed={}", file.display());
    }
    let descriptors = protox::compile(&files, [&root])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
