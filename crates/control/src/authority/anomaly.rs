//! The one thing about a cut that happens without a person: a restore at its limited stage is broken off.

use bulkhead_model::{CutFact, FactId, Moment, Stage, Stamp, Step, Word};
use ring::digest::{SHA256, digest};

use super::{Authority, Effect, TimelineEntry};
use crate::fact::Seen;

const DOMAIN: &str = "bulkhead.v1.Anomaly";

impl Authority {
    /// A node saw what breaks the restore off. It counts for a cut of this nation at its limited stage, and closes; at
    /// any other stage it says nothing. Like an operator's abort it makes what was let through meanwhile and not handed
    /// over suspect again.
    pub(crate) fn hear_anomaly(&mut self, seen: &Seen, here: Moment) -> Option<Effect> {
        self.at(here.position);
        let course = self.cuts.course(&seen.cut)?;
        if seen.cut.nation() != self.nation || course.stage() != Stage::Limited {
            return None;
        }
        let name = format!("{DOMAIN}\n{}\n{}", seen.cut, here.position);
        let fact = FactId(digest(&SHA256, name.as_bytes()).as_ref().try_into().ok()?);
        let word = Word::Step(Step::Aborted);
        let fact = CutFact { fact, cut: seen.cut.clone(), by: seen.by.clone(), word };
        self.cuts.hear(fact, Stamp::here(here.position, here.at));
        let entry = TimelineEntry {
            moment: here,
            by: seen.by.clone(),
            what: "automatic abort".into(),
            detail: seen.what.clone(),
            // It signs as the node that saw it.
            node: seen.by.name().to_owned(),
        };
        self.timelines.entry(seen.cut.clone()).or_default().entries.push(entry);
        Some(Effect::Step(seen.cut.clone(), Step::Aborted.as_str()))
    }
}
