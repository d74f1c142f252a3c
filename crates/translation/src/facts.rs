//! Facts: what HL7's referral has no field for, each with a name, as a coded OBX or as a line of the notes.
//!
//! A fact says the same in both places. `OBX-3` or `NTE-4` name it with the coding system `BULKHEAD`, so that it is
//! found again on the way back; a person reads its label and its words.

use bulkhead_format_bars::When;
use bulkhead_format_bars::view::{Coding, Concept};

use crate::tables::codes;
use crate::times;

/// The coding system of the names.
pub(crate) const SYSTEM: &str = "BULKHEAD";

/// What shape a fact's value has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Codes and words.
    Coded,
    /// A moment, or a date.
    Time,
    /// Words.
    Text,
}

macro_rules! names {
    ($($variant:ident = $id:literal, $label:literal, $shape:ident;)+) => {
        /// The name of a fact.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Name { $($variant),+ }

        impl Name {
            const ALL: &'static [Name] = &[$(Self::$variant),+];

            /// Its code.
            pub(crate) fn id(self) -> &'static str {
                match self { $(Self::$variant => $id),+ }
            }

            /// What a person reads.
            pub(crate) fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            /// The shape of its value.
            pub(crate) fn shape(self) -> Shape {
                match self { $(Self::$variant => Shape::$shape),+ }
            }
        }
    };
}

names! {
    Disposition = "DISPOSITION", "Disposition", Coded;
    DueBy = "DUE-BY", "Due by", Time;
    Earliest = "EARLIEST", "Not before", Time;
    Safeguarding = "SAFEGUARDING", "SAFEGUARDING", Coded;
    SceneSafety = "SCENE-SAFETY", "SCENE SAFETY", Coded;
    Flag = "FLAG", "Flag", Coded;
    FlagCategory = "FLAG-CATEGORY", "Category of the flag", Coded;
    FlagStatus = "FLAG-STATUS", "Status of the flag", Text;
    FlagStart = "FLAG-START", "Flag since", Time;
    FlagEnd = "FLAG-END", "Flag until", Time;
    Allergy = "ALLERGY", "ALLERGY", Coded;
    AllergyStatus = "ALLERGY-STATUS", "Status of the allergy", Coded;
    AllergyVerification = "ALLERGY-VERIFICATION", "Verification of the allergy", Coded;
    AllergyCriticality = "ALLERGY-CRITICALITY", "Criticality of the allergy", Text;
    AllergyReaction = "ALLERGY-REACTION", "Reaction", Coded;
    AllergySeverity = "ALLERGY-SEVERITY", "Severity of the reaction", Text;
    AllergyRecorded = "ALLERGY-RECORDED", "Allergy recorded", Time;
    AllergyNote = "ALLERGY-NOTE", "On the allergy", Text;
    Condition = "CONDITION", "Condition", Coded;
    ConditionCategory = "CONDITION-CATEGORY", "Kind of the condition", Coded;
    ConditionStatus = "CONDITION-STATUS", "Status of the condition", Coded;
    ConditionVerification = "CONDITION-VERIFICATION", "Verification of the condition", Coded;
    ConditionOnset = "CONDITION-ONSET", "Condition since", Text;
    ConditionNote = "CONDITION-NOTE", "On the condition", Text;
    Medication = "MEDICATION", "Medication", Coded;
    MedicationStatus = "MEDICATION-STATUS", "Status of the medication", Text;
    MedicationDosage = "MEDICATION-DOSAGE", "Dosage", Text;
    MedicationSince = "MEDICATION-SINCE", "Medication since", Text;
    MedicationReason = "MEDICATION-REASON", "Reason for the medication", Coded;
    Observation = "OBSERVATION", "Observation", Coded;
    ObservationValue = "OBSERVATION-VALUE", "Value", Text;
    ObservationStatus = "OBSERVATION-STATUS", "Status of the observation", Text;
    ObservationCategory = "OBSERVATION-CATEGORY", "Kind of the observation", Coded;
    ObservationTime = "OBSERVATION-TIME", "Observed", Text;
    ObservationNote = "OBSERVATION-NOTE", "On the observation", Text;
    Question = "QUESTION", "Question", Text;
    Answer = "ANSWER", "Answer", Text;
    Outcome = "OUTCOME", "Outcome of the triage", Coded;
    Category = "CATEGORY", "Kind of request", Coded;
    NumberStatus = "NUMBER-STATUS", "Verification of the patient's number", Coded;
    Callback = "CALLBACK", "Call back on", Text;
    CallbackOf = "CALLBACK-OF", "The first telephone number is that of", Text;
    CaseNumber = "CASE-NUMBER", "Case number of the sender", Coded;
    Journey = "JOURNEY", "Journey", Text;
    EncounterStatus = "ENCOUNTER-STATUS", "Status of the encounter", Text;
    EncounterClass = "ENCOUNTER-CLASS", "Class of the encounter", Coded;
    EncounterStart = "ENCOUNTER-START", "Encounter since", Time;
    EncounterReason = "ENCOUNTER-REASON", "Reason of the encounter", Coded;
    Place = "PLACE", "Place", Text;
    PlaceKind = "PLACE-KIND", "Kind of the place", Coded;
    PlaceAddress = "PLACE-ADDRESS", "Address of the place", Text;
    PlacePosition = "PLACE-POSITION", "Longitude and latitude", Text;
    ContactRole = "CONTACT-ROLE", "Relationship of the contact", Coded;
    PractitionerRole = "PRACTITIONER-ROLE", "Role of the referrer", Coded;
    Specialty = "SPECIALTY", "Specialty of the referrer", Coded;
    Employer = "EMPLOYER", "The referrer works for", Text;
}

