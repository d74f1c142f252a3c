//! As much HTTP as asking a simulator or a node takes.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;

/// Longer than a simulator waits for its sidecar.
const PATIENCE: Duration = Duration::from_secs(45);

/// An answer: its status and its body.
#[derive(Debug, Clone)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The whole body.
    pub body: Bytes,
}

impl Page {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).with_context(|| format!("not as expected: {}", self.text()))
    }
}

/// Asks for a page.
///
/// # Errors
/// When there is no whole answer.
pub async fn get(at: SocketAddr, path: &str) -> Result<Page> {
    call(at, Method::GET, path, String::new()).await
}

/// Posts JSON.
///
/// # Errors
/// When there is no whole answer.
pub async fn post(at: SocketAddr, path: &str, json: &serde_json::Value) -> Result<Page> {
    call(at, Method::POST, path, json.to_string()).await
}

/// Puts JSON.
///
/// # Errors
/// When there is no whole answer.
pub async fn put(at: SocketAddr, path: &str, json: &serde_json::Value) -> Result<Page> {
    call(at, Method::PUT, path, json.to_string()).await
}

async fn call(at: SocketAddr, method: Method, path: &str, body: String) -> Result<Page> {
    // A client of its own: a pooled connection would outlive the process at its other end.
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{at}{path}"))
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body)))?;
    let answered = async {
        let response = client.request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok::<_, anyhow::Error>(Page { status, body })
    };
    tokio::time::timeout(PATIENCE, answered).await.context("no answer in time")?
}
