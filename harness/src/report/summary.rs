//! The table at the end of a run: a line for each drill, and how many there were of each verdict.

use super::proof::counted;
use super::style::{Paint, Style, word};
use super::text::{WIDTH, count, cut, duration, printable};
use super::{DrillReport, Restore, worst};
use crate::exit::Verdict;

const TIME: usize = 11;
const GAP: usize = 2;

/// At most [`WIDTH`] columns, whatever the names are.
pub(super) fn render(reports: &[DrillReport], wall_milliseconds: u64, style: Style) -> String {
    let widest = |cells: &dyn Fn(&DrillReport) -> usize| reports.iter().map(cells).max().unwrap_or(0);
    let verdicts = widest(&|report| word(report.verdict).len());
    let scenarios = widest(&|report| report.scenario.chars().count()).min(44);
    let operators = widest(&|report| report.operator.chars().count()).min(16);
    let rest = WIDTH - verdicts - scenarios - operators - TIME - 4 * GAP;
    let mut text = String::new();
    for report in reports {
        let line = format!(
            "{}  {:<scenarios$}  {:<operators$}  {:>TIME$}  {}",
            style.verdict(report.verdict, verdicts),
            cut(&report.scenario, scenarios),
            cut(&report.operator, operators),
            duration(report.milliseconds),
            style.paint(Paint::Faint, &cut(&remark(report), rest)),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
    text.push_str(&total(reports, wall_milliseconds, style));
    text
}

/// The most telling finding, or what came out.
pub(super) fn remark(report: &DrillReport) -> String {
    match report.findings.first() {
        Some(finding) => printable(&format!("{}: {}", finding.subject, finding.seen)).replace('\n', " "),
        None => match &report.restore {
            Some(restore) => measured(restore),
            None => {
                let outcomes =
                    report.clusters.iter().map(|cluster| format!("{} {}", cluster.cluster, cluster.outcome));
                outcomes.collect::<Vec<_>>().join(", ")
            }
        },
    }
}

/// `RPO 1 min 45 s, RTO 18 min 13 s, 4 of 4 proofs hold`
fn measured(restore: &Restore) -> String {
    let rpo = restore.rpo.map(|measure| format!("RPO {}", duration(measure.milliseconds)));
    let rto = restore.rto.map(|measure| format!("RTO {}", duration(measure.milliseconds)));
    rpo.into_iter().chain(rto).chain([counted(&restore.proofs)]).collect::<Vec<_>>().join(", ")
}

fn total(reports: &[DrillReport], wall_milliseconds: u64, style: Style) -> String {
    let verdicts =
        [Verdict::Passed, Verdict::Failed, Verdict::Invalid, Verdict::Broken, Verdict::Interrupted];
    let counts = verdicts.into_iter().filter_map(|verdict| {
        let number = reports.iter().filter(|report| report.verdict == verdict).count();
        (number > 0).then(|| format!("{number} {}", word(verdict).to_lowercase()))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let paint = if worst(reports) == Verdict::Passed { Paint::Good } else { Paint::Bad };
    format!(
        "{}: {} in {}\n",
        count(reports.len(), "drill"),
        style.paint(paint, &counts),
        duration(wall_milliseconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_line_for_each_drill() {
        let reports = [samples::passed(), samples::failed(), samples::broken(), samples::restored()];
        insta::assert_snapshot!(render(&reports, 61_200, Style::plain()));
    }

    #[test]
    fn long_names_stay_on_the_page() {
        let mut report = samples::failed();
        report.scenario = "a-scenario-with-a-name-that-goes-on-and-on-and-never-comes-to-an-end".to_owned();
        report.operator = "an-operator-from-the-configuration-file".to_owned();
        let text = render(&[report], 1, Style::plain());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    }
}
