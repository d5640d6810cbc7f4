//! `GET /metrics`: figures for Prometheus (text format 0.0.4). Labels are words of the rules and
//! names from the settings; never anything of a person.

use std::{fmt::Write as _, time::Duration};

use axum::{
    extract::State,
    http::{HeaderName, header},
};
use efface_store::Counts;

use crate::{ApiState, openapi::NotReady, problem::Problem};

/// Counting a large database takes a moment, and anybody may ask.
const FRESH: Duration = Duration::from_secs(5);
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Figures for Prometheus
///
/// Requests by state, tasks by account and state, open desk items, memory of the process.
#[utoipa::path(
    get, path = "/metrics", operation_id = "metrics", tag = "service", security(()),
    responses((status = 200, description = "Prometheus text format.", body = String, content_type = "text/plain"), NotReady)
)]
pub async fn handle(
    State(state): State<ApiState>,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    let counts = state.counts.get(state.store.now(), FRESH, state.store.counts()).await?;
    Ok(([(header::CONTENT_TYPE, TEXT)], render(&counts, resident_bytes().await)))
}

fn render(counts: &Counts, resident: Option<u64>) -> String {
    let mut out = String::with_capacity(4096);
    // writing into a String does not fail
    let mut family = |name: &str, help: &str, rows: &[(String, u64)]| {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n");
        for (labels, value) in rows {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let version = format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    family("efface_build_info", "The version that runs.", &[(version, 1)]);
    let requests: Vec<(String, u64)> =
        counts.requests.iter().map(|(state, n)| (format!("{{state=\"{state}\"}}"), *n)).collect();
    family("efface_requests", "Requests by state.", &requests);
    let tasks: Vec<(String, u64)> = counts
        .tasks
        .iter()
        .map(|(account, state, n)| (format!("{{account=\"{account}\",state=\"{state}\"}}"), *n))
        .collect();
    family("efface_tasks", "Tasks by account and state.", &tasks);
    family("efface_desk_open", "Items that wait for a person.", &[(String::new(), counts.desk)]);
    if let Some(bytes) = resident {
        let help = "Resident memory of the process.";
        family("process_resident_memory_bytes", help, &[(String::new(), bytes)]);
    }
    out
}

/// Where the system tells.
async fn resident_bytes() -> Option<u64> {
    let status = tokio::fs::read_to_string("/proc/self/status").await.ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, erase};

    #[test]
    fn figures_are_written_as_prometheus_reads_them() {
        let counts = Counts {
            requests: vec![("running".into(), 3)],
            tasks: vec![("mail-eu".into(), "ready".into(), 4)],
            desk: 2,
        };
        let text = render(&counts, Some(4096));
        for line in [
            "efface_requests{state=\"running\"} 3",
            "efface_tasks{account=\"mail-eu\",state=\"ready\"} 4",
            "efface_desk_open 2",
            "process_resident_memory_bytes 4096",
            "# TYPE efface_tasks gauge",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with('\n'));
    }

    #[tokio::test]
    async fn they_hold_counts_and_nobody() {
        let rig = Rig::new().await;
        rig.post("/v1/requests", &erase("canary@example.com")).await;
        let answer = rig.get_as(None, "/metrics").await;
        assert_eq!(answer.header("content-type"), Some(TEXT));
        assert!(answer.text.contains("efface_requests{state=\"identified\"} 1"), "{}", answer.text);
        assert!(answer.text.contains("account=\"post\""), "{}", answer.text);
        assert!(!answer.text.contains("canary"));
    }
}
