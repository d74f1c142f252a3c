//! The sidecar of an English tenant.

use std::process::ExitCode;

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    bulkhead_adapter::launch(
        "bulkhead-england",
        version,
        bulkhead_adapter_england::check,
        |system, config, drain| async {
            bulkhead_adapter_england::serve(system, config, drain).await?.stopped().await;
            Ok(())
        },
    )
}
