//! Every signed command but a cut, and the facts that another nation carries here. Each is judged before it is
//! appended, so that what cannot count does not fill the log; what counts is decided by its place there.

use bulkhead_model::Code;
use bulkhead_model::{CutId, Moment, Nation, OperatorId};
use bulkhead_wire::fact::{Action, Command, SignedFact};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1::{self, CarriedAbort, CarryFactsRequest, CarryFactsResponse, CommandResponse};
use bulkhead_wire::{time_from_wire, time_to_wire};
use jiff::Timestamp;

use super::caller::{fact_text, subject};
use super::{Shared, unavailable};
use crate::account;
use crate::audit::Note;
use crate::authority::{Copy, Effect, Judged, Outcome, Refused};
use crate::fact::read_anomaly;

impl Shared {
    pub(super) async fn command(
        &self,
        caller: &OperatorId,
        fact: Option<v1::SignedFact>,
    ) -> Result<CommandResponse, Refusal> {
        let (fact, header) = self.signed(caller, fact)?;
        let command = fact.command().ok();
        let name = command.as_ref().map_or("unreadable", Command::name);
        let subject = subject(&header, command.as_ref());
        let refuse = |refusal: Refusal| {
            self.note_refusal(caller, name, subject.clone(), fact_text(&fact), &refusal);
            refusal
        };
        if matches!(command, None | Some(Command::Cut { .. } | Command::Open { .. })) {
            let elsewhere =
                "this release cannot read it, or it is a cut or a break-glass, which have calls of their own";
            return Err(refuse(Refusal::new(Code::SignatureInvalid, elsewhere)));
        }
        if let Some(Command::Order { action: Action::Divert, referrals, .. }) = &command {
            self.check_divert(referrals).await.map_err(refuse)?;
        }
        let outcome = self.signed_and_settled(caller, &fact, name, &subject).await.map_err(refuse)?;
        let effect = outcome.effect.clone().map_err(|refused| refuse(refusal_of(&refused)))?;
        let cut = effect.cut().and_then(|id| self.parts.book.ask(|authority| account::any(authority, id)));
        Ok(CommandResponse {
            position: outcome.moment.position,
            at: Some(time_to_wire(outcome.moment.at)),
            effect: effect.to_string(),
            pending: effect.is_pending(),
            cut,
        })
    }

    /// Notes the intent with the operator's own words, judges, appends, notes the outcome.
    pub(super) async fn signed_and_settled(
        &self,
        caller: &OperatorId,
        fact: &SignedFact,
        name: &str,
        subject: &str,
    ) -> Result<Outcome, Refusal> {
        let note = Note {
            phase: "intent",
            who: caller.to_string(),
            command: name.to_owned(),
            subject: subject.to_owned(),
            fact: fact_text(fact),
            detail: words(fact),
            ..Note::default()
        };
        self.parts.audit.note(note.clone());
        self.judged_now(fact, None).map_err(|refused| refusal_of(&refused))?;
        let outcome = self.scribe.settle(fact, None).await.map_err(|error| unavailable(&error))?;
        if let Ok(effect) = &outcome.effect {
            let (detail, position) = (effect.to_string(), outcome.moment.position);
            self.parts.audit.note(Note { phase: "outcome", detail, position, ..note });
        }
        Ok(outcome)
    }

    /// What it would come to if the log took it now.
    fn judged_now(&self, fact: &SignedFact, home: Option<(Nation, Moment)>) -> Result<(), Refused> {
        let mut tried = self.parts.book.ask(Clone::clone);
        let here = Moment { position: tried.cuts().position.saturating_add(1), at: Timestamp::now() };
        match tried.hear(&Copy {
            fact: fact.clone(),
            here,
            taken_at: None,
            home,
            node: self.parts.node.clone(),
        }) {
            Judged::Counts(_) | Judged::Repeat => Ok(()),
            Judged::Refused(refused) => Err(refused),
        }
    }

