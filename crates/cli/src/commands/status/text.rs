//! The screen as text: nations, tenants, totals, and what needs a person.

use serde_json::{Map, Value};

use super::overview::{Alert, NationStatus, Node, Overview, Tenant, Totals};
use crate::commands::cuts::stage;
use crate::screen::Paint;
use crate::table::{Cell, Table, plain, thousands};
use crate::time::{distance, local, utc};
use crate::view::Look;

pub(super) fn render(overview: &Overview, look: &Look) -> String {
    let mut text = overview.world.banner(look);
    let moment = format!("{} ({})", utc(overview.at), local(overview.at, &look.zone));
    text.push_str(&format!("{}\n\n", look.paint.dim(&moment)));
    text.push_str(&nations(overview, look.paint));
    text.push('\n');
    text.push_str(&cuts(overview, look));
    text.push_str(&tenants(overview, look));
    text.push_str(&totals(&overview.totals, look));
    text.push('\n');
    text.push_str(&for_a_person(overview, look));
    text
}

fn nations(overview: &Overview, paint: Paint) -> String {
    let mut table = Table::new(&["nation", "nodes", ""]);
    for nation in &overview.nations {
        let ready = nation.nodes.iter().filter(|node| node.ready).count();
        let summary = format!("{ready} of {} ready", nation.nodes.len());
        let summary_paint: fn(Paint, &str) -> String = match ready {
            0 => Paint::bad,
            some if some < nation.nodes.len() => Paint::warn,
            _ => Paint::good,
        };
        table.row([
            nation.nation.as_str().into(),
            Cell::painted(&summary, summary_paint),
            nodes(nation).into(),
        ]);
    }
    for one in &overview.unanswered {
        table.row([
            one.nation.as_str().into(),
            Cell::painted("no answer", Paint::bad),
            one.message.as_str().into(),
        ]);
    }
    table.render(paint, "")
}

