//! A cut as text: its plan, and the proof.

use serde_json::{Map, Value};

use super::Told;
use crate::Paint;
use crate::table::{Cell, Table, plain, thousands};
use crate::time::{local, utc};
use crate::view::{Account, Look};

pub(super) fn plan(told: &Told, look: &Look) -> String {
    let plan = &told.plan;
    let mut text = told.desk.banner(look.paint);
    let which = match plan.direction.as_str() {
        "both" => "both directions".to_owned(),
        way => format!("{way} it"),
    };
    text.push_str(&format!("cut {} ({which})\n", look.paint.bold(&plain(&plan.scope))));
    if let Some(since) = plan.since {
        text.push_str(&format!("suspect since {} ({} here)\n\n", utc(since), local(since, &look.zone)));
    }
    let mut table = Table::new(&[
        "tenant",
        "supplier",
        "open from it",
        "open to it",
        "urgent",
        "suspect",
        "handed over",
        "fallback",
    ]);
    for one in &plan.tenants {
        table.row([
            one.tenant.as_str().into(),
            one.supplier.as_str().into(),
            thousands(one.open_from).into(),
            thousands(one.open_to).into(),
            thousands(one.urgent).into(),
            thousands(one.suspect).into(),
            thousands(one.handed_over).into(),
            if one.fallbacks.is_empty() {
                Cell::painted("none now", Paint::warn)
            } else {
                one.fallbacks.join(", ").into()
            },
        ]);
    }
    text.push_str(&table.render(look.paint, "  "));
    let mut note = |paint: fn(Paint, &str) -> String, said: String| {
        text.push_str(&format!("  {}\n", paint(look.paint, &plain(&said))));
    };
    for fallback in plan.tenants.iter().flat_map(|one| &one.named_fallbacks) {
        note(if fallback.open { Paint::dim } else { Paint::warn }, fallback.said());
    }
    if !plan.last_path.is_empty() {
        note(
            Paint::warn,
            format!(
                "no path is left to {}: urgent senders hear DESTINATION_CUT while their caller is on the line",
                plan.last_path.join(", ")
            ),
        );
    }
    if !plan.not_covered.is_empty() {
        note(
            Paint::dim,
            format!("not covered, though of the same supplier: {}", plan.not_covered.join(", ")),
        );
    }
    let at_the_border: Vec<_> =
        plan.tenants.iter().filter(|one| one.border_only).map(|one| one.tenant.as_str()).collect();
    if !at_the_border.is_empty() && !plan.foreign {
        note(Paint::warn, border_only(&at_the_border.join(", ")));
    }
    if plan.foreign {
        note(
            Paint::dim,
            format!("it is another nation's: only the border of {} to it is closed", told.desk.nation),
        );
    }
    if plan.wide {
        note(Paint::warn, "more than one environment: it alarms until a second operator confirms it".into());
    }
    if plan.budget_left == 0 {
        note(
            Paint::warn,
            "this hour's budget of cuts is spent: it closes when a second operator confirms it".into(),
        );
    }
    text.push_str(&format!(
        "  {}\n",
        look.paint.dim(&format!("plan {}", &plan.plan[..16.min(plan.plan.len())]))
    ));
    text
}

/// Whom a cut reaches at the border alone.
pub(crate) fn border_only(tenants: &str) -> String {
    format!("closed at the border only, for other nations' cells go on with them: {tenants}")
}

pub(super) fn proof(told: &Told, look: &Look) -> String {
    let paint = look.paint;
    let id = told.cut_id.as_deref().unwrap_or("?");
    let mut text = match (told.pending, told.in_force) {
        (true, _) if told.is_closed() => {
            let said =
                "WAITS for a second person: the hour's budget was spent. It stays closed where it was taken";
            format!("{}  {id}\n", paint.warn(said))
        }
        (true, _) => format!("{}  {id}\n", paint.warn("WAITS for a second person; nothing is closed yet")),
        (false, true) => format!("{}  {id}\n", paint.good("IN FORCE")),
        (false, false) => format!("{}  {id}\n", paint.bad("IN FORCE ONLY IN PART")),
    };
    for node in &told.nodes {
        let when = node.at.map(utc).unwrap_or_default();
        match node.answered {
            true => text.push_str(&format!(
                "  {:<20} {when}   after {}\n",
                plain(&node.node),
                millis(node.after_us)
            )),
            false => text.push_str(&format!(
                "  {:<20} {}   {}\n",
                plain(&node.node),
                paint.bad("has not answered"),
                match node.at {
                    Some(at) => format!("its lease has run out by {}: it stops by itself", utc(at)),
                    None => "it is heard, and goes on until the log brings it the cut".into(),
                }
            )),
        }
    }
    if let Some(position) = told.position {
        text.push_str(&format!(
            "  in the control log at {position}, {}\n",
            told.logged_at.map(utc).unwrap_or_default()
        ));
    }
    if let Some(problem) = &told.problem {
        text.push_str(&format!("  {}\n", paint.bad(&plain(problem))));
    }
    if let Some(account) = &told.account {
        text.push_str(&self::account(account, look));
    }
    text.push_str(&format!("hint: bulkhead cuts show {id}    bulkhead pack {}    ", told.plan.scope));
    text.push_str(&match told.pending || told.plan.wide {
        true => format!("bulkhead cuts confirm {id} --as ANOTHER\n"),
        false => format!("bulkhead restore {id} status\n"),
    });
    text
}

