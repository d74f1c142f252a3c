//! What each command needs to count, and what it does.

use std::sync::Arc;

use bulkhead_model::{
    Cut, CutCourse, CutFact, CutId, FactId, Order, Ordered, ReferralId, Stage, Step, WITHDRAWABLE, Word,
};
use bulkhead_wire::fact::{self, Action, Advance, Command, Header};
use ring::digest::{SHA256, digest};

use super::{Authority, Copy, Effect, Pending, Proposal, Refused, TimelineEntry};

impl Authority {
    pub(super) fn command(
        &mut self,
        copy: &Copy,
        id: &FactId,
        header: &Header,
        command: &Command,
    ) -> Result<Effect, Refused> {
        let effect = self.effect(copy, id, header, command)?;
        let cut = command.cut().cloned().or_else(|| match &effect {
            Effect::Closed(cut) | Effect::Pending(cut) => Some(cut.clone()),
            _ => None,
        });
        if let Some(cut) = cut {
            let entry = TimelineEntry {
                moment: copy.judged(),
                by: header.operator.clone(),
                what: command.name().to_owned(),
                detail: detail(command, &effect),
                node: copy.node.clone(),
            };
            self.timelines.entry(cut).or_default().entries.push(entry);
        }
        Ok(effect)
    }

    fn effect(
        &mut self,
        copy: &Copy,
        id: &FactId,
        header: &Header,
        command: &Command,
    ) -> Result<Effect, Refused> {
        match command {
            Command::Cut { .. } => self.cut(copy, id, header),
            Command::Confirm { cut } => self.confirm(copy, id, header, cut),
            Command::Withdraw { cut, .. } => self.withdraw(copy, id, header, cut),
            Command::Propose { cut, evidence, certificates, inbox } => {
                let step = Step::Proposed { certificates: certificates.clone() };
                let effect = self.step(copy, id, header, cut, step)?;
                let proposal = Proposal {
                    fact: *id,
                    moment: copy.judged(),
                    by: header.operator.clone(),
                    evidence: evidence.clone(),
                    certificates: certificates.clone(),
                    inbox: inbox.clone(),
                };
                self.timelines.entry(cut.clone()).or_default().proposal = Some(proposal);
                Ok(effect)
            }
            Command::Approve { cut, proposal } => self.approve(copy, id, header, cut, proposal),
            Command::Advance { cut, to } => self.step(copy, id, header, cut, step_of(to)),
            Command::Abort { cut, .. } => self.step(copy, id, header, cut, Step::Aborted),
            Command::Release { cut, referrals } => self.release(copy, id, header, cut, referrals),
            Command::Reject { cut, referrals, reason } => {
                self.known(cut, header)?;
                let ordered = Ordered::Rejected(cut.clone());
                self.order(copy, header, ordered, referrals, reason);
                Ok(Effect::Rejected(cut.clone(), referrals.clone()))
            }
            Command::Order { action, referrals, note } => {
                let ordered = match action {
                    Action::Release => Ordered::Release,
                    Action::Divert => Ordered::Divert,
                    Action::Return => Ordered::Return,
                    Action::Handled => Ordered::Handled,
                };
                self.order(copy, header, ordered, referrals, note);
                Ok(Effect::Ordered(*action, referrals.clone()))
            }
            Command::Directory { toml, digest: stated } => self.directory_fact(copy, toml, stated),
            Command::Open { .. } => Ok(Effect::Opened),
        }
    }

    fn cut(&mut self, copy: &Copy, id: &FactId, header: &Header) -> Result<Effect, Refused> {
        let cut = self.cut_of(copy, header)?;
        let cut_id = cut.id.clone();
        // What its home nation let count, counts.
        if copy.home.is_none() && self.left_in_log(&header.operator, copy.judged().at) == 0 {
            let waiting = Pending { cut, copy: copy.clone(), mistaken: None };
            self.pending.insert(cut_id.clone(), waiting);
            return Ok(Effect::Pending(cut_id));
        }
        self.made(copy, *id, cut, header);
        Ok(Effect::Closed(cut_id))
    }

    /// The cut that a command makes.
    pub(super) fn cut_of(&self, copy: &Copy, header: &Header) -> Result<Cut, Refused> {
        let Ok(Command::Cut { direction, since, drain_clean, reason, tenants, .. }) = copy.fact.command()
        else {
            return Err(Refused::Unreadable);
        };
        let scope = header.scope.scope().ok_or(Refused::NotNow("a cut names a scope".into()))?;
        Ok(Cut {
            id: fact::cut_id(header.nation, &copy.fact.id()),
            by: header.operator.clone(),
            scope: scope.clone(),
            tenants,
            direction,
            since,
            drain_clean,
            reason,
        })
    }

