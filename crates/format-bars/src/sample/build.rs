//! The documents of a sample.

use super::random::Random;
use super::words;
use super::{SampleFacts, SampleReferral, SampleService};
use crate::classify::Profile;
use crate::document::{Document, Syntax};
use crate::node::Node;
use crate::response::coding;
use crate::systems::System;
use crate::when::When;

/// Below this size only what the profile demands is there, and no metadata.
const SMALL: usize = 6 * 1024;
const SNOMED: &str = "http://snomed.info/sct";
const UK_CORE: &str = "https://fhir.hl7.org.uk/StructureDefinition";

pub(super) fn referral(sample: &SampleReferral, syntax: Syntax) -> Document {
    let empty = Maker::new(sample).referral(syntax, "");
    let room = sample.size.saturating_sub(length(&empty));
    if room == 0 || sample.size < SMALL {
        return empty;
    }
    // Words that need escapes grow when they are written: fill, measure, and fill again what is left over.
    let mut words = summary(sample, room);
    for _ in 0..3 {
        let filled = Maker::new(sample).referral(syntax, &words);
        let written = length(&filled);
        if written.abs_diff(sample.size) * 200 <= sample.size {
            return filled;
        }
        let share = words.len() * room / written.saturating_sub(length(&empty)).max(1);
        words = summary(sample, share);
    }
    Maker::new(sample).referral(syntax, &words)
}

pub(super) fn cancel(sample: &SampleReferral, syntax: Syntax) -> Document {
    let maker = Maker::new(sample);
    let mut root = maker.bundle("cancel-bundle");
    root.push("entry", maker.entry("cancel-header", maker.header("update", "request-cancelled")));
    let request = maker
        .service_request("revoked")
        .with("reasonCode", Node::new().with_text("text", "Revoked as the patient has been seen elsewhere."));
    root.push("entry", maker.entry("service-request", request));
    let mut patient = maker.patient();
    patient.remove("generalPractitioner");
    root.push("entry", maker.entry("patient", patient));
    maker.ends(&mut root);
    Document::new(syntax, root)
}

fn length(document: &Document) -> usize {
    document.write().map_or(0, |bytes| bytes.len())
}

/// A consultation summary of about that many bytes.
fn summary(sample: &SampleReferral, bytes: usize) -> String {
    let mut random = Random::new(sample.seed ^ 0x5eed);
    let mut text = String::from("CONSULTATION SUMMARY\nPATHWAYS ASSESSMENT:");
    while text.len() < bytes {
        text.push_str(&format!("\n{}. {}", 1 + random.below(400), random.pick(&words::SAID)));
    }
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

struct Maker<'a> {
    sample: &'a SampleReferral,
    facts: SampleFacts,
    small: bool,
}

impl<'a> Maker<'a> {
    fn new(sample: &'a SampleReferral) -> Self {
        Self { sample, facts: sample.facts(), small: sample.size < SMALL }
    }

    fn random(&self, name: &str) -> Random {
        Random::new(self.sample.id(name).as_u64_pair().0)
    }

    fn url(&self, name: &str) -> String {
        format!("urn:uuid:{}", self.sample.id(name))
    }

    fn to(&self, name: &str) -> Node {
        Node::new().with_text("reference", &self.url(name))
    }

    fn entry(&self, name: &str, resource: Node) -> Node {
        Node::new().with_text("fullUrl", &self.url(name)).with("resource", resource)
    }

    /// A resource, with the metadata that BaRS wants on every one.
    fn resource(&self, kind: &str) -> Node {
        let node = Node::of_type(kind);
        if self.small {
            return node;
        }
        let profile = match kind {
            "MessageHeader" => {
                "https://fhir.nhs.uk/StructureDefinition/BARSMessageHeader-servicerequest-request".to_owned()
            }
            "ServiceRequest" => {
                "https://fhir.nhs.uk/StructureDefinition/BARSServiceRequest-request-referral".to_owned()
            }
            kind => format!("{UK_CORE}/UKCore-{kind}"),
        };
        let meta = Node::new().with_text("lastUpdated", &self.at());
        node.with("meta", meta.with_text("profile", &profile))
    }

    fn at(&self) -> String {
        When::write(self.sample.at)
    }

