//! A drill as metrics. The names are held against `ci/` by a test.
//!
//! All are gauges with the labels `namespace`, `cluster` (the source's) and `drill`. Each is written by every run, as
//! `NaN` where it was not measured: what the last run measured must not stand for this one. Only the time of the
//! last success outlives a run that did not pass.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::Told;
use crate::exit::Verdict;
use crate::report::{DrillReport, Measure, ProofState, RecoveryPhaseName};

/// The time of the last success, which metrics files are read for.
pub(super) const LAST_SUCCESS: &str = "clonedrill_last_success_timestamp_seconds";

const VERDICTS: [Verdict; 5] =
    [Verdict::Passed, Verdict::Failed, Verdict::Invalid, Verdict::Broken, Verdict::Interrupted];

/// The labels that all metrics of a drill have.
#[derive(Debug, Clone)]
pub(super) struct Labels {
    pub(super) namespace: String,
    pub(super) cluster: String,
    pub(super) drill: String,
}

impl Labels {
    pub(super) fn of(told: Told<'_>) -> Labels {
        let (namespace, cluster) = told.source();
        Labels {
            namespace: namespace.to_owned(),
            cluster: cluster.to_owned(),
            drill: told.report.scenario.clone(),
        }
    }
}

#[derive(Debug)]
struct Metric {
    /// Without the unit.
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    /// With the labels that it has besides.
    values: Vec<(Option<(&'static str, String)>, f64)>,
}

/// The metrics of one drill.
#[derive(Debug)]
pub(super) struct Metrics {
    labels: Labels,
    metrics: Vec<Metric>,
}

impl Metrics {
    /// `before` is when a run before this one passed, as a Unix time, where that is known.
    pub(super) fn of(told: Told<'_>, before: Option<f64>) -> Metrics {
        let Told { report, restore, at } = told;
        let now = at.as_millisecond() as f64 / 1000.0;
        let success = if report.verdict == Verdict::Passed { Some(now) } else { before };
        let mut metrics = vec![
            seconds("clonedrill_last_run_timestamp", "Unix time at which the drill's last run ended.", now),
            verdict(report),
            seconds("clonedrill_duration", "How long the last run took.", from(report.milliseconds)),
            seconds("clonedrill_rpo", "Recovery point: how much would have been lost.", value(restore.rpo)),
            seconds(
                "clonedrill_rpo_budget",
                "What the recovery point may be at most.",
                budget(restore.rpo, restore.rpo_budget),
            ),
            seconds(
                "clonedrill_rto",
                "Recovery time: from the clone's creation until its data were verified.",
                value(restore.rto),
            ),
            seconds(
                "clonedrill_rto_budget",
                "What the recovery time may be at most.",
                budget(restore.rto, restore.rto_budget),
            ),
            phases(told),
            seconds(
                "clonedrill_backup_age",
                "How old the restored base backup was at the target.",
                restore.backup_age().map_or(f64::NAN, |age| age.as_secs_f64()),
            ),
            proofs(told),
        ];
        // There is none before the first success: an alert on its absence must be able to fire.
        if let Some(time) = success {
            let help = "Unix time at which the drill last passed; outlives runs that do not.";
            metrics.insert(1, seconds("clonedrill_last_success_timestamp", help, time));
        }
        Metrics { labels: Labels::of(told), metrics }
    }

    /// OpenMetrics. The few things that it has beyond the text format are comments there, so that readers of either
    /// take it.
    ///
    /// # Errors
    /// None that can happen: it goes into a text.
    pub(super) fn open_metrics(self) -> Result<String, fmt::Error> {
        let mut written = String::new();
        text::encode(&mut written, &self.registry())?;
        Ok(written)
    }

    /// The text format, version 0.0.4, which every Pushgateway takes.
    ///
    /// # Errors
    /// As [`Metrics::open_metrics`].
    pub(super) fn text_format(self) -> Result<String, fmt::Error> {
        let mut written = String::new();
        prometheus_text::encode(&mut written, &self.registry())?;
        Ok(written)
    }

    fn registry(self) -> Registry {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        registry
    }
}

/// In the order of the list, where the library's own families have none.
impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        for metric in &self.metrics {
            let mut samples = encoder.encode_descriptor(
                metric.name,
                metric.help,
                metric.unit.as_ref(),
                MetricType::Gauge,
            )?;
            for (besides, value) in &metric.values {
                let Labels { namespace, cluster, drill } = &self.labels;
                let mut labels =
                    vec![("namespace", namespace.as_str()), ("cluster", cluster), ("drill", drill)];
                labels.extend(besides.iter().map(|(name, value)| (*name, value.as_str())));
                samples.encode_family(&labels)?.encode_gauge(value)?;
            }
        }
        Ok(())
    }
}

fn seconds(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric { name, help, unit: Some(Unit::Seconds), values: vec![(None, value)] }
}

fn verdict(report: &DrillReport) -> Metric {
    let word = |verdict: Verdict| crate::report::style::word(verdict).to_lowercase();
    let one = |verdict| (Some(("verdict", word(verdict))), if report.verdict == verdict { 1.0 } else { 0.0 });
    Metric {
        name: "clonedrill_verdict",
        help: "1 for what became of the last run, 0 for all else.",
        unit: None,
        values: VERDICTS.into_iter().map(one).collect(),
    }
}

fn phases(told: Told<'_>) -> Metric {
    let took = |name| {
        let of = told.restore.phases.iter().filter(|phase| phase.phase == name);
        of.map(|phase| from(phase.milliseconds)).reduce(|all, one| all + one).unwrap_or(f64::NAN)
    };
    let one = |name: RecoveryPhaseName| (Some(("phase", name.name().to_owned())), took(name));
    Metric {
        name: "clonedrill_phase",
        help: "What the recovery time was spent with.",
        unit: Some(Unit::Seconds),
        values: RecoveryPhaseName::ALL.into_iter().map(one).collect(),
    }
}

fn proofs(told: Told<'_>) -> Metric {
    let count = |state| told.restore.proofs.iter().filter(|proof| proof.state == state).count() as f64;
    let one = |state: ProofState| (Some(("result", state.name().to_owned())), count(state));
    Metric {
        name: "clonedrill_proofs",
        help: "How many things were to be proved of the clone, by what came out.",
        unit: None,
        values: ProofState::ALL.into_iter().map(one).collect(),
    }
}

fn from(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

fn value(measure: Option<Measure>) -> f64 {
    measure.map_or(f64::NAN, |measure| from(measure.milliseconds))
}

/// What was set holds for drills too that came to no measure.
fn budget(measure: Option<Measure>, set: Option<u64>) -> f64 {
    measure.and_then(|measure| measure.budget).or(set).map_or(f64::NAN, from)
}