    /// Facts of another nation about its own tenants. What is known already is not appended again.
    pub(super) async fn carried(
        &self,
        nation: Nation,
        request: CarryFactsRequest,
    ) -> Result<CarryFactsResponse, Refusal> {
        let mut durable = 0;
        for carried in request.facts {
            let invalid = |why: &str| Refusal::new(Code::SignatureInvalid, why);
            let fact = SignedFact::from_wire(carried.fact.ok_or_else(|| invalid("there is no signed fact"))?);
            let home = carried.home.and_then(|home| {
                let of: Nation = home.nation.parse().ok()?;
                Some((of, Moment { position: home.position, at: time_from_wire(home.at?)? }))
            });
            let home = home
                .filter(|(of, _)| *of == nation)
                .ok_or_else(|| invalid("it names no place of the caller's"))?;
            let id = fact.id();
            let is_known = |authority: &crate::Authority| {
                authority.outcome(&id).is_some_and(|outcome| outcome.effect.is_ok())
            };
            if !self.parts.book.ask(is_known) {
                let note = Note {
                    phase: "heard",
                    who: nation.to_string(),
                    command: "carried".into(),
                    fact: fact_text(&fact),
                    ..Note::default()
                };
                match self.judged_now(&fact, Some(home)) {
                    Ok(()) => {
                        self.scribe.settle(&fact, Some(home)).await.map_err(|error| unavailable(&error))?;
                        self.parts.audit.note(note);
                    }
                    // The directory may not have its signer yet: it is carried again.
                    Err(refused @ (Refused::OperatorUnknown | Refused::Signature)) => {
                        let who = nation.to_string();
                        return Err(self.note_of_cell(&who, "carried", Some(&fact), refusal_of(&refused)));
                    }
                    Err(refused) => {
                        let code = refused.code().to_string();
                        self.parts.audit.note(Note {
                            phase: "refused",
                            code,
                            detail: refused.to_string(),
                            ..note
                        });
                        continue;
                    }
                }
            }
            durable += 1;
        }
        for carried in request.aborts {
            durable += u32::from(self.abort_carried(nation, carried).await?);
        }
        Ok(CarryFactsResponse { durable })
    }

    /// A restore that the calling nation's cell broke off by itself. No person signed it: that cell's word is enough to
    /// close our border to a tenant of its own cut, and does nothing else.
    async fn abort_carried(&self, nation: Nation, carried: CarriedAbort) -> Result<bool, Refusal> {
        let invalid = |why: &str| Refusal::new(Code::SignatureInvalid, why);
        let mut anomaly = carried.anomaly.ok_or_else(|| invalid("there is nothing that a node saw"))?;
        anomaly.home = carried.home;
        let seen = read_anomaly(anomaly).map_err(|error| invalid(&error.to_string()))?;
        let note = Note {
            phase: "heard",
            who: seen.by.to_string(),
            command: "automatic abort".into(),
            subject: seen.cut.to_string(),
            detail: seen.what.clone(),
            ..Note::default()
        };
        if seen.home.is_none_or(|(of, _)| of != nation) || seen.cut.nation() != nation {
            let refusal =
                Refusal::new(Code::NotGranted, "a cell breaks off the restores of its own nation only");
            let (code, detail) = (refusal.code.to_string(), refusal.message.clone());
            self.parts.audit.note(Note { phase: "refused", who: nation.to_string(), code, detail, ..note });
            return Err(refusal);
        }
        let (is_known, counts) = self.parts.book.ask(|authority| {
            let here = Moment { position: authority.cuts().position.saturating_add(1), at: Timestamp::now() };
            let is_known = seen.id(here).is_some_and(|id| authority.outcome(&id).is_some());
            (is_known, !is_known && authority.clone().hear_anomaly(&seen, here).is_some())
        });
        if counts {
            self.scribe.settle_abort(&seen).await.map_err(|error| unavailable(&error))?;
            self.parts.audit.note(note);
        }
        // What closes nothing any more is not wanted here again.
        Ok(is_known || counts)
    }
}

/// What its operator wrote, for the audit.
pub(super) fn words(fact: &SignedFact) -> String {
    fact.command().map(|command| command.words().to_owned()).unwrap_or_default()
}

pub(super) fn refusal_of(refused: &Refused) -> Refusal {
    Refusal::new(refused.code(), refused.to_string())
}

impl Effect {
    /// The cut that it is about.
    pub fn cut(&self) -> Option<&CutId> {
        match self {
            Effect::Closed(cut)
            | Effect::Pending(cut)
            | Effect::Confirmed(cut)
            | Effect::WithdrawalBegun(cut)
            | Effect::Withdrawn(cut)
            | Effect::Step(cut, _)
            | Effect::ReleaseBegun(cut, _)
            | Effect::Released(cut, _)
            | Effect::Rejected(cut, _)
            | Effect::ClosedUnread(cut) => Some(cut),
            Effect::Ordered(..) | Effect::Directory | Effect::Opened => None,
        }
    }

    /// It waits for a second person.
    pub fn is_pending(&self) -> bool {
        matches!(self, Effect::Pending(_) | Effect::WithdrawalBegun(_) | Effect::ReleaseBegun(..))
    }
}
