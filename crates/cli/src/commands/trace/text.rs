//! A life as text: what it is, where it is, and how it came there.

use jiff::Timestamp;

use super::{Matches, Traced};
use crate::screen::Paint;
use crate::table::{Cell, Table, plain, thousands};
use crate::time::{distance, local, utc};
use crate::view::{Look, Referral, Step, Unanswered, state_paint};

/// One referral's life.
pub(super) fn render(traced: &Traced, look: &Look) -> String {
    let (life, paint) = (&traced.life, look.paint);
    let mut text = traced.world.banner(look);
    text.push_str(&heading(&life.referral, paint));
    for (name, value) in facts(&life.referral, look) {
        text.push_str(&format!("  {}{}\n", paint.dim(&format!("{name:<12}")), value));
    }
    if life.cells.len() > 1 {
        for cell in &life.cells {
            let state = state_paint(&cell.state)(paint, &cell.state);
            text.push_str(&format!(
                "  {}{state}\n",
                paint.dim(&format!("{:<12}", format!("in {}", short(&cell.nation))))
            ));
        }
    }
    text.push('\n');
    text.push_str(&steps(&life.steps, look));
    text.push_str(&unanswered(&traced.unanswered, paint));
    text
}

/// Those that an id fits.
pub(super) fn render_matches(matches: &Matches, look: &Look) -> String {
    let mut table =
        Table::new(&["referral", "from", "message id", "case", "kind", "state", "accepted (UTC)"]);
    for one in &matches.matches {
        table.row([
            one.referral_id.as_str().into(),
            one.tenant.as_str().into(),
            one.message_id.as_str().into(),
            one.case_id.as_deref().unwrap_or("–").into(),
            one.kind.as_str().into(),
            Cell::painted(&one.state, state_paint(&one.state)),
            one.accepted_at.map(utc).unwrap_or_default().into(),
        ]);
    }
    let mut text = matches.world.banner(look);
    text.push_str(&table.render(look.paint, ""));
    text.push_str(&unanswered(&matches.unanswered, look.paint));
    text
}

fn heading(referral: &Referral, paint: Paint) -> String {
    let state = state_paint(&referral.state)(paint, &referral.state);
    let mut text = format!("{} {}\n", paint.bold("referral"), paint.bold(&plain(&referral.referral_id)));
    text.push_str(&format!("  {state}: {}\n", referral.meaning));
    if let Some(reason) = &referral.reason {
        text.push_str(&format!("  because {}\n", plain(&reason.text())));
    }
    if let Some(next) = &referral.next {
        text.push_str(&format!("  {} {}\n", paint.warn("next:"), plain(next)));
    }
    if referral.overdue {
        text.push_str(&format!(
            "  {}\n",
            paint.bad("overdue: its deadline passed before it was handed over")
        ));
    }
    for alert in &referral.alerts {
        text.push_str(&format!("  {} (bulkhead explain {0})\n", paint.bad(&plain(alert))));
    }
    text.push('\n');
    text
}

fn facts(referral: &Referral, look: &Look) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("from", plain(&referral.tenant)),
        ("message id", format!("{}, attempt {}", plain(&referral.message_id), referral.attempt)),
        ("to", plain(&referral.to_text())),
    ];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("with", referral.destination.as_deref().map(plain));
    add("cut", referral.cut.as_deref().map(plain));
    add("reply to", referral.reply_to.as_ref().map(|address| plain(&address.text())));
    add("answers", referral.in_response_to.as_deref().map(plain));
    add("kind", Some(plain(&referral.kind)));
    add("case", referral.case_id.as_deref().map(plain));
    let not_stated = if referral.priority_not_stated { " (not stated)" } else { "" };
    add("priority", Some(format!("{}{not_stated}", referral.priority)));
    add("deadline", referral.deadline.map(|at| format!("{}, {}", both(at, look), distance(at, look.now))));
    add("accepted", referral.accepted_at.map(|at| both(at, look)));
    let bytes = thousands(referral.payload_bytes);
    add("payload", Some(format!("{bytes} bytes of {}", plain(&referral.content_type))));
    add("sha-256", Some(plain(&referral.digest)).filter(|digest| !digest.is_empty()));
    add("trace", referral.traceparent.as_deref().map(plain));
    add("flags", joined(&referral.flags));
    add("not carried", joined(&referral.omissions));
    facts
}

fn steps(steps: &[Step], look: &Look) -> String {
    let mut table = Table::new(&["nation", "time (UTC)", "local", "node", "event", "detail"]);
    for step in steps {
        let (event, detail) = match step.counts {
            true => (step.event.clone(), step.detail.clone()),
            false => (format!("({})", step.event), format!("does not count: {}", step.detail)),
        };
        let faded: fn(Paint, &str) -> String =
            if step.counts { |_, text| text.to_owned() } else { Paint::dim };
        table.row([
            step.nation.as_str().into(),
            step.at.map(utc).unwrap_or_default().into(),
            step.at.map(|at| local(at, &look.zone)).unwrap_or_default().into(),
            step.node.as_str().into(),
            Cell::painted(&event, faded),
            Cell::painted(&detail, faded),
        ]);
    }
    table.render(look.paint, "")
}

/// Nations whose silence may hide something.
fn unanswered(unanswered: &[Unanswered], paint: Paint) -> String {
    let line = |one: &Unanswered| paint.warn(&format!("{} {}", one.nation, one.message)) + "\n";
    let lines: String = unanswered.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n{lines}") }
}

fn both(at: Timestamp, look: &Look) -> String {
    format!("{} ({})", utc(at), local(at, &look.zone))
}

fn joined(codes: &[String]) -> Option<String> {
    (!codes.is_empty()).then(|| plain(&codes.join(", ")))
}

/// `northern-ireland` does not fit the column of names.
fn short(nation: &str) -> &str {
    if nation == "northern-ireland" { "n. ireland" } else { nation }
}