    fn bundle(&self, id: &str) -> Node {
        let meta = Node::new()
            .with_text("versionId", "1.1.0")
            .with_text("lastUpdated", &self.at())
            .with_text("profile", "https://fhir.nhs.uk/StructureDefinition/BARSBundleMessage");
        Node::of_type("Bundle")
            .with_text("id", &self.sample.id(id).to_string())
            .with("meta", meta)
            .with_text("type", "message")
            .with_text("timestamp", &self.at())
    }

    fn referral(&self, syntax: Syntax, summary: &str) -> Document {
        let mut root = self.bundle("bundle");
        for (name, resource) in [
            ("header", self.header("new", "request-referral")),
            ("service-request", self.service_request("active")),
            ("encounter", self.encounter()),
            ("care-plan", self.care_plan(summary)),
            ("patient", self.patient()),
            ("service", self.healthcare_service()),
            ("practitioner", self.practitioner()),
            ("role", self.role()),
            ("consent", self.consent()),
        ] {
            root.push("entry", self.entry(name, resource));
        }
        self.ends(&mut root);
        if !self.small || self.sample.profile == Profile::WalesNwri {
            root.push("entry", self.entry("condition", self.condition()));
        }
        if !self.small {
            root.push(
                "entry",
                self.entry(
                    "surgery",
                    self.organization(&SampleService::new("", "Z99001", "Beacon View Surgery")),
                ),
            );
            root.push("entry", self.entry("allergy", self.allergy()));
            root.push("entry", self.entry("observation", self.observation()));
        }
        if self.sample.safeguarding {
            root.push("entry", self.entry("flag", self.flag()));
        }
        Document::new(syntax, root)
    }

    fn ends(&self, root: &mut Node) {
        let (mut source, mut destination) = (self.sample.source.clone(), self.sample.destination.clone());
        if self.sample.profile == Profile::WalesNwri {
            [source.name, destination.name] = crate::profile::WALES_ORGANIZATIONS.map(str::to_owned);
        }
        root.push("entry", self.entry("sender", self.organization(&source)));
        root.push("entry", self.entry("receiver", self.organization(&destination)));
    }

    fn header(&self, reason: &str, definition: &str) -> Node {
        let endpoint = |service: &SampleService| format!("{}|{}", System::DosServiceId.uri(), service.dos);
        let destination = Node::new()
            .with_text("endpoint", &endpoint(&self.sample.destination))
            .with("receiver", self.to("receiver"));
        let source = Node::new()
            .with_text("name", &self.sample.source.name)
            .with_text("software", "Marling Call Manager")
            .with_text("version", "4.2.1")
            .with_text("endpoint", &endpoint(&self.sample.source));
        let mut header = self.resource("MessageHeader");
        if !self.small {
            let part =
                |url: &str, value: &str| Node::new().with_text("url", url).with_text("valueString", value);
            let software = Node::new()
                .with_text("url", "https://fhir.nhs.uk/StructureDefinition/CDSSExtension")
                .with("extension", part("requesterCDSSSoftware", "Pathways"))
                .with("extension", part("requesterCDSSVersion", "41.2.0"));
            header.push("extension", software);
        }
        header
            .with("eventCoding", coding(System::MessageEvent, "servicerequest-request", None))
            .with("destination", destination)
            .with("sender", self.to("sender"))
            .with("source", source)
            .with("reason", Node::new().with("coding", coding(System::MessageReason, reason, None)))
            .with("focus", self.to("service-request"))
            .with_text(
                "definition",
                &format!("https://fhir.nhs.uk/MessageDefinition/bars-message-servicerequest-{definition}"),
            )
    }

    fn service_request(&self, status: &str) -> Node {
        let category = Node::new()
            .with("coding", coding(System::MessageCategory, "referral", Some("Transfer of Care")))
            .with("coding", coding(System::UseCase, &self.sample.use_case, None));
        let period =
            Node::new().with_text("start", &self.at()).with_text("end", &When::write(self.facts.due));
        let mut request = self.resource("ServiceRequest");
        if status == "active" {
            request.push("basedOn", self.to("care-plan"));
        }
        request = request
            .with_text("status", status)
            .with_text("intent", "plan")
            .with("category", category)
            .with("subject", self.to("patient"));
        if status == "active" {
            request.push("encounter", self.to("encounter"));
        }
        request = request.with("occurrencePeriod", period).with_text("authoredOn", &self.at());
        if status == "active" {
            request.push("requester", self.to("practitioner"));
            request.push("performer", self.to("service"));
        }
        request
    }