fn nodes(nation: &NationStatus) -> String {
    let one = |node: &Node| match (&node.problem, node.ready) {
        (Some(_), _) => format!("{} (no answer)", plain(&node.name)),
        (None, true) => format!("{} ({} shards{})", plain(&node.name), node.shards, pulse(node)),
        (None, false) => format!("{} (not ready{})", plain(&node.name), pulse(node)),
    };
    nation.nodes.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// What a node's newest pulse says of it.
fn pulse(node: &Node) -> String {
    let Some(pulse) = &node.pulse else { return String::new() };
    let age = format!("pulse {}.{:03} s, at {}", pulse.age_ms / 1_000, pulse.age_ms % 1_000, pulse.position);
    match (pulse.alive, pulse.in_force) {
        (false, _) => format!(", gone: {age}"),
        (true, true) => format!(", {age}"),
        (true, false) => format!(", {age}, not the same cuts in force"),
    }
}

/// What is cut off, and what each cut keeps back.
fn cuts(overview: &Overview, look: &Look) -> String {
    let mut table = Table::new(&[
        "cut",
        "scope",
        "way",
        "stage",
        "made",
        "suspect since",
        "by",
        "held",
        "quarantined",
        "unknown",
        "overdue",
    ]);
    for kept in &overview.cuts {
        let cut = &kept.cut;
        let overdue = thousands(kept.overdue);
        table.row([
            cut.cut_id.as_str().into(),
            cut.scope.as_str().into(),
            cut.direction.as_str().into(),
            stage(cut),
            cut.made_at.map(|at| distance(at, look.now)).unwrap_or_default().into(),
            cut.since.map(utc).unwrap_or_default().into(),
            cut.by.as_str().into(),
            count(kept.held),
            count(kept.quarantined),
            count(kept.unknown),
            if kept.overdue == 0 { overdue.into() } else { Cell::painted(&overdue, Paint::bad) },
        ]);
    }
    if table.is_empty() { String::new() } else { table.render(look.paint, "") + "\n" }
}

fn tenants(overview: &Overview, look: &Look) -> String {
    let mut table = Table::new(&[
        "tenant",
        "sidecar",
        "sent",
        "received",
        "waiting",
        "next due",
        "unanswered",
        "spooled",
        "certificate",
    ]);
    for tenant in overview.tenants() {
        let overdue = tenant.next_due.is_some_and(|due| due <= look.now);
        let due = tenant.next_due.map(|due| distance(due, look.now)).unwrap_or_default();
        table.row([
            tenant.tenant.as_str().into(),
            sidecar(tenant),
            thousands(all(&tenant.sent)).into(),
            thousands(all(&tenant.received)).into(),
            waiting(tenant).into(),
            if overdue { Cell::painted(&due, Paint::bad) } else { due.into() },
            count(tenant.delivered_unanswered),
            count(tenant.spooled),
            certificate(tenant, look),
        ]);
    }
    if table.is_empty() { String::new() } else { table.render(look.paint, "") + "\n" }
}

fn sidecar(tenant: &Tenant) -> Cell {
    if tenant.cut.is_some() {
        return Cell::painted("cut off", Paint::bad);
    }
    match (tenant.connected, tenant.taking) {
        (true, true) => "taking".into(),
        (true, false) => Cell::painted("connected, not taking", Paint::warn),
        (false, _) => Cell::painted("not connected", Paint::bad),
    }
}

fn waiting(tenant: &Tenant) -> String {
    let waiting = tenant.waiting;
    let lanes = [(waiting.emergency, "emergency"), (waiting.urgent, "urgent")];
    let urgent: Vec<String> =
        lanes.iter().filter(|(count, _)| *count > 0).map(|(count, lane)| format!("{count} {lane}")).collect();
    match urgent.is_empty() {
        true => thousands(waiting.all()),
        false => format!("{} ({})", thousands(waiting.all()), urgent.join(", ")),
    }
}

fn count(number: u64) -> Cell {
    if number == 0 { "0".into() } else { Cell::painted(&thousands(number), Paint::warn) }
}

fn certificate(tenant: &Tenant, look: &Look) -> Cell {
    let (Some(expires), Some(days)) = (tenant.credential_expires, tenant.credential_days) else {
        return "".into();
    };
    let word = if days == 0 { "expired" } else { "expires" };
    let text = format!("{word} {}", distance(expires, look.now));
    Cell::painted(&text, if days <= 1 { Paint::bad } else { Paint::warn })
}

fn all(counts: &Map<String, Value>) -> u64 {
    counts.values().filter_map(Value::as_u64).sum()
}

fn totals(totals: &Totals, look: &Look) -> String {
    let next = totals
        .next_due
        .map_or("nothing due".to_owned(), |due| format!("next due {}", distance(due, look.now)));
    format!(
        "waiting {}   overdue {}   delivered, unanswered {}   spooled {}   {next}\n",
        thousands(totals.waiting),
        thousands(totals.overdue),
        thousands(totals.delivered_unanswered),
        thousands(totals.spooled),
    )
}

fn for_a_person(overview: &Overview, look: &Look) -> String {
    let paint = look.paint;
    if !overview.needs_person {
        return format!("{}\n", paint.good("nothing needs a person"));
    }
    let mut text = format!("{}\n", paint.bad("needs a person"));
    let mut table = Table::new(&["alert", "whom", "how many", "what to do"]);
    for alert in overview.alerts() {
        table.row(alert_row(alert));
    }
    if !table.is_empty() {
        text.push_str(&table.render(paint, "  "));
    }
    for nation in overview.nations.iter().filter(|nation| nation.is_down()) {
        text.push_str(&format!("  {} has no node that is ready\n", plain(&nation.nation)));
    }
    for one in &overview.unanswered {
        text.push_str(&format!("  {} does not answer (bulkhead explain {})\n", one.nation, one.reason));
    }
    text
}

fn alert_row(alert: &Alert) -> [Cell; 4] {
    [
        Cell::painted(&alert.code, Paint::bad),
        alert.subject.as_str().into(),
        thousands(alert.count).into(),
        alert.text.as_str().into(),
    ]
}
