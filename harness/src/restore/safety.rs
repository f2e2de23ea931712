//! What a drill refuses to do, before it has made anything.

use serde_json::{Map, Value};

use super::error::RestoreError;
use super::file::RestoreDrill;
use super::quantity;
use super::source::Source;
use crate::spilo::is_known;

/// Where a clone reads.
pub(super) const READS: &str = "CLONE_WALG_AZ_PREFIX";

/// A volume that is bigger than allowed.
///
/// # Errors
/// Then, and when its size cannot be told although there is a limit.
pub(super) fn volume(spec: &Map<String, Value>, drill: &RestoreDrill) -> Result<(), RestoreError> {
    let Some(limit) = &drill.limits.volume else { return Ok(()) };
    let size = spec.get("volume").and_then(|volume| volume.get("size")).and_then(Value::as_str);
    let help = "`limits.volume` allows more, `clone.volume` asks for less";
    match (volume_bytes(spec), quantity::bytes(limit)) {
        (Some(asked), Some(allowed)) if asked <= allowed => Ok(()),
        _ => Err(RestoreError::refused(
            format!("its volume of {} is not within the limit of {limit}", size.unwrap_or("unknown size")),
            help,
        )),
    }
}

/// An archive that lies where the source's is, above it or below it, in whatever account.
///
/// # Errors
/// Then.
pub(super) fn archive(env: &[Value], source: &Source) -> Result<(), RestoreError> {
    let last = env.iter().rev().find(|variable| variable["name"] == "WALG_AZ_PREFIX");
    let Some(prefix) = last.and_then(|variable| variable["value"].as_str()) else {
        return Err(RestoreError::refused(
            "where it would archive to does not follow from `clone.env`",
            "give WALG_AZ_PREFIX as a plain value, or leave it out",
        ));
    };
    if prefix.is_empty() {
        return Ok(());
    }
    if prefix.contains("$(") {
        return Err(RestoreError::refused(
            format!("where it would archive to, `{prefix}`, is known only in the pod"),
            "write the archive's place without `$(…)`",
        ));
    }
    if prefix.split('/').any(|part| part == "." || part == "..") {
        return Err(RestoreError::refused(
            format!("its archive's place {prefix} has `.` or `..` in it"),
            "write the archive's place without them",
        ));
    }
    // Where it reads is its source's archive too, or a copy of it.
    let reads = env.iter().rev().find(|variable| variable["name"] == READS);
    let reads = reads.and_then(|variable| variable["value"].as_str()).filter(|reads| !reads.contains("$("));
    let own = Some(source.backups.prefix.as_str()).filter(|own| is_known(own));
    let places: Vec<&str> = own.into_iter().chain(reads.filter(|reads| is_known(reads))).collect();
    if places.is_empty() {
        return Err(RestoreError::refused(
            format!(
                "whether its archive {prefix} lies in its source's is not known: the place of that one is not"
            ),
            format!(
                "give {READS} as a plain value, or leave `clone.archive` out: then the clone archives nothing"
            ),
        ));
    }
    if let Some(place) = places.into_iter().find(|place| within(prefix, place) || within(place, prefix)) {
        return Err(RestoreError::refused(
            format!("its archive {prefix} and its source's, {place}, lie within each other"),
            "give `clone.archive` another prefix, or leave it out: then the clone archives nothing",
        ));
    }
    Ok(())
}

/// Bytes of the volume that a `spec` asks for.
fn volume_bytes(spec: &Map<String, Value>) -> Option<u64> {
    quantity::bytes(spec.get("volume")?.get("size")?.as_str()?)
}

/// Whether a prefix is another one or lies below it. Slashes at the end and doubled ones mean nothing to a storage path.
fn within(inner: &str, outer: &str) -> bool {
    let parts = |prefix: &str| {
        let path = prefix.trim_start_matches("azure://");
        path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let (inner, outer) = (parts(inner), parts(outer));
    inner.starts_with(&outer)
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn prefixes_lie_within_each_other_by_whole_parts() {
        assert!(within("azure://backups/orders/15", "azure://backups/orders/"));
        assert!(within("azure://backups//orders", "azure://backups/orders"));
        assert!(!within("azure://backups/orders-clone", "azure://backups/orders"));
        assert!(!within("azure://backups", "azure://backups/orders"));
    }
}
