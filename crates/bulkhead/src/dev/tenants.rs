//! The sidecars of the demo tenants, and behind each the simulator of its clinical system.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use bulkhead_adapter::{Config, InboxConfig, InboxSettings, SpoolConfig, SpoolSettings};
use bulkhead_format_bars::{Identifier, Syntax};
use bulkhead_model::{Nation, Protocol};
use bulkhead_process::Drain;
use bulkhead_protocol_bars::ServiceSettings;
use bulkhead_protocol_hl7::{Answers, Name, TellRefusals};
use bulkhead_simulator::traffic::Party;
use bulkhead_simulator::{Acknowledgement, Address, Config as SimulatorConfig, Handle, Mllp, Simulator};

use futures::FutureExt;
use futures::future::BoxFuture;

use super::dev_json;
use super::pki::{self, Pki};
use super::ports::{PortPlan, TenantPorts};
use super::world::{self, DOS, DemoTenant, ODS};

/// All demo tenants, running.
pub(super) struct Tenants(Vec<Running>);

struct Running {
    demo: DemoTenant,
    ports: TenantPorts,
    simulator: Arc<Handle>,
    stopped: BoxFuture<'static, ()>,
}

impl Tenants {
    /// Starts every simulator, then its sidecar, unless that is left to another process.
    pub(super) async fn start(
        data_dir: &Path,
        pki: &Pki,
        plan: &PortPlan,
        drain: &Drain,
        apart: &[String],
    ) -> Result<Self> {
        if let Some(unknown) = apart.iter().find(|id| world::TENANTS.iter().all(|demo| demo.id != *id)) {
            bail!("the demo world has no tenant {unknown}");
        }
        let mut running = Vec::new();
        for (index, demo) in world::TENANTS.into_iter().enumerate() {
            let ports = plan.tenant(index);
            let simulator = Simulator::start(simulator(&demo, ports, data_dir)?)
                .await
                .with_context(|| format!("the simulator of {}", demo.id))?;
            let stopped = if apart.iter().any(|id| id == demo.id) {
                futures::future::ready(()).boxed()
            } else {
                let started = sidecar(&demo, ports, data_dir, pki, plan, drain.clone()).await;
                started.with_context(|| format!("the sidecar of {}", demo.id))?
            };
            running.push(Running { demo, ports, simulator: Arc::new(simulator), stopped });
        }
        Ok(Self(running))
    }

    pub(super) fn simulators(&self) -> Vec<Arc<Handle>> {
        self.0.iter().map(|running| running.simulator.clone()).collect()
    }

    /// The same, as the traffic's generator knows them.
    pub(super) fn parties(&self) -> Vec<Party> {
        let party = |running: &Running| {
            let address = Address { system: DOS.into(), value: running.demo.dos.into() };
            Party::new(address, &protocol(&running.demo))
        };
        self.0.iter().map(party).collect()
    }

    /// Tenant, protocol, simulator's page, where the sidecar listens.
    pub(super) fn addresses(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'static str, SocketAddr, SocketAddr)> {
        self.0.iter().map(|running| {
            let demo = &running.demo;
            (demo.id, face(demo), running.ports.simulator_http, running.ports.sidecar_listen)
        })
    }

    pub(super) fn dev_json(&self, pki: &Pki) -> Vec<dev_json::Tenant> {
        let tenant = |running: &Running| {
            let (demo, ports) = (&running.demo, &running.ports);
            let files = pki.tenant_files(demo.id);
            let identifier = |(system, value): (&str, &str)| dev_json::Identifier {
                system: system.into(),
                value: value.into(),
            };
            let at = |address| vec![dev_json::Face { protocol: face(demo), address }];
            dev_json::Tenant {
                id: demo.id.into(),
                supplier: demo.supplier.into(),
                services: vec![dev_json::Service {
                    id: demo.service.into(),
                    identifiers: [(DOS, demo.dos), (ODS, demo.organisation)].map(identifier).into(),
                }],
                certificate: files.certificate.display().to_string(),
                key: files.key.display().to_string(),
                sidecar: dev_json::Sidecar {
                    http: ports.sidecar_http,
                    listens: at(ports.sidecar_listen),
                    sends: at(ports.simulator_listen),
                },
                simulator: dev_json::Simulator { http: ports.simulator_http },
            }
        };
        self.0.iter().map(tenant).collect()
    }

    /// Waits until the sidecars have stopped after their drain, then stops the simulators.
    pub(super) async fn stopped(self) {
        let (simulators, sidecars): (Vec<_>, Vec<_>) =
            self.0.into_iter().map(|running| (running.simulator, running.stopped)).unzip();
        futures::future::join_all(sidecars).await;
        for simulator in simulators {
            simulator.shutdown().await;
        }
    }
}

/// Runs the sidecar that a world has left to others, until the drain starts.
pub(super) async fn only_sidecar(
    tenant: &str,
    data_dir: &Path,
    pki: &Pki,
    plan: &PortPlan,
    drain: Drain,
) -> Result<()> {
    let found = world::TENANTS.into_iter().enumerate().find(|(_, demo)| demo.id == tenant);
    let (index, demo) = found.with_context(|| format!("the demo world has no tenant {tenant}"))?;
    sidecar(&demo, plan.tenant(index), data_dir, pki, plan, drain).await?.await;
    Ok(())
}

