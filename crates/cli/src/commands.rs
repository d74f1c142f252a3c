//! One file for each command: its arguments, what it asks, and what it shows.

pub mod apply;
pub mod audit;
pub mod completions;
pub mod cut;
pub mod cuts;
pub mod drill;
pub mod explain;
pub mod list;
pub mod pack;
pub mod restore;
pub mod send;
pub mod set_aside;
pub mod status;
pub mod trace;
pub mod watch;

use std::process::ExitCode;

use clap::Subcommand;

use crate::{Error, Exit, Global, Screen};

/// The commands.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Submit files as referrals, with a tenant's certificate.
    #[command(after_help = send::HELP)]
    Send(send::Send),
    /// Show one referral's life: every event, node, time, reason and omission.
    #[command(after_help = trace::HELP)]
    Trace(trace::Trace),
    /// List referrals, most urgent due first.
    #[command(after_help = list::HELP)]
    List(list::List),
    /// Show on one screen how all nations are, and what needs a person.
    #[command(after_help = status::HELP)]
    Status(status::Status),
    /// Show events as they happen.
    #[command(after_help = watch::HELP)]
    Watch(watch::Watch),
    /// Cut one environment off, or all of a supplier or nation: plan, confirm, cut, prove.
    #[command(after_help = cut::HELP)]
    Cut(cut::Cut),
    /// List the cuts; show one, stand by it, or take a mistaken one back.
    #[command(after_help = cuts::HELP)]
    Cuts(cuts::Cuts),
    /// Bring a scope back in stages: propose, approve, canary, limited, full.
    #[command(after_help = restore::HELP)]
    Restore(restore::Restore),
    /// What a cut tenant sent and nobody has released: list, show, release, reject.
    #[command(after_help = set_aside::QUARANTINE_HELP)]
    Quarantine(set_aside::Quarantine),
    /// What waits for a cut to end, or for a person: list, release, divert, return, mark-handled.
    #[command(after_help = set_aside::HELD_HELP)]
    Held(set_aside::Held),
    /// Write the continuity pack of a scope: what is set aside or unanswered there, to be printed.
    #[command(after_help = pack::HELP)]
    Pack(pack::Pack),
    /// Who did what: show, export, and verify offline.
    #[command(after_help = audit::HELP)]
    Audit(audit::Audit),
    /// Cut a synthetic tenant off and bring it back on the live system, measured.
    #[command(after_help = drill::HELP)]
    Drill(drill::Drill),
    /// Apply a directory, as a signed fact.
    #[command(after_help = apply::HELP)]
    Apply(apply::Apply),
    /// Explain an error code or a reason: what happened, what to check, what to do.
    #[command(after_help = explain::HELP)]
    Explain(explain::Explain),
    /// Write completions for a shell.
    #[command(after_help = completions::HELP)]
    Completions(completions::Completions),
}

/// Runs a command on the process's stdout and stderr. `whole` makes the binary's own command line, which
/// completions are written for.
pub async fn run(command: Command, global: Global, whole: fn() -> clap::Command) -> ExitCode {
    let mut screen = Screen::new(&global);
    execute(command, &global, whole, &mut screen).await.into()
}

/// Runs a command on a screen, and says on it what went wrong.
pub async fn execute(
    command: Command,
    global: &Global,
    whole: fn() -> clap::Command,
    screen: &mut Screen,
) -> Exit {
    match dispatch(command, global, whole, screen).await {
        Ok(exit) => exit,
        Err(error) => {
            screen.error(&error);
            error.exit()
        }
    }
}

async fn dispatch(
    command: Command,
    global: &Global,
    whole: fn() -> clap::Command,
    screen: &mut Screen,
) -> Result<Exit, Error> {
    match command {
        Command::Send(send) => send.run(global, screen).await,
        Command::Trace(trace) => trace.run(global, screen).await,
        Command::List(list) => list.run(global, screen).await,
        Command::Status(status) => status.run(global, screen).await,
        Command::Watch(watch) => watch.run(global, screen).await,
        Command::Cut(cut) => cut.run(global, screen).await,
        Command::Cuts(cuts) => cuts.run(global, screen).await,
        Command::Restore(restore) => restore.run(global, screen).await,
        Command::Quarantine(quarantine) => quarantine.run(global, screen).await,
        Command::Held(held) => held.run(global, screen).await,
        Command::Pack(pack) => pack.run(global, screen).await,
        Command::Audit(audit) => audit.run(global, screen).await,
        Command::Drill(drill) => drill.run(global, screen).await,
        Command::Apply(apply) => apply.run(global, screen).await,
        Command::Explain(explain) => explain.run(screen),
        Command::Completions(completions) => completions.run(whole(), screen),
    }
}

#[cfg(test)]
mod tests;