impl Name {
    /// The name with that code.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.id() == id)
    }
}

/// The value of a fact.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum FactValue {
    /// Codes and words.
    Coded(Concept),
    /// A moment, or a date.
    Time(When),
    /// Words.
    Text(String),
}

/// A fact. Those of one thing, such as an allergy, have the same group.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is.
    pub(crate) name: Name,
    /// Which thing it is about, counted from 1; 0 for the referral.
    pub(crate) group: usize,
    /// What it says.
    pub(crate) value: FactValue,
}

/// Facts, to be collected.
#[derive(Default)]
pub(crate) struct Facts(pub(crate) Vec<Fact>);

impl Facts {
    fn push(&mut self, name: Name, group: usize, value: FactValue) {
        self.0.push(Fact { name, group, value });
    }

    /// A concept, if it says anything.
    pub(crate) fn coded<'c>(
        &mut self,
        name: Name,
        group: usize,
        concepts: impl IntoIterator<Item = &'c Concept>,
    ) {
        for concept in concepts {
            if concept.label().is_some() {
                self.push(name, group, FactValue::Coded(concept.clone()));
            }
        }
    }

    /// A coding.
    pub(crate) fn coding(&mut self, name: Name, group: usize, coding: &Coding) {
        let concept = Concept { codings: vec![coding.clone()], text: None };
        self.coded(name, group, [&concept]);
    }

    /// A moment, if there is one.
    pub(crate) fn time<'w>(&mut self, name: Name, group: usize, when: impl IntoIterator<Item = &'w When>) {
        for when in when {
            self.push(name, group, FactValue::Time(when.clone()));
        }
    }

    /// Words, if there are any.
    pub(crate) fn text<'t>(&mut self, name: Name, group: usize, texts: impl IntoIterator<Item = &'t String>) {
        for text in texts {
            if !text.is_empty() {
                self.push(name, group, FactValue::Text(text.clone()));
            }
        }
    }
}

impl Fact {
    /// The line of the notes that says it: `Disposition: To contact … within 6 hours [NHS-DX Dx06]`.
    pub(crate) fn line(&self) -> String {
        let words = match &self.value {
            FactValue::Coded(concept) => concept_words(concept),
            FactValue::Time(when) => match when.at() {
                Some(at) => format!("{} [{}]", times::words(at), when.text()),
                None => when.text().to_owned(),
            },
            FactValue::Text(text) => text.clone(),
        };
        format!("{}: {words}", self.name.label())
    }