    fn encounter(&self) -> Node {
        let case = format!("MV-{:07}", self.random("case").below(10_000_000));
        let identifier = Node::new()
            .with_text("system", "https://111.example.nhs.uk/Id/case-number")
            .with_text("value", &case);
        let class = Node::new()
            .with_text("system", "http://terminology.hl7.org/CodeSystem/v3-ActCode")
            .with_text("code", "EMER")
            .with_text("display", "emergency");
        let journey = format!("EpisodeOfCare/{}", self.sample.id("journey"));
        self.resource("Encounter")
            .with("identifier", identifier)
            .with_text("status", "finished")
            .with("class", class)
            .with("subject", self.to("patient"))
            .with("episodeOfCare", Node::new().with_text("reference", &journey))
            .with("period", Node::new().with_text("start", &self.at()))
    }

    fn care_plan(&self, summary: &str) -> Node {
        let (_, _, group, complaint) = self.complaint();
        let meaning = words::DISPOSITION.iter().find(|d| d.0 == self.facts.disposition).map(|d| d.1);
        let meaning = self.sample.disposition.map(|d| d.1).or(meaning);
        let outcome = |system, code: &str, display| Node::new().with("coding", coding(system, code, display));
        let mut activity = Node::new()
            .with("outcomeCodeableConcept", outcome(System::Sg, group, Some(complaint)))
            .with("outcomeCodeableConcept", outcome(System::Dx, self.facts.disposition, meaning));
        if !summary.is_empty() {
            activity.push("outcomeCodeableConcept", Node::new().with_text("text", summary));
        }
        self.resource("CarePlan")
            .with_text("status", "completed")
            .with_text("intent", "plan")
            .with("subject", self.to("patient"))
            .with("encounter", self.to("encounter"))
            .with("activity", activity)
    }

    fn patient(&self) -> Node {
        let facts = &self.facts;
        let status = Node::new()
            .with_text("system", "https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatus")
            .with_text("code", "number-present-and-verified");
        let verification = Node::new()
            .with_text("url", &format!("{UK_CORE}/Extension-UKCore-NHSNumberVerificationStatus"))
            .with("valueCodeableConcept", Node::new().with("coding", status));
        let identifier = Node::new()
            .with("extension", verification)
            .with_text("system", System::NhsNumber.uri())
            .with_text("value", &facts.nhs_number);
        let name = Node::new()
            .with_text("use", "official")
            .with_text("text", &format!("{} {}", facts.given, facts.family))
            .with_text("family", facts.family)
            .with_text("given", facts.given);
        let mut patient = self
            .resource("Patient")
            .with("identifier", identifier)
            .with("name", name)
            .with_text("gender", facts.gender)
            .with_text("birthDate", &facts.birth_date)
            .with("address", self.address())
            .with("contact", self.contact());
        if !self.small {
            let english = Node::new()
                .with_text("system", "https://fhir.hl7.org.uk/CodeSystem/UKCore-HumanLanguage")
                .with_text("code", "en")
                .with_text("display", "English");
            let language = Node::new().with("coding", english);
            patient
                .push("communication", Node::new().with("language", language).with_text("preferred", "true"));
            patient.push("generalPractitioner", self.to("surgery"));
        }
        patient
    }

    fn address(&self) -> Node {
        let mut random = self.random("address");
        let line = format!("{} {}", 1 + random.below(180), random.pick(&words::STREET));
        let (town, county, postcode) = random.pick(&words::TOWN);
        Node::new()
            .with_text("use", "home")
            .with_text("line", &line)
            .with_text("city", town)
            .with_text("district", county)
            .with_text("postalCode", postcode)
    }

    /// The patient's own number, ranked first: the one to call back.
    fn contact(&self) -> Node {
        let rank = Node::new()
            .with_text("url", &format!("{UK_CORE}/Extension-UKCore-ContactRank"))
            .with_text("valuePositiveInt", "1");
        let this = Node::new()
            .with_text("system", "http://terminology.hl7.org/CodeSystem/v3-RoleCode")
            .with_text("code", "ONESELF")
            .with_text("display", "self");
        let telecom = Node::new()
            .with_text("system", "phone")
            .with_text("value", &self.facts.callback)
            .with_text("use", "mobile")
            .with_text("rank", "1");
        Node::new()
            .with("extension", rank)
            .with("relationship", Node::new().with("coding", this))
            .with("telecom", telecom)
    }

