//! Logs, traces and metrics of a process, and the trace context that goes with a referral.
//!
//! Logs go to standard error: text on a terminal, JSON otherwise, filtered by `RUST_LOG` (default
//! `info`). Traces go out over OTLP when the standard `OTEL_EXPORTER_OTLP_*` variables name a collector;
//! without one a sampled trace of somebody else's still passes through. No log, span or metric may hold
//! content of a referral; [`crate::capture`] lets tests hold the code to that.

use std::collections::HashMap;
use std::env;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{TraceContextExt, TracerProvider};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Upper bounds of the buckets of every histogram whose name ends in `_seconds`.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];
/// Upper bounds of the buckets of every histogram whose name ends in `_bytes`.
const BYTES: [f64; 8] = [1024.0, 4096.0, 16384.0, 65536.0, 131_072.0, 524_288.0, 1_048_576.0, 5_242_880.0];
/// How often samples of histograms are folded into their buckets when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long the last spans may take to leave when a process ends.
const FLUSH: Duration = Duration::from_secs(2);

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `RUST_LOG` cannot be read.
    #[error("RUST_LOG is not a filter")]
    Filter(#[from] tracing_subscriber::filter::FromEnvError),
    /// Only OTLP over gRPC is built in.
    #[error("OTLP protocol {0:?} is not built in: use \"grpc\"")]
    Protocol(String),
    /// The collector's address cannot be used.
    #[error("the OTLP exporter cannot be built")]
    Exporter(#[from] ExporterBuildError),
    /// A subscriber is already installed.
    #[error("telemetry is already installed in this process")]
    Installed(#[from] TryInitError),
    /// Another metrics recorder is already installed.
    #[error("the metrics recorder cannot be installed")]
    Recorder(#[from] BuildError),
}

/// What `main` keeps until the end, so that the last spans leave before the process does.
#[derive(Debug)]
#[must_use = "spans are lost unless `shutdown` is called at the end"]
pub struct Telemetry {
    provider: SdkTracerProvider,
}

/// Installs logs, traces and metrics for this operating system process. `service` is its name in
/// traces, unless `OTEL_SERVICE_NAME` says another. Called once, from `main`, inside the runtime.
///
/// # Errors
/// When a variable cannot be understood, or telemetry is already installed.
pub fn install(service: &'static str) -> Result<Telemetry, Error> {
    install_metrics()?;
    let provider = provider(service, |name| env::var(name).ok().filter(|value| !value.is_empty()))?;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env()?;
    let traces = trace_layer(&provider, service);
    let logs = log_layer(std::io::stderr().is_terminal(), std::io::stderr);
    tracing_subscriber::registry().with(filter).with(traces).with(logs).try_init()?;
    Ok(Telemetry { provider })
}

impl Telemetry {
    /// Sends what is left, for two seconds at most. It blocks, so it is the last thing that `main` does.
    pub fn shutdown(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(FLUSH) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}

/// Installs the Prometheus recorder. A second call changes nothing.
///
/// # Errors
/// When another recorder is already installed.
pub fn install_metrics() -> Result<(), Error> {
    if METRICS.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
        .install_recorder()?;
    let upkeep = handle.clone();
    // A thread and not a task: the recorder outlives any runtime. It ends with the process.
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(UPKEEP);
            upkeep.run_upkeep();
        }
    });
    // A racing second caller has failed above, so this is the first to set it.
    let _ = METRICS.set(handle);
    Ok(())
}

/// All metrics of this operating system process in Prometheus' text format; empty before
/// [`install_metrics`].
pub fn render() -> String {
    METRICS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// The W3C `traceparent` of the current span; empty where there is none.
pub fn inject() -> String {
    let mut carrier = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut carrier);
    carrier.remove("traceparent").unwrap_or_default()
}

/// Makes `span`, which nobody has entered yet, a child of a W3C `traceparent`. Anything else than a
/// valid one is ignored: a trace is never a reason to refuse a referral.
pub fn adopt(traceparent: &str, span: &Span) {
    let carrier = HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new().extract(&carrier);
    if context.span().span_context().is_valid() {
        // It fails only where the span is disabled or already entered, and then the trace stays as it is.
        let _ = span.set_parent(context);
    }
}

/// Only spans of our own: those of the exporter's connection would otherwise be exported in their turn.
fn trace_layer<S>(provider: &SdkTracerProvider, service: &'static str) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let ours = filter_fn(|metadata| metadata.target().starts_with("bulkhead"));
    tracing_opentelemetry::layer().with_tracer(provider.tracer(service)).with_filter(ours)
}

fn log_layer<S, W>(terminal: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    if terminal { layer.boxed() } else { layer.with_ansi(false).json().flatten_event(true).boxed() }
}

fn provider(
    service: &'static str,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<SdkTracerProvider, Error> {
    let mut resource = Resource::builder();
    if variable("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(service);
    }
    let builder = SdkTracerProvider::builder().with_resource(resource.build());
    if exports_traces(&variable)? {
        let exporter = SpanExporter::builder().with_tonic().build()?;
        return Ok(builder.with_batch_exporter(exporter).build());
    }
    // Nothing to export: record only what somebody upstream is recording, to pass it on.
    Ok(builder.with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOff))).build())
}