    /// The fact that a line of the notes says.
    pub(crate) fn parse(name: Name, group: usize, line: &str) -> Self {
        let words = line.strip_prefix(name.label()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(line);
        let value = match name.shape() {
            Shape::Coded => FactValue::Coded(concept_of_words(words)),
            Shape::Time => FactValue::Time(When::read(bracket(words).map_or(words, |(_, inner)| inner))),
            Shape::Text => FactValue::Text(words.to_owned()),
        };
        Self { name, group, value }
    }
}

/// Words, and each code behind them in brackets: `Amoxicillin [SCT 372687004]`, or `[- 1]` without a system.
fn concept_words(concept: &Concept) -> String {
    let mut words = concept.label().unwrap_or_default().to_owned();
    for coding in &concept.codings {
        let system = coding.system.as_deref().filter(|system| !system.is_empty()).map(codes::short);
        let system = system.as_deref().unwrap_or("-");
        words.push_str(&format!(" [{system} {}]", coding.code.as_deref().unwrap_or_default()));
    }
    words
}

fn concept_of_words(words: &str) -> Concept {
    let (mut words, mut codings) = (words, Vec::new());
    while let Some((before, (system, code))) =
        bracket(words).and_then(|(before, inner)| Some((before, inner.split_once(' ')?)))
    {
        let some = |text: &str| (!text.is_empty() && text != "-").then(|| text.to_owned());
        let system = some(system).map(|system| codes::address(&system).unwrap_or(system));
        codings.push(Coding { system, code: some(code), display: None });
        words = before;
    }
    codings.reverse();
    let said = (!words.is_empty()).then(|| words.to_owned());
    match codings.first_mut() {
        Some(first) => first.display = said.filter(|said| first.code.as_ref() != Some(said)),
        None => return Concept { codings, text: said },
    }
    Concept { codings, text: None }
}

/// `words [inner]`, taken apart.
fn bracket(words: &str) -> Option<(&str, &str)> {
    let (before, inner) = words.strip_suffix(']')?.rsplit_once(" [")?;
    Some((before, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coding(system: &str, code: &str, display: Option<&str>) -> Coding {
        Coding {
            system: Some(system.to_owned()),
            code: Some(code.to_owned()),
            display: display.map(str::to_owned),
        }
    }

    fn check(name: Name, value: FactValue, line: &str) {
        let fact = Fact { name, group: 2, value };
        assert_eq!(fact.line(), line);
        assert!(Fact::parse(name, 2, line) == fact, "{line}");
    }

    #[test]
    fn lines_say_what_facts_say() {
        let dx = coding("https://fhir.nhs.uk/CodeSystem/pathways-dx-codes", "Dx06", Some("Contact [a] GP"));
        let concept = |codings, text: Option<&str>| {
            FactValue::Coded(Concept { codings, text: text.map(str::to_owned) })
        };
        check(Name::Disposition, concept(vec![dx], None), "Disposition: Contact [a] GP [NHS-DX Dx06]");
        let two =
            vec![coding("http://snomed.info/sct", "1", Some("Rash")), coding("https://x.org/cs", "b", None)];
        check(Name::AllergyReaction, concept(two, None), "Reaction: Rash [SCT 1] [https://x.org/cs b]");
        check(Name::Outcome, concept(Vec::new(), Some("seen")), "Outcome of the triage: seen");
        check(
            Name::Outcome,
            concept(vec![coding("http://snomed.info/sct", "1", None)], None),
            "Outcome of the triage: 1 [SCT 1]",
        );
        let due = FactValue::Time(When::read("2026-08-01T13:30:00+00:00"));
        check(Name::DueBy, due, "Due by: 01/08/2026 14:30 [2026-08-01T13:30:00+00:00]");
        check(Name::DueBy, FactValue::Time(When::read("tomorrow")), "Due by: tomorrow");
        check(Name::Journey, FactValue::Text("a: b [c]".to_owned()), "Journey: a: b [c]");
    }

    #[test]
    fn names_are_found_by_their_codes() {
        for name in Name::ALL {
            assert_eq!(Name::parse(name.id()), Some(*name));
        }
    }
}
