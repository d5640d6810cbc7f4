//! Traces for an OpenTelemetry collector: spans of efface's own, which hold no identifier and no secret.

use std::{collections::HashMap, time::Duration};

use anyhow::{Context as _, Result};
use efface_settings::Telemetry;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

/// How long an export may take, and how long an ending process waits for the last one.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is traced: the worker's calls, and nothing of any library.
const TRACED: &str = "efface_worker";

/// Exports what is traced, until it is dropped.
pub struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// # Errors
    /// When the exporter cannot be built.
    pub fn to(settings: &Telemetry) -> Result<Self> {
        let Some(endpoint) = &settings.otlp_endpoint else { return Ok(Self(None)) };
        let authorization = settings.otlp_authorization.as_ref();
        let headers: HashMap<String, String> = authorization
            .map(|value| ("authorization".to_owned(), value.expose().to_owned()))
            .into_iter()
            .collect();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_headers(headers)
            .with_timeout(PATIENCE)
            .build()
            .context("config: telemetry.otlp_endpoint: traces cannot be exported")?;
        let sampler = match settings.sample_ratio {
            ratio if ratio < 1.0 => Sampler::TraceIdRatioBased(ratio),
            _ => Sampler::AlwaysOn,
        };
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(sampler)
            .with_resource(Resource::builder_empty().with_service_name("efface").build())
            .build();
        Ok(Self(Some(provider)))
    }

    /// The layer that takes spans in; none where nothing is exported.
    pub fn layer<S>(&self) -> Option<impl Layer<S> + use<S>>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.0.as_ref()?.tracer("efface");
        let traced = Targets::new().with_target(TRACED, LevelFilter::DEBUG);
        // where in the code, and on which thread, says nothing to whoever reads a trace
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false);
        Some(layer.with_filter(traced))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown_with_timeout(PATIENCE)
        {
            tracing::warn!(%error, "the last traces were not taken");
        }
    }
}