/// Whether the standard variables ask for traces over OTLP.
fn exports_traces(variable: &impl Fn(&str) -> Option<String>) -> Result<bool, Error> {
    let disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let other = variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value != "otlp");
    let named = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
    if disabled || other || !named.iter().any(|name| variable(name).is_some()) {
        return Ok(false);
    }
    match variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL")) {
        Some(protocol) if protocol != "grpc" => Err(Error::Protocol(protocol)),
        _ => Ok(true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Buffer;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[track_caller]
    fn check(variables: &[(&str, &str)], expected: Result<bool, &str>) {
        let variable = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let got = exports_traces(&variable).map_err(|error| error.to_string());
        assert_eq!(got, expected.map_err(str::to_owned), "{variables:?}");
    }

    #[test]
    fn the_standard_variables_decide_about_traces() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317");
        check(&[], Ok(false));
        check(&[endpoint], Ok(true));
        check(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4317")], Ok(true));
        check(&[endpoint, ("OTEL_SDK_DISABLED", "true")], Ok(false));
        check(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")], Ok(false));
        check(&[endpoint, ("OTEL_TRACES_EXPORTER", "otlp")], Ok(true));
        check(
            &[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")],
            Err("OTLP protocol \"http/protobuf\" is not built in: use \"grpc\""),
        );
        check(
            &[
                endpoint,
                ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
                ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
            ],
            Ok(true),
        );
    }

    #[test]
    fn a_trace_passes_through_without_a_collector() {
        let provider = provider("test", |_| None).unwrap();
        let traces = trace_layer(&provider, "test");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces), || {
            let span = tracing::info_span!("submit");
            adopt(PARENT, &span);
            let onward = span.in_scope(inject);
            assert!(onward.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{onward}");
            assert!(onward.ends_with("-01") && onward != PARENT, "{onward}");
        });
    }

    #[test]
    fn a_broken_traceparent_is_ignored() {
        let provider = provider("test", |_| None).unwrap();
        let traces = trace_layer(&provider, "test");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(traces), || {
            for broken in ["", "00-zz", "00-00000000000000000000000000000000-0000000000000000-01"] {
                let span = tracing::info_span!("submit");
                adopt(broken, &span);
                assert!(span.in_scope(inject).ends_with("-00"));
            }
        });
    }

    #[test]
    fn without_telemetry_there_is_no_trace() {
        assert_eq!(inject(), "");
        adopt(PARENT, &Span::none());
    }

    #[test]
    fn logs_are_json_unless_a_person_is_watching() {
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::registry().with(log_layer(false, buffer.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::info!(tenant = "wales/wast-111", "cut"));
        let line = buffer.text();
        assert!(line.starts_with('{') && line.contains("\"message\":\"cut\""), "{line}");
        assert!(line.contains("\"tenant\":\"wales/wast-111\""), "{line}");

        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::registry().with(log_layer(true, buffer.clone()));
        tracing::subscriber::with_default(subscriber, || tracing::info!("cut"));
        assert!(!buffer.text().starts_with('{'));
    }

    #[test]
    fn metrics_keep_their_callers_labels_and_buckets() {
        install_metrics().unwrap();
        install_metrics().unwrap();
        metrics::counter!("test_admitted_total", "node" => "england-1").increment(2);
        metrics::histogram!("test_append_seconds", "node" => "england-1").record(0.003);
        let text = render();
        assert!(text.contains("test_admitted_total{node=\"england-1\"} 2"), "{text}");
        assert!(text.contains("test_append_seconds_bucket{node=\"england-1\",le=\"0.005\"} 1"), "{text}");
    }
}
