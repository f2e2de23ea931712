//! The whole run as one JSON document.

use serde::Serialize;

use super::{DrillReport, worst};
use crate::exit::Verdict;

#[derive(Serialize)]
struct Run<'r> {
    verdict: Verdict,
    exit_code: u8,
    drills: &'r [DrillReport],
}

/// # Errors
/// None that can happen: reports hold texts and numbers only.
pub(super) fn render(reports: &[DrillReport]) -> Result<String, serde_json::Error> {
    let verdict = worst(reports);
    serde_json::to_string_pretty(&Run { verdict, exit_code: verdict.code(), drills: reports })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::report::samples;

    #[test]
    fn machines_find_verdicts_and_findings() {
        let document: serde_json::Value =
            serde_json::from_str(&render(&[samples::passed(), samples::failed()]).unwrap()).unwrap();
        assert_eq!(document["verdict"], "failed");
        assert_eq!(document["exit_code"], 1);
        assert_eq!(document["drills"][1]["findings"][0]["subject"], "clone: data");
        let again: DrillReport = serde_json::from_value(document["drills"][1].clone()).unwrap();
        assert_eq!(again.scenario, samples::failed().scenario);
    }
}
