//! The sidecar of a Northern Irish tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    bulkhead_adapter::launch(
        "bulkhead-northern-ireland",
        version,
        bulkhead_adapter_northern_ireland::check,
        |system, config, drain| async {
            bulkhead_adapter_northern_ireland::serve(system, config, drain).await?.stopped().await;
            Ok(())
        },
    )
}
