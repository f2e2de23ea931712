//! Whether the storage still has the base backups that it said to have taken. One that says so and keeps nothing is noticed by nobody
//! else.

use super::steps;
use crate::storage::Access;

/// A blob: its account, container and name.
type Place<'a> = (&'a str, &'a str, &'a str);

/// The sentinels of a cluster's base backups whose writing was answered as done.
pub(super) fn said<'a>(records: &'a [Access], short: &'a str) -> Vec<Place<'a>> {
    let place = |access: &'a Access| {
        Some((access.account.as_str(), access.container.as_deref()?, access.blob.as_deref()?))
    };
    steps::sentinels(records, short).filter_map(place).collect()
}

/// Whether any of them is there. Where nothing was said to be taken, nothing was lost.
///
/// # Errors
/// When the storage does not say.
pub(super) async fn is_there<E>(
    said: &[Place<'_>],
    exists: impl AsyncFn(Place<'_>) -> Result<bool, E>,
) -> Result<bool, E> {
    for place in said {
        if exists(*place).await? {
            return Ok(true);
        }
    }
    Ok(said.is_empty())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::storage::{Operation, Who};

    const OLD: &str = "acid-orders/basebackups_005/base_1_backup_stop_sentinel.json";
    const NEW: &str = "acid-orders/basebackups_005/base_2_backup_stop_sentinel.json";

    fn wrote(cluster: &str, blob: &str, status: u16) -> Access {
        Access {
            time: jiff::Timestamp::UNIX_EPOCH,
            source: [10, 0, 0, 1].into(),
            who: Who::Cluster(cluster.to_owned()),
            account: "clonebackups".to_owned(),
            container: Some("backups".to_owned()),
            blob: Some(blob.to_owned()),
            prefix: None,
            operation: Operation::WriteBlob,
            status: Some(status),
            error_code: None,
            bytes_in: 1,
            bytes_out: 0,
            rule: None,
        }
    }

    async fn holds(records: &[Access], kept: &[&str]) -> bool {
        let exists = async |(account, container, blob): Place<'_>| {
            assert_eq!((account, container), ("clonebackups", "backups"));
            Ok::<_, Infallible>(kept.contains(&blob))
        };
        is_there(&said(records, "clone"), exists).await.unwrap()
    }

    #[tokio::test]
    async fn a_backup_that_was_taken_and_is_not_there_is_lost() {
        let records = [wrote("clone", OLD, 201)];
        assert!(holds(&records, &[OLD]).await);
        assert!(!holds(&records, &[]).await);
        // Another cluster's is none of its own.
        assert!(!holds(&[wrote("source", NEW, 201), records[0].clone()], &[NEW]).await);
    }

    #[tokio::test]
    async fn one_that_is_left_will_do() {
        let records = [wrote("clone", OLD, 201), wrote("clone", NEW, 201)];
        assert!(holds(&records, &[NEW]).await);
        assert!(holds(&records, &[OLD]).await);
    }

    #[tokio::test]
    async fn nothing_is_lost_of_what_was_never_said_to_be_taken() {
        assert!(holds(&[], &[]).await);
        assert!(holds(&[wrote("clone", OLD, 403)], &[]).await);
        assert!(holds(&[wrote("clone", "acid-orders/wal_005/000000010000000000000001.lz4", 201)], &[]).await);
    }
}
