//! What the `main` of every sidecar does alike: arguments, settings, telemetry, signals, exit code.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use bulkhead_process::{Drain, signals, telemetry};
use clap::Parser;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Config, Error, Settings};

/// The arguments of every sidecar.
#[derive(Debug, Parser)]
struct Arguments {
    /// The settings file.
    #[arg(long, env = "BULKHEAD_CONFIG")]
    config: PathBuf,
    /// Checks the settings and exits.
    #[arg(long)]
    check_config: bool,
    /// Prints the settings in force and exits.
    #[arg(long)]
    print_config: bool,
}

/// Runs a sidecar: `serve` gets its settings, its checked configuration and the drain, and returns when it has
/// stopped. `name` is the binary's, such as `bulkhead-wales`; `check` looks at the adapter's own section.
pub fn launch<S, C, F>(
    name: &'static str,
    version: &'static str,
    check: C,
    serve: impl FnOnce(S, Config, Drain) -> F,
) -> ExitCode
where
    S: DeserializeOwned + Serialize,
    C: FnOnce(&S) -> Result<(), Error>,
    F: Future<Output = Result<(), Error>>,
{
    let command = <Arguments as clap::CommandFactory>::command().name(name).version(version);
    let arguments = match <Arguments as clap::FromArgMatches>::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    };
    match run(name, version, &arguments, check, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run<S, C, F>(
    name: &'static str,
    version: &'static str,
    arguments: &Arguments,
    check: C,
    serve: impl FnOnce(S, Config, Drain) -> F,
) -> Result<(), Box<dyn std::error::Error>>
where
    S: DeserializeOwned + Serialize,
    C: FnOnce(&S) -> Result<(), Error>,
    F: Future<Output = Result<(), Error>>,
{
    let settings = Settings::<S>::load(&arguments.config)?;
    check(&settings.system)?;
    if arguments.print_config {
        print(&toml::to_string(&settings)?);
    }
    let config = Config::from_settings(&settings, format!("{name} {version}"))?;
    if arguments.check_config || arguments.print_config {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let _entered = runtime.enter();
    let telemetry = telemetry::install(name)?;
    let drain = Drain::new();
    signals::drain_on_signal(drain.clone())?;
    let served = runtime.block_on(serve(settings.system, config, drain));
    telemetry.shutdown();
    served.map_err(Into::into)
}

/// The settings name files, never secrets, so they are printed whole.
#[allow(clippy::print_stdout, reason = "this is what --print-config is for")]
fn print(text: &str) {
    print!("{text}");
}

#[allow(clippy::print_stderr, reason = "telemetry may not be there yet")]
fn say(error: &dyn std::error::Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    eprintln!("error: {text}");
}