/// What is known of the referrals.
pub(crate) fn account(account: &Account, look: &Look) -> String {
    let last = |at: Option<jiff::Timestamp>| at.map_or_else(|| "none".to_owned(), utc);
    let mut text = format!(
        "\n  last referral accepted from it  {}\n  last hand-over to it begun      {}\n",
        last(account.last_accepted),
        last(account.last_delivery)
    );
    text.push_str(&balance(account, look));
    text.push_str(&format!("  to it, open: {}\n", states(&account.received)));
    text.push_str(&handed_over(account, look));
    text.push_str(&collateral(account, look));
    text.push('\n');
    text
}

/// Everything that was accepted, and where each is. What does not add up is said first of all.
fn balance(account: &Account, look: &Look) -> String {
    let named = account.balance.named();
    let each: Vec<String> = named
        .iter()
        // The report has these eight; what was taken back or is under way only where there is some.
        .filter(|(name, count)| *count > 0 || !matches!(*name, "cancelled" | "under way"))
        .map(|(name, count)| format!("{} {name}", thousands(*count)))
        .collect();
    let accepted = thousands(account.accepted);
    let mut text = format!("  from it since then: {accepted} accepted = {}\n", each.join(" + "));
    if !account.adds_up {
        let missing = account.accepted.abs_diff(account.balance.sum());
        let why = match account.undecided {
            0 => "this command does not know their state: use a newer bulkhead".to_owned(),
            undecided => {
                format!(
                    "{} lie in the log and are not decided yet: ask again, and look at the nodes",
                    thousands(undecided)
                )
            }
        };
        let said = format!("THIS DOES NOT ADD UP: {} are missing; {why}", thousands(missing));
        text.push_str(&format!("  {}\n", look.paint.bad(&said)));
    }
    text
}

/// To whom it was handed over since then, and whether it came back.
fn handed_over(account: &Account, look: &Look) -> String {
    if account.handed_over_total == 0 {
        return "  nothing suspect was handed over before the cut\n".into();
    }
    let recalls = &account.recalls;
    let said = format!(
        "{} suspect and handed over before the cut: {} recalled, {} not recalled, {} refused by the receiver, {} with \
         no answer yet",
        thousands(account.handed_over_total),
        thousands(recalls.recalled),
        thousands(recalls.not_recalled),
        thousands(recalls.refused),
        thousands(recalls.no_answer),
    );
    let mut text = format!("\n  {}\n", look.paint.warn(&said));
    let mut table = Table::new(&["referral", "message", "to", "state", "at", "recall", "answer"]);
    for one in &account.handed_over {
        let paint: fn(Paint, &str) -> String = match one.recall.as_str() {
            "recalled" | "refused" => |_, text| text.to_owned(),
            _ => Paint::bad,
        };
        table.row([
            one.referral_id.as_str().into(),
            one.message_id.as_str().into(),
            one.destination.as_deref().unwrap_or("").into(),
            one.state.as_str().into(),
            one.at.map(utc).unwrap_or_default().into(),
            Cell::painted(&one.recall, paint),
            one.answer.as_deref().unwrap_or("").into(),
        ]);
    }
    text.push_str(&table.render(look.paint, "    "));
    let listed = account.handed_over.len() as u64;
    if listed < account.handed_over_total {
        text.push_str(&format!("    the newest {} of them\n", thousands(listed)));
    }
    text
}

