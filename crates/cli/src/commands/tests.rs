//! The command line as people type it.

use std::time::Duration;

use bulkhead_model::{Kind, Priority, State};
use clap::{CommandFactory, Parser};

use super::send::Wait;
use super::watch::Scope;
use super::*;
use crate::{Color, Output};

#[derive(Debug, Parser)]
#[command(name = "bulkhead")]
struct Line {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

fn parse(line: &str) -> Result<Line, String> {
    Line::try_parse_from(line.split_whitespace()).map_err(|error| error.to_string())
}

#[test]
fn the_command_line_is_sound() {
    Line::command().debug_assert();
}

#[test]
fn global_options_stand_before_and_behind_the_command() {
    let global = parse("bulkhead --context wales status --output json --quiet --timeout 2m").unwrap().global;
    assert_eq!(global.context.as_deref(), Some("wales"));
    assert_eq!((global.output, global.color, global.quiet), (Output::Json, Color::Auto, true));
    assert_eq!(global.timeout, Duration::from_secs(120));
    let global = parse("bulkhead status --as wales-duty --color never").unwrap().global;
    assert_eq!((global.operator.as_deref(), global.color), (Some("wales-duty"), Color::Never));
    assert_eq!(global.timeout, Global::default().timeout);
}

#[test]
fn send_takes_files_and_what_stands_on_the_envelope() {
    let line = "bulkhead send a.json b.json --from england/nhs111-north --to wales/triage --message-id M \
                --case C --kind update --priority emergency --deadline 2h --wait acknowledged";
    let Command::Send(send) = parse(line).unwrap().command else { panic!("not send") };
    assert_eq!(send.files.len(), 2);
    assert_eq!((send.kind, send.priority), (Kind::Update, Some(Priority::Emergency)));
    assert_eq!(send.wait, Wait::Acknowledged);
    let short = "bulkhead send a.json --from england/nhs111-north --to wales/triage";
    let Command::Send(send) = parse(short).unwrap().command else { panic!("not send") };
    assert_eq!((send.kind, send.priority, send.wait), (Kind::Request, None, Wait::Accepted));
}

#[test]
fn list_takes_several_states() {
    let line = "bulkhead list --state held --state parked --since 4h --overdue --limit 5";
    let Command::List(list) = parse(line).unwrap().command else { panic!("not list") };
    assert_eq!(list.state, [State::Held, State::Parked]);
    assert!(list.overdue && list.since.is_some() && list.limit == 5);
}

#[test]
fn watch_takes_a_tenant_or_a_nation() {
    let scope = |line: &str| match parse(line).unwrap().command {
        Command::Watch(watch) => watch.scope,
        _ => panic!("not watch"),
    };
    assert!(matches!(scope("bulkhead watch wales/wast-111"), Some(Scope::Tenant(_))));
    assert!(matches!(scope("bulkhead watch nation:scotland"), Some(Scope::Nation(_))));
    assert_eq!(scope("bulkhead watch"), None);
}

#[test]
fn what_cannot_be_meant_is_refused_with_what_could() {
    let check = |line: &str, expected: &str| {
        let error = parse(line).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    };
    check("bulkhead send --from england/a --to x", "<FILE>");
    check("bulkhead send a --from england --to x", "not of the form nation/name");
    check("bulkhead send a --from england/a --to x --kind reply", "expected request, update, cancel");
    check("bulkhead list --state lost", "expected one of accepted, routed");
    check("bulkhead list --limit 0", "1..=10000");
    check("bulkhead list --since yesterday", "neither a duration");
    check("bulkhead watch nation:france", "expected nation/name or nation:NAME");
    check("bulkhead status --timeout soon", "not a duration");
}

#[test]
fn every_help_ends_with_examples_and_exit_codes() {
    for command in Line::command().get_subcommands() {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(help.contains("Examples:\n  bulkhead "), "{}", command.get_name());
        let last = help.rsplit("\n\n").next().unwrap();
        assert!(last.starts_with("Exit codes: 0 "), "{}", command.get_name());
        let wrapped = help.lines().find(|line| line.chars().count() > 100);
        assert_eq!(wrapped, None, "{} is wrapped again on a wide terminal", command.get_name());
    }
}

#[tokio::test]
async fn completions_are_of_the_whole_command_line() {
    for (shell, expected) in
        [("bash", "complete -F _bulkhead"), ("zsh", "#compdef bulkhead"), ("fish", "complete -c bulkhead")]
    {
        let line = parse(&format!("bulkhead completions {shell}")).unwrap();
        let mut screen = Screen::memory(&line.global);
        assert_eq!(execute(line.command, &line.global, Line::command, &mut screen).await, Exit::Done);
        let (data, talk) = screen.told();
        assert!(data.contains(expected) && data.contains("trace"), "{shell}");
        assert_eq!(talk, "");
    }
}

#[tokio::test]
async fn explain_knows_every_code_and_says_where_it_does_not() {
    for (code, exit) in [("bh0002", Exit::Done), ("CANNOT_REACH", Exit::Done), ("BH-none", Exit::NotFound)] {
        let line = parse(&format!("bulkhead explain {code} --output json")).unwrap();
        let mut screen = Screen::memory(&line.global);
        assert_eq!(execute(line.command, &line.global, Line::command, &mut screen).await, exit, "{code}");
        let (data, talk) = screen.told();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&data).is_ok(), exit == Exit::Done);
        assert_eq!(talk.contains("hint: "), exit != Exit::Done, "{talk}");
    }
}
