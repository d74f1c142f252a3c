//! The sidecar of a Welsh tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    bulkhead_adapter::launch(
        "bulkhead-wales",
        version,
        bulkhead_adapter_wales::check,
        |system, config, drain| async {
            bulkhead_adapter_wales::serve(system, config, drain).await?.stopped().await;
            Ok(())
        },
    )
}
