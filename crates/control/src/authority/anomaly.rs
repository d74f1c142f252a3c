//! The one thing about a cut that happens without a person: a restore at its limited stage is broken off.
//!
//! The cell of the nation that made the cut judges what its node saw. Another nation's cell takes that cell's word for
//! it, at whatever stage it has the tenant open, and closes its own border.

use bulkhead_model::{CutCourse, CutFact, FactId, Moment, Stage, Stamp, Step, Word};
use ring::digest::{SHA256, digest};

use super::{Authority, Carriable, Effect, Outcome, TimelineEntry};
use crate::fact::Seen;

const DOMAIN: &str = "bulkhead.v1.Anomaly";

impl Authority {
    /// A node saw what breaks the restore off. It counts for a cut of this nation at its limited stage, or as the word
    /// of the cell whose cut it is, and closes; at any other stage it says nothing. Like an operator's abort it makes
    /// what was let through meanwhile and not handed over suspect again.
    pub(crate) fn hear_anomaly(&mut self, seen: &Seen, here: Moment) -> Option<Effect> {
        self.at(here.position);
        let course = self.cuts.course(&seen.cut)?;
        if !self.breaks_off(course, seen) {
            return None;
        }
        let id = seen.id(here)?;
        let stamp = Stamp { here, home: seen.home.map(|(_, moment)| moment) };
        let word = Word::Step(Step::Aborted);
        self.cuts.hear(CutFact { fact: id, cut: seen.cut.clone(), by: seen.by.clone(), word }, stamp);
        let entry = TimelineEntry {
            moment: stamp.judged(),
            by: seen.by.clone(),
            what: "automatic abort".into(),
            detail: seen.what.clone(),
            // It signs as the node that saw it.
            node: seen.by.name().to_owned(),
        };
        self.timelines.entry(seen.cut.clone()).or_default().entries.push(entry);
        let effect = Effect::Step(seen.cut.clone(), Step::Aborted.as_str());
        self.outcomes.insert(id, Outcome { moment: here, effect: Ok(effect.clone()) });
        if seen.home.is_none() {
            self.carriable.push((Carriable::Abort(seen.clone()), here));
        }
        Some(effect)
    }

    fn breaks_off(&self, course: &CutCourse, seen: &Seen) -> bool {
        match seen.home {
            None => seen.cut.nation() == self.nation && course.stage() == Stage::Limited,
            // Behind all that is known of the cut: nothing that was said later is undone.
            Some((home, moment)) => {
                let newest = course.steps().last();
                let is_newest = newest.is_some_and(|taken| taken.stamp.judged().position < moment.position);
                home == seen.cut.nation()
                    && home != self.nation
                    && is_newest
                    && matches!(course.stage(), Stage::Canary | Stage::Limited)
            }
        }
    }
}

impl Seen {
    /// The same in every nation: it follows from the cut and the place in the log of the cut's nation.
    pub(crate) fn id(&self, here: Moment) -> Option<FactId> {
        let place = self.home.map_or(here, |(_, moment)| moment);
        let name = format!("{DOMAIN}\n{}\n{}", self.cut, place.position);
        Some(FactId(digest(&SHA256, name.as_bytes()).as_ref().try_into().ok()?))
    }
}
