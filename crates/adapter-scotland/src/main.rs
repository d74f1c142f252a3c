//! The sidecar of a Scottish tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    bulkhead_adapter::launch(
        "bulkhead-scotland",
        version,
        bulkhead_adapter_scotland::check,
        |system, config, drain| async {
            bulkhead_adapter_scotland::serve(system, config, drain).await?.stopped().await;
            Ok(())
        },
    )
}