/// What it did to the referrals of others.
fn collateral(account: &Account, look: &Look) -> String {
    if account.collateral.is_empty() {
        return "  no referral of anybody else stood in its way\n".into();
    }
    let mut table = Table::new(&["referrals of others", "in its way", "now"]);
    for one in &account.collateral {
        table.row([one.tenant.as_str().into(), thousands(one.total).into(), states(&one.referrals).into()]);
    }
    format!("\n{}", table.render(look.paint, "  "))
}

fn states(counts: &Map<String, Value>) -> String {
    if counts.is_empty() {
        return "0".into();
    }
    let each: Vec<String> = counts
        .iter()
        .map(|(state, count)| format!("{} {state}", thousands(count.as_u64().unwrap_or(0))))
        .collect();
    each.join(" + ")
}

/// Microseconds as milliseconds.
fn millis(micros: u64) -> String {
    format!("{}.{:02} ms", micros / 1_000, micros % 1_000 / 10)
}

#[cfg(test)]
mod tests {
    use bulkhead_wire::{time_to_wire, v1};

    use super::*;
    use crate::samples::{at, desked, look};
    use crate::view::{Account, Forced, Planned};

    fn planned() -> Planned {
        let tenant = |tenant: &str, fallbacks: &[&str], named: &[(&str, bool, &str)]| v1::PlannedTenant {
            tenant: tenant.into(),
            supplier: "meridian".into(),
            services: vec![format!("{tenant}-triage")],
            open_from: 12,
            open_to: 3,
            urgent: 2,
            suspect: 1_204,
            handed_over: 7,
            fallbacks: fallbacks.iter().map(ToString::to_string).collect(),
            synthetic: false,
            border_only: tenant.starts_with("england/"),
            named_fallbacks: named
                .iter()
                .map(|(service, accepted, terms)| v1::PlannedFallback {
                    service: service.to_string(),
                    instead_of: format!("{tenant}-triage"),
                    accepted: *accepted,
                    terms: terms.to_string(),
                    open: fallbacks.contains(service),
                })
                .collect(),
        };
        let plan = v1::PlanResponse {
            plan: vec![0xab; 32].into(),
            since: Some(time_to_wire(at("06:00:00"))),
            scope: "supplier:meridian".into(),
            direction: "both".into(),
            tenants: vec![
                tenant("wales/wast-111", &[], &[("wales/powys-ooh", true, "sat,sun 00:00-24:00")]),
                tenant("wales/ooh-south", &["wales/cardiff-ooh"], &[("wales/cardiff-ooh", true, "urgent")]),
                tenant("wales/ooh-west", &[], &[("wales/cardiff-ooh", false, "")]),
                tenant("england/ooh-east", &[], &[]),
            ],
            not_covered: vec!["england/nhs111-north".into()],
            last_path: vec!["wales/wast-111-triage".into()],
            wide: true,
            budget_left: 0,
            foreign: false,
            ..Default::default()
        };
        Planned::of(&plan, false)
    }

    fn told() -> Told {
        Told {
            desk: desked(),
            plan: planned(),
            cut_id: Some("wales/3f0c9a12be77".into()),
            pending: false,
            in_force: false,
            taken_at: Some(at("08:01:00")),
            logged_at: Some(at("08:01:00.004")),
            position: Some(57),
            nodes: vec![
                Forced { node: "wales-1".into(), answered: true, at: Some(at("08:01:00")), after_us: 310 },
                Forced { node: "wales-2".into(), answered: false, at: Some(at("08:01:01.004")), after_us: 0 },
            ],
            account: Some(Account::of(&v1::CutAccount::default())),
            problem: None,
        }
    }

    #[test]
    fn the_plan_as_text() {
        insta::assert_snapshot!(plan(&told(), &look(Paint::PLAIN)));
    }

    #[test]
    fn the_proof_as_text() {
        insta::assert_snapshot!(proof(&told(), &look(Paint::PLAIN)));
    }

    #[test]
    fn what_the_log_judged_over_budget_says_where_it_is_closed() {
        let waits = |nodes: Vec<Forced>| {
            proof(&Told { pending: true, nodes, ..told() }, &look(Paint::PLAIN))
                .lines()
                .next()
                .map(str::to_owned)
        };
        let closed = waits(told().nodes).unwrap();
        assert!(closed.contains("It stays closed where it was taken"), "{closed}");
        let nowhere = waits(vec![]).unwrap();
        assert!(nowhere.contains("nothing is closed yet"), "{nowhere}");
    }

    #[test]
    fn a_cut_as_json() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&told()).unwrap());
    }
}
