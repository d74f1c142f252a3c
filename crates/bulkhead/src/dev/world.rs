//! The demo world as data: suppliers, tenants, services, and what each tenant's system speaks.

use std::fmt::Write;

use bulkhead_model::{Nation, Protocol, TenantId};

/// A BaRS directory of services id, national.
pub(super) const DOS: &str = "https://fhir.nhs.uk/Id/dos-service-id";
/// An organisation code.
pub(super) const ODS: &str = "https://fhir.nhs.uk/Id/ods-organization-code";

/// Whose the tenants are that exist for drills.
pub(super) const DRILLS: (&str, &str) = ("bulkhead", "Bulkhead drills");

/// One for drills in each nation, with one service; no system is behind it.
pub(super) fn synthetic() -> impl Iterator<Item = (String, String)> {
    Nation::ALL
        .into_iter()
        .map(|nation| (format!("{nation}/synthetic"), format!("{nation}/synthetic-service")))
}

/// The four companies; meridian has environments in all four nations, as one had in 2022.
pub(super) const SUPPLIERS: [(&str, &str); 4] = [
    ("meridian", "Meridian Health Software"),
    ("castell", "Castell Systems"),
    ("thistle", "Thistle Informatics"),
    ("lagan", "Lagan Care Computing"),
];

/// One demo tenant with its one service.
#[derive(Debug, Clone, Copy)]
pub(super) struct DemoTenant {
    pub(super) id: &'static str,
    pub(super) supplier: &'static str,
    pub(super) service: &'static str,
    pub(super) dos: &'static str,
    pub(super) organisation: &'static str,
    pub(super) protocol: Protocol,
    pub(super) version: &'static str,
    /// HL7 v2 only: commit acknowledgements as MSH-15 and MSH-16 ask for.
    pub(super) enhanced: bool,
}

impl DemoTenant {
    pub(super) fn tenant(&self) -> TenantId {
        TenantId::parse(self.id).expect("the table holds tenant ids; a test reads them all")
    }

    pub(super) fn nation(&self) -> Nation {
        self.tenant().nation()
    }
}

/// Every tenant of the demo world that runs (the MESH one does not yet).
pub(super) const TENANTS: [DemoTenant; 8] = [
    DemoTenant {
        id: "england/nhs111-north",
        supplier: "meridian",
        service: "england/nhs111-north-triage",
        dos: "2000011147",
        organisation: "RYE",
        protocol: Protocol::Bars,
        version: "1.4.0",
        enhanced: false,
    },
    DemoTenant {
        id: "england/ooh-riverside",
        supplier: "castell",
        service: "england/riverside-ooh",
        dos: "2000072489",
        organisation: "RY6",
        protocol: Protocol::Bars,
        version: "1.4.0",
        enhanced: false,
    },
    DemoTenant {
        id: "wales/wast-111",
        supplier: "meridian",
        service: "wales/wast-111-triage",
        dos: "7000000301",
        organisation: "RT4",
        protocol: Protocol::BarsWales,
        version: "1.2.0",
        enhanced: false,
    },
    DemoTenant {
        id: "wales/ooh-cardiff",
        supplier: "castell",
        service: "wales/cardiff-ooh",
        dos: "7000000302",
        organisation: "7A4BV",
        protocol: Protocol::Hl7v2,
        version: "2.5",
        enhanced: false,
    },
    DemoTenant {
        id: "scotland/nhs24",
        supplier: "thistle",
        service: "scotland/nhs24-hub",
        dos: "8000000401",
        organisation: "SB9",
        protocol: Protocol::Hl7v2,
        version: "2.4",
        enhanced: false,
    },
    DemoTenant {
        id: "scotland/ooh-lothian",
        supplier: "meridian",
        service: "scotland/lothian-ooh",
        dos: "8000000402",
        organisation: "S08000024",
        protocol: Protocol::Hl7v2,
        version: "2.4",
        enhanced: true,
    },
    DemoTenant {
        id: "northern-ireland/ooh-dalriada",
        supplier: "meridian",
        service: "northern-ireland/dalriada-ooh",
        dos: "9000000501",
        organisation: "ZD001",
        protocol: Protocol::Hl7v2,
        version: "2.4",
        enhanced: false,
    },
    DemoTenant {
        id: "northern-ireland/gp-belfast",
        supplier: "lagan",
        service: "northern-ireland/gp-belfast-inbox",
        dos: "9000000502",
        organisation: "Z00100",
        protocol: Protocol::Hl7v2,
        version: "2.5.1",
        enhanced: false,
    },
];

/// More than a real directory would allow: in a demo world people try things out, and tests cut all the time.
const CUTS_PER_HOUR: u32 = 100_000;

/// The people who may ask: two a nation.
pub(super) fn operators() -> impl Iterator<Item = (Nation, String)> {
    Nation::ALL
        .into_iter()
        .flat_map(|nation| ["duty", "lead"].map(|role| (nation, format!("{nation}-{role}"))))
}

/// The directory of the demo world, as a file that `bulkhead apply` would read.
pub(super) fn directory(public_key: impl Fn(&str) -> String) -> String {
    let mut text = String::from("# The demo world of `bulkhead dev`; written anew at each start.\n");
    let mut table = |lines: &[&str]| {
        text.push('\n');
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    };
    for (id, name) in SUPPLIERS.into_iter().chain([DRILLS]) {
        table(&["[[suppliers]]", &format!("id = {id:?}"), &format!("name = {name:?}")]);
    }
    for tenant in TENANTS {
        let DemoTenant { id, supplier, service, dos, organisation, protocol, version, .. } = tenant;
        table(&["[[tenants]]", &format!("id = {id:?}"), &format!("supplier = {supplier:?}")]);
        table(&[
            "[[services]]",
            &format!("id = {service:?}"),
            &format!("host = {id:?}"),
            "identifiers = [",
            &format!("    {{ system = {DOS:?}, value = {dos:?} }},"),
            &format!("    {{ system = {ODS:?}, value = {organisation:?} }},"),
            "]",
            &format!("protocol = {:?}", protocol.as_str()),
            &format!("version = {version:?}"),
        ]);
    }
    for (id, service) in synthetic() {
        let supplier = DRILLS.0;
        table(&[
            "[[tenants]]",
            &format!("id = {id:?}"),
            &format!("supplier = {supplier:?}"),
            "synthetic = true",
        ]);
        table(&[
            "[[services]]",
            &format!("id = {service:?}"),
            &format!("host = {id:?}"),
            "identifiers = []",
            "protocol = \"hl7v2\"",
            "version = \"2.4\"",
        ]);
    }
    for (nation, name) in operators() {
        table(&[
            "[[operators]]",
            &format!("id = \"{nation}/{name}\""),
            &format!("public_key = {:?}", public_key(&name)),
            &format!("cuts_per_hour = {CUTS_PER_HOUR}"),
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_a_directory_that_fits_together() {
        let text = directory(|_| "00".repeat(32));
        let directory = bulkhead_control::parse_directory("directory.toml", &text).unwrap();
        for tenant in TENANTS {
            assert!(directory.tenant(&tenant.tenant()).is_some(), "{}", tenant.id);
        }
        for (id, _) in synthetic() {
            assert!(directory.tenant(&TenantId::parse(&id).unwrap()).unwrap().synthetic, "{id}");
        }
        assert_eq!(directory.tenants().filter(|tenant| tenant.synthetic).count(), Nation::ALL.len());
        assert_eq!(directory.services().count(), TENANTS.len() + Nation::ALL.len());
    }
}
