//! Cuts as the services show them.

use bulkhead_model::{Cut, CutCourse, Directory};

use crate::time_to_wire;
use crate::v1::CutSummary;

/// A cut as it stands; none while only facts about it are known.
pub fn cut_to_wire(course: &CutCourse, directory: &Directory) -> Option<CutSummary> {
    let cut = course.cut()?;
    let made = course.made();
    Some(CutSummary {
        stage: course.stage().as_str().to_owned(),
        active: course.stage().is_active(),
        made_at: made.map(|stamp| time_to_wire(stamp.judged().at)),
        position: made.map_or(0, |stamp| stamp.judged().position),
        confirmed_by: course.confirmed().map(|(by, _)| by.to_string()).unwrap_or_default(),
        unconfirmed: cut.scope.is_wide() && course.stage().is_active() && course.confirmed().is_none(),
        carried: made.is_some_and(|stamp| stamp.home.is_some()),
        ..described(cut, directory)
    })
}

/// A cut that waits for a second person. It closes nothing yet, unless this node had closed it before the log judged it.
pub fn pending_cut_to_wire(cut: &Cut, directory: &Directory, is_closed: bool) -> CutSummary {
    let stage = "pending".into();
    CutSummary { stage, active: is_closed, unconfirmed: true, ..described(cut, directory) }
}

fn described(cut: &Cut, directory: &Directory) -> CutSummary {
    CutSummary {
        cut_id: cut.id.to_string(),
        scope: cut.scope.to_string(),
        direction: cut.direction.as_str().to_owned(),
        since: Some(time_to_wire(cut.since)),
        by: cut.by.to_string(),
        reason: cut.reason.clone(),
        drain_clean: cut.drain_clean,
        tenants: cut.covered(directory).iter().map(ToString::to_string).collect(),
        ..CutSummary::default()
    }
}