fn face(demo: &DemoTenant) -> &'static str {
    match demo.protocol {
        Protocol::Bars | Protocol::BarsWales => "bars",
        Protocol::Hl7v2 => "hl7v2",
    }
}

/// MSH-3 of the tenant's system.
fn application(demo: &DemoTenant) -> String {
    demo.id.rsplit('/').next().unwrap_or(demo.id).replace('-', "").to_ascii_uppercase()
}

fn protocol(demo: &DemoTenant) -> bulkhead_simulator::Protocol {
    match demo.protocol {
        Protocol::Bars => bulkhead_simulator::Protocol::Bars { syntax: Syntax::Xml },
        Protocol::BarsWales => bulkhead_simulator::Protocol::BarsWales,
        Protocol::Hl7v2 => {
            let mut mllp = Mllp::new(demo.version, &application(demo), demo.organisation);
            if demo.enhanced {
                mllp.acknowledgement = Acknowledgement::Enhanced;
            }
            mllp.one_per_connection = demo.nation() == Nation::Wales;
            bulkhead_simulator::Protocol::Mllp(mllp)
        }
    }
}

fn simulator(demo: &DemoTenant, ports: TenantPorts, data_dir: &Path) -> Result<SimulatorConfig> {
    let folder = data_dir.join("simulators").join(demo.tenant().topic_part());
    fs::create_dir_all(&folder)?;
    let mut config = SimulatorConfig::new(demo.tenant(), protocol(demo));
    config.listen = ports.simulator_listen;
    config.http = ports.simulator_http;
    config.services = vec![
        Identifier { system: DOS.into(), value: demo.dos.into() },
        Identifier { system: ODS.into(), value: demo.organisation.into() },
    ];
    config.sidecar = Some(ports.sidecar_listen);
    config.journal = Some(folder.join("received"));
    Ok(config)
}

async fn sidecar(
    demo: &DemoTenant,
    ports: TenantPorts,
    data_dir: &Path,
    pki: &Pki,
    plan: &PortPlan,
    drain: Drain,
) -> Result<BoxFuture<'static, ()>> {
    let nation = demo.nation();
    let config = Config {
        tenant: demo.tenant(),
        software: format!("bulkhead-{nation} {}", env!("CARGO_PKG_VERSION")),
        brokers: plan.addresses(nation),
        server_name: pki::server_name(nation),
        credentials: pki.credentials(&pki.tenant_files(demo.id))?,
        data_dir: data_dir.join("sidecars").join(demo.tenant().topic_part()),
        http: Some(ports.sidecar_http),
        spool: SpoolConfig::from_settings(&SpoolSettings::default())?,
        inbox: InboxConfig::from_settings(&InboxSettings::default())?,
    };
    let stopped: BoxFuture<'static, ()> = match (nation, demo.protocol) {
        (Nation::England, _) => {
            let system = bulkhead_adapter_england::SystemSettings { bars: bars(demo, ports, "/FHIR/R4") };
            bulkhead_adapter_england::serve(system, config, drain).await?.stopped().boxed()
        }
        (Nation::Wales, Protocol::Bars | Protocol::BarsWales) => {
            let system = bulkhead_adapter_wales::SystemSettings::bars(bars(demo, ports, ""));
            bulkhead_adapter_wales::serve(system, config, drain).await?.stopped().boxed()
        }
        (Nation::Wales, Protocol::Hl7v2) => {
            let system = bulkhead_adapter_wales::SystemSettings::hl7(hl7(demo, ports));
            bulkhead_adapter_wales::serve(system, config, drain).await?.stopped().boxed()
        }
        (Nation::Scotland, _) => {
            let system = bulkhead_adapter_scotland::SystemSettings { hl7: hl7(demo, ports) };
            bulkhead_adapter_scotland::serve(system, config, drain).await?.stopped().boxed()
        }
        (Nation::NorthernIreland, _) => {
            let system = bulkhead_adapter_northern_ireland::SystemSettings { hl7: hl7(demo, ports) };
            bulkhead_adapter_northern_ireland::serve(system, config, drain).await?.stopped().boxed()
        }
    };
    Ok(stopped)
}

fn bars(demo: &DemoTenant, ports: TenantPorts, path: &str) -> bulkhead_protocol_bars::Settings {
    let base_url = format!("http://{}{path}", ports.simulator_listen);
    let mut settings = bulkhead_protocol_bars::Settings::new(ports.sidecar_listen, base_url);
    let service = |(system, value): (&str, &str)| ServiceSettings {
        system: system.into(),
        value: value.into(),
        use_cases: vec!["a1t10".into()],
    };
    settings.services = [(DOS, demo.dos), (ODS, demo.organisation)].map(service).into();
    settings
}

fn hl7(demo: &DemoTenant, ports: TenantPorts) -> bulkhead_protocol_hl7::Settings {
    let mut settings =
        bulkhead_protocol_hl7::Settings::new(ports.sidecar_listen, ports.simulator_listen.to_string());
    settings.version = Some(demo.version.into());
    settings.name = Name { application: application(demo), facility: demo.organisation.into() };
    settings.reply_to = Some(format!("{}^{DOS}", demo.dos));
    // The simulators read AE as "again" and AR as "never", as the DHCW guide does.
    settings.answers = Some(Answers::DHCW);
    settings.tell_refusals = Some(TellRefusals::Rri);
    settings
}