    fn organization(&self, service: &SampleService) -> Node {
        let system = match self.sample.profile {
            Profile::England => System::OdsOrganization,
            Profile::WalesNwri => System::WalesUkOrganization,
        };
        let identifier = Node::new().with_text("system", system.uri()).with_text("value", &service.ods);
        self.resource("Organization").with("identifier", identifier).with_text("name", &service.name)
    }

    fn healthcare_service(&self) -> Node {
        let to = &self.sample.destination;
        let identifier =
            Node::new().with_text("system", System::DosServiceId.uri()).with_text("value", &to.dos);
        self.resource("HealthcareService")
            .with("identifier", identifier)
            .with_text("active", "true")
            .with("providedBy", self.to("receiver"))
            .with_text("name", &to.name)
    }

    fn practitioner(&self) -> Node {
        let mut random = self.random("practitioner");
        let role = format!("PT{:04}", random.below(10_000));
        let identifier = Node::new().with_text("system", System::SdsRole.uri()).with_text("value", &role);
        let name = Node::new()
            .with_text("family", random.pick(&words::FAMILY))
            .with_text("given", random.pick(&words::GIVEN).0);
        self.resource("Practitioner").with("identifier", identifier).with("name", name)
    }

    fn role(&self) -> Node {
        let mut role = self
            .resource("PractitionerRole")
            .with("practitioner", self.to("practitioner"))
            .with("organization", self.to("sender"));
        if !self.small {
            role.push("code", self.snomed("224608005", "Administrative healthcare staff"));
        }
        role
    }

    fn consent(&self) -> Node {
        let concept = |system: &str, code: &str| {
            Node::new().with("coding", Node::new().with_text("system", system).with_text("code", code))
        };
        self.resource("Consent")
            .with_text("status", "active")
            .with("scope", concept("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"))
            .with("category", concept("https://fhir.nhs.uk/CodeSystem/consent-categories-bars", "DRC"))
            .with("patient", self.to("patient"))
            .with_text("dateTime", &self.at())
            .with("policyRule", concept("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMPLIED"))
    }

    fn complaint(&self) -> (&'static str, &'static str, &'static str, &'static str) {
        self.random("complaint").pick(&words::COMPLAINT)
    }

    fn snomed(&self, code: &str, display: &str) -> Node {
        let coding =
            Node::new().with_text("system", SNOMED).with_text("code", code).with_text("display", display);
        Node::new().with("coding", coding)
    }

    fn condition(&self) -> Node {
        let (code, display, _, _) = self.complaint();
        self.resource("Condition")
            .with("category", self.snomed("33962009", "Presenting complaint"))
            .with("code", self.snomed(code, display))
            .with("subject", self.to("patient"))
            .with("encounter", self.to("encounter"))
            .with_text("onsetDateTime", &self.at())
    }

    fn allergy(&self) -> Node {
        let (code, display) = self.random("allergy").pick(&words::ALLERGEN);
        let rash = Node::new().with("manifestation", self.snomed("247472004", "Urticarial rash"));
        self.resource("AllergyIntolerance")
            .with("code", self.snomed(code, display))
            .with("patient", self.to("patient"))
            .with_text("recordedDate", &self.at())
            .with("reaction", rash.with_text("severity", "mild"))
    }

    fn observation(&self) -> Node {
        let temperature = Node::new()
            .with_text(
                "value",
                &format!("3{}.{}", 7 + self.random("temperature").below(3), self.random("tenth").below(10)),
            )
            .with_text("unit", "°C")
            .with_text("system", "http://unitsofmeasure.org")
            .with_text("code", "Cel");
        self.resource("Observation")
            .with_text("status", "final")
            .with("code", self.snomed("276885007", "Core body temperature"))
            .with("subject", self.to("patient"))
            .with_text("effectiveDateTime", &self.at())
            .with("valueQuantity", temperature)
    }

    fn flag(&self) -> Node {
        let category =
            Node::new().with("coding", coding(System::FlagCategory, "SG", Some("Safeguarding Concern")));
        let code = Node::new()
            .with_text("system", "https://fhir.nhs.uk/CodeSystem/safeguarding-codes-bars")
            .with_text("code", "417430008")
            .with_text("display", "Vulnerable adult (finding)");
        self.resource("Flag")
            .with_text("status", "active")
            .with("category", category)
            .with("code", Node::new().with("coding", code))
            .with("subject", self.to("patient"))
            .with("period", Node::new().with_text("start", &self.at()))
    }
}
