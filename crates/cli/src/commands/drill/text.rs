//! A drill as text.

use bulkhead_model::{OperatorId, TenantId};

use super::Drilled;
use crate::Paint;
use crate::desk::Desked;
use crate::table::{Table, plain, thousands};
use crate::view::Look;

pub(super) fn heading(desk: &Desked, tenant: &TenantId, second: &OperatorId, paint: Paint) -> String {
    format!(
        "{}drill: {} is cut off and brought back, with {} as the second operator\n",
        desk.banner(paint),
        paint.bold(tenant.as_str()),
        paint.bold(second.as_str())
    )
}

pub(super) fn report(drilled: &Drilled, look: &Look) -> String {
    let paint = look.paint;
    let word = if drilled.passed { paint.good("PASSED") } else { paint.bad("FAILED") };
    let mut text = format!("{word}  {}  {}\n", plain(&drilled.tenant), plain(&drilled.cut_id));
    for failure in &drilled.failures {
        text.push_str(&format!("  {}\n", paint.bad(&plain(failure))));
    }
    let mut table = Table::new(&["after the command", "what"]);
    for node in &drilled.nodes {
        let what = format!("in force on {}", node.node);
        table.row([ms(Some(node.after_us as f64 / 1_000.0)).into(), what.into()]);
    }
    let seen = [
        (drilled.last_accepted_ms, "last referral accepted from it"),
        (drilled.last_handed_over_ms, "last referral handed over to it"),
        (drilled.told_ms, "its sidecar is told TENANT_CUT"),
    ];
    for (at, what) in seen {
        table.row([ms(at).into(), what.into()]);
    }
    for step in &drilled.steps {
        table.row([ms(Some(step.at_ms)).into(), step.what.as_str().into()]);
    }
    table.row([ms(drilled.back_ms).into(), "first referral accepted again".into()]);
    text.push_str(&table.render(paint, "  "));
    text.push_str(&format!(
        "  sent {}, accepted {}, arrived {}, missing {}, twice {}, leaked {}; quarantined and released {}\n",
        thousands(drilled.sent),
        thousands(drilled.accepted),
        thousands(drilled.arrived),
        thousands(drilled.missing.len() as u64),
        thousands(drilled.doubled),
        thousands(drilled.leaked),
        thousands(drilled.released),
    ));
    match &drilled.bystander {
        Some(other) => text.push_str(&format!(
            "  a bystander meanwhile: {} sent, {} failed, {} reconnects; answers before p50 {} p99 {}, during p50 {} \
             p99 {}\n",
            thousands(other.sent),
            thousands(other.failed),
            thousands(other.reconnects),
            ms(Some(other.before.p50_ms)),
            ms(Some(other.before.p99_ms)),
            ms(Some(other.during.p50_ms)),
            ms(Some(other.during.p99_ms)),
        )),
        None => text.push_str("  no bystander: the context can speak for no other synthetic tenant\n"),
    }
    let touched = drilled.account.as_ref().map_or(0, |account| account.collateral.len());
    text.push_str(&format!("  other tenants whose referrals stood in its way: {touched}\n"));
    text.push_str(&format!("hint: bulkhead cuts show {}\n", plain(&drilled.cut_id)));
    text
}

fn ms(at: Option<f64>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{at:.2} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::drill::report::tests::drilled;
    use crate::samples::look;

    #[test]
    fn the_report_as_text() {
        insta::assert_snapshot!(report(&drilled(|_, _| {}), &look(Paint::PLAIN)));
    }

    #[test]
    fn a_report_of_what_failed() {
        let failed = drilled(|tenant, _| tenant.handed_over.retain(|id, _| id != "b"));
        insta::assert_snapshot!(report(&failed, &look(Paint::PLAIN)));
    }
}
