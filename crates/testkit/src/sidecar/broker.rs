//! A node that listens, goes away and comes back.

use std::net::SocketAddr;
use std::time::Duration;

use bulkhead_model::TenantId;
use bulkhead_process::Drain;
use bulkhead_transport::{
    Acceptor, Config, Connections, Credentials, Identity, Limits, MAX_MESSAGE, admit_all, server,
};
use bulkhead_wire::v1::delivery_server::DeliveryServer;
use bulkhead_wire::v1::ingest_server::IngestServer;
use bulkhead_wire::v1::referrals_server::ReferralsServer;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Authority, Memory, SOON, Stream};

/// The only node of a tenant's cell.
#[derive(Debug)]
pub struct Broker {
    /// Where it listens, also after it was away.
    pub address: SocketAddr,
    /// What it remembers, also while it is away.
    pub memory: Memory,
    tenant: TenantId,
    streams: mpsc::Receiver<Stream>,
    serving: Serving,
    node: Credentials,
}

#[derive(Debug)]
struct Serving {
    connections: Connections,
    stop: Drain,
    task: JoinHandle<()>,
}

impl Broker {
    /// On a free port, for that tenant's sidecar.
    pub async fn start(authority: &Authority, tenant: &str) -> Self {
        let tenant = TenantId::parse(tenant).unwrap();
        let nation = tenant.nation();
        let (streams, opened) = mpsc::channel(16);
        let memory = Memory::new(tenant.clone(), streams);
        let node = authority.issue(&format!("bulkhead://{nation}/cell/{nation}-1"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Serving::start(listener, &node, &memory);
        Self { address, memory, tenant, streams: opened, serving, node }
    }

    /// The node goes away: the port is closed, its connections are cut.
    pub async fn stop(&mut self) {
        self.serving.stop.start();
        self.serving.task.abort();
        let connections = &self.serving.connections;
        let cut = async {
            loop {
                connections.sever(&Identity::Tenant(self.tenant.clone()));
                if connections.total() == 0 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(SOON, cut).await.expect("connections end");
        while self.streams.try_recv().is_ok() {}
    }

    /// The node is back, at the same address.
    pub async fn start_again(&mut self) {
        let free = async {
            loop {
                match TcpListener::bind(self.address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let listener = tokio::time::timeout(SOON, free).await.expect("the port is free");
        self.serving = Serving::start(listener, &self.node, &self.memory);
    }

    /// The next stream that is opened.
    pub async fn stream(&mut self) -> Stream {
        let opened = tokio::time::timeout(SOON, self.streams.recv()).await;
        opened.expect("a stream opens").unwrap()
    }
}

impl Serving {
    fn start(listener: TcpListener, node: &Credentials, memory: &Memory) -> Self {
        let (connections, stop) = (Connections::new(), Drain::new());
        let config = Config {
            node: "fake-1".to_owned(),
            credentials: node.clone(),
            policy: admit_all(),
            connections: connections.clone(),
            limits: Limits::default(),
        };
        let incoming = Acceptor::new(config).unwrap().listen(listener);
        let router = server()
            .add_service(IngestServer::new(memory.clone()).max_decoding_message_size(MAX_MESSAGE))
            .add_service(DeliveryServer::new(memory.clone()).max_decoding_message_size(MAX_MESSAGE))
            .add_service(ReferralsServer::new(memory.clone()));
        let task = tokio::spawn(async move { router.serve_with_incoming(incoming).await.unwrap() });
        Self { connections, stop, task }
    }
}