    fn confirm(&mut self, copy: &Copy, id: &FactId, header: &Header, cut: &CutId) -> Result<Effect, Refused> {
        if let Some(waiting) = self.pending.get(cut) {
            if waiting.cut.by == header.operator {
                return Err(Refused::SamePerson);
            }
            if waiting.cut.id.nation() != header.nation {
                return Err(Refused::Foreign);
            }
            if let Some(Pending { cut: made, copy: first, .. }) = self.pending.remove(cut) {
                self.carry(&first);
                self.early.remove(&first.fact.id());
                self.made.insert(cut.clone(), first.clone());
                let (fact, by) = (first.fact.id(), made.by.clone());
                let word = Word::Made(Box::new(made));
                self.say(copy, CutFact { fact, cut: cut.clone(), by, word });
            }
            self.word(copy, id, header, cut, Word::Confirmed);
            return Ok(Effect::Closed(cut.clone()));
        }
        let course = self.active(cut, header)?;
        if course.cut().is_some_and(|made| made.by == header.operator) {
            return Err(Refused::SamePerson);
        }
        if course.confirmed().is_some() {
            return Err(Refused::NotNow(format!("{cut} is confirmed already")));
        }
        self.word(copy, id, header, cut, Word::Confirmed);
        Ok(Effect::Confirmed(cut.clone()))
    }

    fn withdraw(
        &mut self,
        copy: &Copy,
        id: &FactId,
        header: &Header,
        cut: &CutId,
    ) -> Result<Effect, Refused> {
        if let Some(waiting) = self.pending.get_mut(cut).filter(|_| cut.nation() == header.nation) {
            // What a node closed before the log judged it is opened by two, as all that is closed is.
            let is_closed = waiting.copy.taken_at.is_some();
            match &waiting.mistaken {
                Some(first) if *first == header.operator => return Err(Refused::SamePerson),
                None if is_closed => {
                    waiting.mistaken = Some(header.operator.clone());
                    return Ok(Effect::WithdrawalBegun(cut.clone()));
                }
                Some(_) | None => {}
            }
            if let Some(ended) = self.pending.remove(cut) {
                self.end_early(&ended.copy.fact.id());
            }
            return Ok(Effect::Withdrawn(cut.clone()));
        }
        let course = self.active(cut, header)?;
        let made = course.made().ok_or(Refused::Unseen)?.judged();
        if copy.judged().at.duration_since(made.at) > WITHDRAWABLE {
            let late = format!(
                "{cut} was made more than {} min ago; it ends with a restore",
                WITHDRAWABLE.as_mins()
            );
            return Err(Refused::NotNow(late));
        }
        if header.seen < made.position {
            return Err(Refused::Unseen);
        }
        let said = |entry: &TimelineEntry| entry.what == "withdraw" && entry.by == header.operator;
        if self.timelines.get(cut).is_some_and(|timeline| timeline.entries.iter().any(said)) {
            return Err(Refused::SamePerson);
        }
        self.word(copy, id, header, cut, Word::Withdrawn);
        let stage = self.cuts.course(cut).map(CutCourse::stage);
        Ok(match stage {
            Some(Stage::Withdrawn) => Effect::Withdrawn(cut.clone()),
            _ => Effect::WithdrawalBegun(cut.clone()),
        })
    }

    fn approve(
        &mut self,
        copy: &Copy,
        id: &FactId,
        header: &Header,
        cut: &CutId,
        proposal: &FactId,
    ) -> Result<Effect, Refused> {
        let course = self.active(cut, header)?;
        let newest = self.timelines.get(cut).and_then(|timeline| timeline.proposal.as_ref());
        match newest {
            Some(newest) if newest.fact != *proposal => return Err(Refused::Unseen),
            Some(newest) if newest.by == header.operator => return Err(Refused::SamePerson),
            Some(_) => {}
            None => return Err(Refused::NotNow(format!("no restore of {cut} is proposed"))),
        }
        let works_for =
            self.directory.operator(&header.operator).and_then(|operator| operator.supplier.as_ref());
        let covered = course.cut().map(|made| made.scope.tenants(&self.directory)).unwrap_or_default();
        for tenant in covered {
            if self.directory.tenant(&tenant).is_some_and(|known| Some(&known.supplier) == works_for) {
                return Err(Refused::OfTheSupplier(tenant));
            }
        }
        self.step(copy, id, header, cut, Step::Approved)
    }

    /// A step counts when the model takes it.
    fn step(
        &mut self,
        copy: &Copy,
        id: &FactId,
        header: &Header,
        cut: &CutId,
        step: Step,
    ) -> Result<Effect, Refused> {
        let course = self.active(cut, header)?;
        let newest = course.steps().last().map(|taken| taken.stamp).or(course.made());
        if newest.is_none_or(|stamp| header.seen < stamp.judged().position) {
            return Err(Refused::Unseen);
        }
        let (before, stage, name) = (course.steps().len(), course.stage(), step.as_str());
        self.word(copy, id, header, cut, Word::Step(step));
        let after = self.cuts.course(cut).map_or(0, |course| course.steps().len());
        if after == before {
            let not_now = format!("{cut} is {}, so it cannot go on to {name}", stage.as_str());
            return Err(Refused::NotNow(not_now));
        }
        Ok(Effect::Step(cut.clone(), name))
    }

