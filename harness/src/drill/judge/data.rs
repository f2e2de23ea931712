//! Data against data: what `equals` and `differs-from` ask for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::{EVIDENCE_LINES, Miss, Observed, ObservedCluster, seen, unseen};
use crate::drill::error::DrillError;
use crate::drill::steps::summary;
use crate::observe::data::{Comparison, DataObservation, DifferenceKind, compare};
use crate::report::Finding;
use crate::scenario::DataExpectation;

/// Each pair is compared once, however often it is asked for.
#[derive(Debug, Default)]
pub(crate) struct Comparisons(RefCell<BTreeMap<(String, String), Rc<Comparison>>>);

impl Comparisons {
    /// All of them as texts, each with the name of a file for it.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let all = self.0.borrow();
        let file = |(short, other): &(String, String)| format!("data/{short}-against-{other}.txt");
        all.iter().map(|(pair, comparison)| (file(pair), format!("{comparison}\n"))).collect()
    }
}

impl Observed {
    fn compared(
        &self,
        (short, here): (&str, &DataObservation),
        (other, there): (&str, &DataObservation),
    ) -> Result<Rc<Comparison>, DrillError> {
        let pair = (short.to_owned(), other.to_owned());
        if let Some(comparison) = self.comparisons.0.borrow().get(&pair) {
            return Ok(comparison.clone());
        }
        let comparison = Rc::new(compare(here, there, &|text| self.redactor.hide(text))?);
        self.comparisons.0.borrow_mut().insert(pair, comparison.clone());
        Ok(comparison)
    }

    /// One line for the report.
    pub(super) fn data_summary(
        &self,
        short: &str,
        cluster: &ObservedCluster,
        expected: Option<&DataExpectation>,
    ) -> Result<String, DrillError> {
        let Some(here) = &cluster.data else { return Ok(String::new()) };
        let size = summary(here);
        let other = expected.and_then(|expected| {
            let rows = expected.same_rows_as.as_ref();
            expected.equals.as_ref().or(rows).or(expected.differs_from.as_ref())
        });
        let Some((name, there)) = other.and_then(|name| Some((name, self.data_of(name)?))) else {
            return Ok(size);
        };
        let compared = self.compared((short, here), (name, there))?;
        let of_rows =
            expected.is_some_and(|expected| expected.equals.is_none() && expected.same_rows_as.is_some());
        let verb = match compared.equal {
            true => "equals",
            false if of_rows && not_same_rows(&compared, here).is_none() => "has the rows of",
            false => "differs from",
        };
        let but =
            if compared.notes.is_empty() { "" } else { ", but for what recovery or Spilo makes otherwise" };
        Ok(format!("{verb} {name}{but} ({size})"))
    }

    fn data_of(&self, name: &str) -> Option<&DataObservation> {
        self.marks.get(name).or_else(|| self.clusters.get(name)?.data.as_ref())
    }

    pub(super) fn data(
        &self,
        short: &str,
        expected: &DataExpectation,
        cluster: &ObservedCluster,
    ) -> Result<Vec<Miss>, DrillError> {
        let mut misses = Vec::new();
        type Judged = fn(&Comparison, &DataObservation) -> Option<Mismatch>;
        let comparisons: [(_, _, Judged); 3] = [
            (expected.equals.as_ref(), "equal to", not_equal),
            (expected.same_rows_as.as_ref(), "with the rows of", not_same_rows),
            (expected.differs_from.as_ref(), "different from", not_different),
        ];
        let comparisons =
            comparisons.into_iter().filter_map(|(other, what, judged)| Some((other?, what, judged)));
        for (other, what, judged) in comparisons {
            let wanted = format!("{what} {other}");
            let finding = |seen: String| Finding::new(format!("{short}: data"), wanted.clone(), seen);
            let (here, there) = match (&cluster.data, self.data_of(other)) {
                (Some(here), Some(there)) => (here, there),
                (None, _) => {
                    misses.push(unseen(finding(
                        "it did not run at the end, so its data are not known".to_owned(),
                    )));
                    continue;
                }
                (_, None) => {
                    misses.push(unseen(finding(format!("{other} did not run, so its data are not known"))));
                    continue;
                }
            };
            let compared = self.compared((short, here), (other, there))?;
            misses.extend(judged(&compared, here).map(|Mismatch { said, seen: was_seen, proof }| {
                let mut finding = finding(said);
                let lines = compared.differences.iter().map(ToString::to_string);
                finding.evidence = lines.take(EVIDENCE_LINES).collect();
                if compared.differences.len() > EVIDENCE_LINES {
                    finding.help =
                        format!("data/{short}-against-{other}.txt in the evidence folder lists all");
                }
                Miss { seen: was_seen, proof, ..seen(finding) }
            }));
        }
        Ok(misses)
    }
}

/// Why data are not as expected.
struct Mismatch {
    said: String,
    seen: bool,
    proof: Option<String>,
}

/// Anything at all that differs is enough to fail. To tell two worlds apart it takes other rows: access rights or the
/// position of a sequence may differ for reasons of their own.
fn not_equal(compared: &Comparison, here: &DataObservation) -> Option<Mismatch> {
    if !compared.equal {
        let proof = compared.other_rows().map(ToString::to_string);
        let said = format!("{} differences", compared.differences.len());
        return Some(Mismatch { said, seen: proof.is_some(), proof });
    }
    let said = match compared.unknown.first() {
        Some(unknown) => unknown.clone(),
        None if here.rows() == 0 => {
            format!("neither has a single row, which proves nothing: {}", summary(here))
        }
        None => return None,
    };
    Some(Mismatch { said, seen: false, proof: None })
}

/// What cannot be read may hold other rows.
fn not_same_rows(compared: &Comparison, here: &DataObservation) -> Option<Mismatch> {
    if let Some(other) = compared.other_rows() {
        let said = format!("other rows: {}", other.without_rows());
        return Some(Mismatch { said, seen: true, proof: Some(other.to_string()) });
    }
    let damaged = compared.differences.iter().any(|difference| difference.kind == DifferenceKind::Damage);
    let said = match compared.unknown.first() {
        Some(unknown) => unknown.clone(),
        None if damaged => "no other rows, as far as they can be read".to_owned(),
        None if here.rows() == 0 => "neither has a single row, which proves nothing".to_owned(),
        None => return None,
    };
    Some(Mismatch { said, seen: false, proof: None })
}

fn not_different(compared: &Comparison, here: &DataObservation) -> Option<Mismatch> {
    if compared.other_rows().is_some() {
        return None;
    }
    let damaged = compared.differences.iter().any(|difference| difference.kind == DifferenceKind::Damage);
    let said = match compared.differences.len() {
        0 => format!("they are equal: {}", summary(here)),
        _ if damaged => "no other rows, as far as they can be read".to_owned(),
        count => format!("no other rows, but {count} other differences"),
    };
    Some(Mismatch { said, seen: !damaged && compared.unknown.is_empty(), proof: None })
}
