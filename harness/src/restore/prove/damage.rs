//! Damage that reading does not meet, in all that the clone has.

use std::time::{Duration, Instant};

use super::Hide;
use super::amcheck::{self, Amcheck};
use super::entries::{self, Entries};
use super::files::{self, Files};
use super::inspected::{Inspected, Until};
use super::own::{ASK, Own};
use super::states::states;
use super::walk::{self, Walked};
use crate::observe::data::{Connect, DataError, DataObservation};
use crate::poll::done_within;
use crate::report::Proof;
use crate::restore::Proofs;

const PASSES_OVER: &str = "SELECT FROM pg_settings WHERE name = 'ignore_invalid_pages' AND setting = 'on'";
const PASSED_OVER: &str = "the server has `ignore_invalid_pages` set, so its recovery skips them without an error; take it out of the source's \
                           parameters, and of what ALTER SYSTEM set there";

/// On a clone, after its data were observed, in every database of it that lets clients in. What is needed for it is made in transactions that are
/// rolled back, so nothing of it stays. With [`Proofs::Quick`] only `amcheck`, as far as it reads each thing by itself; with
/// [`Proofs::Full`] each index against its table in both directions, and what stands beside both. What could not be checked
/// within `limit`, or at all, is named: it does not hold.
///
/// # Errors
/// When the server does not answer, or ends a session.
pub async fn damage(
    connect: &Connect,
    clone: &DataObservation,
    proofs: Proofs,
    limit: Duration,
    hide: Hide<'_>,
) -> Result<Vec<Proof>, DataError> {
    let until = Until(Instant::now() + limit);
    let full = proofs == Proofs::Full;
    let open = clone.databases.iter().filter(|database| database.connectable);
    let open: Vec<&str> = open.map(|database| database.name.as_str()).collect();
    let mut passed_over = None;
    let (mut amcheck, mut entries) = (Amcheck::default(), Entries::default());
    let (mut walked, mut files) = (Walked::default(), Files::default());
    for name in &open {
        let opened = Own::open(connect, name).await;
        let Some(own) = or_gap(&mut amcheck.inspected, name, opened)? else { continue };
        if passed_over.is_none() {
            let set = done_within("a setting of the server", ASK, own.rows(PASSES_OVER)).await?;
            passed_over = Some(!set.is_empty());
        }
        let done = amcheck.database(&own, proofs, until).await;
        or_gap(&mut amcheck.inspected, name, done)?;
        drop(own);
        if !full {
            continue;
        }
        let opened = Own::open(connect, name).await;
        let Some(own) = or_gap(&mut entries.inspected, name, opened)? else { continue };
        let done = entries.database(&own, until).await;
        or_gap(&mut entries.inspected, name, done)?;
        drop(own);
        let done = walked.database(connect, name, &entries.inspected.damage, until).await;
        or_gap(&mut walked.inspected, name, done)?;
        let opened = Own::open(connect, name).await;
        let Some(own) = or_gap(&mut files.inspected, name, opened)? else { continue };
        let done = files.database(&own, until).await;
        or_gap(&mut files.inspected, name, done)?;
    }
    if full {
        let begin = Instant::now();
        let done = states(connect, &open, until, &mut files.inspected).await;
        files.inspected.took(begin);
        or_gap(&mut files.inspected, "all databases", done)?;
    }
    if passed_over == Some(true) {
        amcheck.inspected.gap("changes to pages that do not exist", PASSED_OVER);
    }
    let seen = amcheck.seen();
    let quick = if full { "" } else { ", without a look whether each row has its entry (`proofs: quick`)" };
    let mut made = vec![amcheck.inspected.proof("amcheck", &format!("{seen}{quick}"), amcheck::HELP, hide)];
    if full {
        let seen = (entries.seen(), walked.seen(), files.seen());
        made.push(entries.inspected.proof("index entries", &seen.0, entries::HELP, hide));
        made.push(walked.inspected.proof("other indexes", &seen.1, walk::HELP, hide));
        made.push(files.inspected.proof("maps and states", &seen.2, files::HELP, hide));
    }
    Ok(made)
}

/// What failed as a whole in one database.
fn or_gap<T>(
    inspected: &mut Inspected,
    database: &str,
    done: Result<T, DataError>,
) -> Result<Option<T>, DataError> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) => inspected.error(format!("database {database}"), error).map(|()| None),
    }
}