    /// Two persons let a referral go on.
    fn release(
        &mut self,
        copy: &Copy,
        id: &FactId,
        header: &Header,
        cut: &CutId,
        referrals: &[ReferralId],
    ) -> Result<Effect, Refused> {
        self.known(cut, header)?;
        let mut released = Vec::new();
        for referral in referrals {
            let key = (cut.clone(), *referral);
            match self.release_words.get(&key) {
                Some(first) if *first != header.operator => released.push(*referral),
                Some(_) => {}
                None => {
                    self.release_words.insert(key, header.operator.clone());
                }
            }
        }
        if released.is_empty() {
            return Ok(Effect::ReleaseBegun(cut.clone(), referrals.to_vec()));
        }
        let fact = |referral: &ReferralId| {
            let word = Word::Released(*referral);
            (CutFact { fact: *id, cut: cut.clone(), by: header.operator.clone(), word }, copy.stamp())
        };
        self.cuts.hear_all(released.iter().map(fact));
        Ok(Effect::Released(cut.clone(), released))
    }

    fn order(
        &mut self,
        copy: &Copy,
        header: &Header,
        ordered: Ordered,
        referrals: &[ReferralId],
        note: &str,
    ) {
        Arc::make_mut(&mut self.orders).push(Order {
            moment: copy.here,
            by: header.operator.clone(),
            ordered,
            referrals: referrals.to_vec(),
            note: note.to_owned(),
        });
    }

    fn directory_fact(&mut self, copy: &Copy, toml: &str, stated: &[u8]) -> Result<Effect, Refused> {
        if digest(&SHA256, toml.as_bytes()).as_ref() != stated {
            return Err(Refused::Directory("its text does not have the digest that it states".into()));
        }
        let next = self.next_directory(&format!("control offset {}", copy.here.position), toml)?;
        self.follow(next, toml);
        self.is_signed = true;
        Ok(Effect::Directory)
    }

    fn word(&mut self, copy: &Copy, id: &FactId, header: &Header, cut: &CutId, word: Word) {
        self.say(copy, CutFact { fact: *id, cut: cut.clone(), by: header.operator.clone(), word });
    }

    /// The course of a cut that was made by the signer's nation.
    fn known(&self, cut: &CutId, header: &Header) -> Result<&CutCourse, Refused> {
        // What is closed early and not in the log is another thing on every node: nothing can be said about it yet.
        let course = self.cuts.course(cut).filter(|course| course.made().is_some());
        let course = course.ok_or_else(|| Refused::NoSuchCut(cut.clone()))?;
        match cut.nation() == header.nation {
            true => Ok(course),
            false => Err(Refused::Foreign),
        }
    }

    fn active(&self, cut: &CutId, header: &Header) -> Result<&CutCourse, Refused> {
        let course = self.known(cut, header)?;
        match course.stage().is_active() {
            true => Ok(course),
            false => Err(Refused::NotNow(format!("{cut} is {}", course.stage().as_str()))),
        }
    }
}

fn step_of(advance: &Advance) -> Step {
    match advance {
        Advance::Canary { with } => Step::Canary { with: with.clone() },
        Advance::Limited { per_minute } => Step::Limited { per_minute: *per_minute },
        Advance::Full => Step::Full,
    }
}

fn detail(command: &Command, effect: &Effect) -> String {
    let said = match command {
        Command::Cut { reason, .. } | Command::Withdraw { reason, .. } | Command::Abort { reason, .. } => {
            reason.clone()
        }
        Command::Propose { evidence, .. } => evidence.clone(),
        Command::Advance { to: Advance::Canary { with }, .. } => {
            let names: Vec<_> = with.iter().map(ToString::to_string).collect();
            format!("canary with {}", names.join(", "))
        }
        Command::Advance { to: Advance::Limited { per_minute }, .. } => {
            format!("limited to {per_minute} referrals a minute each way")
        }
        Command::Advance { to: Advance::Full, .. } => "full".into(),
        Command::Release { referrals, .. } => format!("{} referrals", referrals.len()),
        Command::Reject { referrals, reason, .. } => format!("{} referrals: {reason}", referrals.len()),
        Command::Confirm { .. }
        | Command::Approve { .. }
        | Command::Order { .. }
        | Command::Directory { .. }
        | Command::Open { .. } => String::new(),
    };
    match effect {
        Effect::Pending(_) => format!("{said} (waits for a second person: the hour's budget is spent)"),
        Effect::WithdrawalBegun(_) | Effect::ReleaseBegun(..) => {
            format!("{said} (waits for a second person)")
        }
        _ => said,
    }
}
