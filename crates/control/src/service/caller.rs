//! Who calls, and whether that is who signed.

use bulkhead_model::{Code, Nation, OperatorId};
use bulkhead_transport::{Identity, Peer, Refusal as Refused, peer};
use bulkhead_wire::fact::{Header, SignedFact, hex};
use bulkhead_wire::status::Refusal;
use bulkhead_wire::v1;
use tonic::Request;

use super::Shared;
use crate::audit::Note;

/// Letters of a subject that are noted.
const SUBJECT: usize = 100;

impl Shared {
    /// The operator of this nation that calls; anybody else is refused and noted.
    pub(super) fn operator<T>(&self, request: &Request<T>) -> Result<OperatorId, Refusal> {
        let home = self.parts.nation;
        let (who, refusal) = match peer(request) {
            Ok(Identity::Operator(operator)) if operator.nation() == home => return Ok(operator.clone()),
            Ok(Identity::Operator(operator)) => (
                operator.to_string(),
                Refusal::new(
                    Code::NotGranted,
                    format!("{operator} is an operator of another nation than {home}"),
                ),
            ),
            Ok(other) => (
                other.to_string(),
                Refusal::new(Code::NotGranted, "only an operator commands; use an operator's certificate"),
            ),
            Err(refused) => (String::new(), refused_peer(refused)),
        };
        self.parts.audit.note(Note {
            phase: "refused",
            who,
            command: "call".into(),
            code: refusal.code.to_string(),
            detail: refusal.message.clone(),
            ..Note::default()
        });
        Err(refusal)
    }

    /// The nation of the cell that calls, when it is another one.
    pub(super) fn far_cell<T>(&self, request: &Request<T>) -> Result<Nation, Refusal> {
        match peer(request).map_err(refused_peer)? {
            Identity::Cell { nation, .. } if *nation != self.parts.nation => Ok(*nation),
            _ => Err(Refusal::new(Code::NotGranted, "only another nation's cell carries its facts here")),
        }
    }

    /// A node of this cell calls.
    pub(super) fn own_cell<T>(&self, request: &Request<T>) -> Result<(), Refusal> {
        match peer(request).map_err(refused_peer)? {
            Identity::Cell { nation, .. } if *nation == self.parts.nation => Ok(()),
            _ => Err(Refusal::new(Code::NotGranted, "only a node of this cell pushes a closing")),
        }
    }

    /// The fact that a caller signed.
    pub(super) fn signed(
        &self,
        caller: &OperatorId,
        fact: Option<v1::SignedFact>,
    ) -> Result<(SignedFact, Header), Refusal> {
        let invalid = |why: &str| Refusal::new(Code::SignatureInvalid, why).field("fact");
        let read = || {
            let fact = SignedFact::from_wire(fact.ok_or_else(|| invalid("there is no signed fact"))?);
            let header = fact.header().map_err(|error| invalid(&format!("the signed fact: {error}")))?;
            match header.operator == *caller {
                true => Ok((fact, header)),
                false => Err(invalid("it was signed by somebody else than the operator that calls")),
            }
        };
        read().inspect_err(|refusal: &Refusal| {
            self.note_refusal(caller, "signed command", String::new(), String::new(), refusal);
        })
    }

    /// What an operator asked before it commands, noted when it is refused.
    pub(super) fn noted<T>(
        &self,
        caller: &OperatorId,
        command: &str,
        subject: &str,
        answer: Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        answer.inspect_err(|refusal| {
            // Whatever was typed there: so much of it tells what was meant.
            let subject = subject.chars().take(SUBJECT).collect();
            self.note_refusal(caller, command, subject, String::new(), refusal);
        })
    }

    /// What a cell brought and is refused, noted once.
    pub(super) fn note_of_cell(
        &self,
        who: &str,
        command: &str,
        fact: Option<&SignedFact>,
        refusal: Refusal,
    ) -> Refusal {
        let header = fact.and_then(|fact| fact.header().ok());
        let fact = fact.map(fact_text).unwrap_or_default();
        let note = Note {
            who: who.to_owned(),
            command: command.to_owned(),
            subject: header.map(|header| subject(&header, None)).unwrap_or_default(),
            fact: fact.clone(),
            code: refusal.code.to_string(),
            detail: refusal.message.clone(),
            ..Note::default()
        };
        self.refusals.note(format!("{who} {command} {fact}"), note);
        refusal
    }

    pub(super) fn note_refusal(
        &self,
        caller: &OperatorId,
        command: &str,
        subject: String,
        fact: String,
        refusal: &Refusal,
    ) {
        metrics::counter!("bulkhead_commands_refused_total", "nation" => self.parts.nation.as_str())
            .increment(1);
        self.parts.audit.note(Note {
            phase: "refused",
            who: caller.to_string(),
            command: command.to_owned(),
            subject,
            fact,
            code: refusal.code.to_string(),
            detail: refusal.message.clone(),
            position: 0,
        });
    }
}

/// Who calls, refused or not, for the audit.
pub(super) fn who<T>(request: &Request<T>) -> String {
    let peer = request.extensions().get::<Peer>().and_then(Peer::credential);
    peer.map(|credential| credential.identity.to_string()).unwrap_or_default()
}

/// What a fact is about, for the audit: its scope, or the cut that it names.
pub(super) fn subject(header: &Header, command: Option<&bulkhead_wire::fact::Command>) -> String {
    let cut = command.and_then(|command| command.cut()).map(ToString::to_string);
    cut.or_else(|| header.scope.scope().map(ToString::to_string)).unwrap_or_default()
}

/// A fact's name for the audit.
pub(super) fn fact_text(fact: &SignedFact) -> String {
    hex(&fact.id().0)
}

fn refused_peer(refused: Refused) -> Refusal {
    Refusal::new(refused.code(), refused.to_string())
}
