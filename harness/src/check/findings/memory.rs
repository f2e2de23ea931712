//! Memory limits that WAL-G does not fit into beside PostgreSQL.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Rendered, World};
use crate::spilo::Archive;

pub(super) static DEFINITION: Definition = Definition {
    code: "memory-limit-too-small",
    severity: Severity::Warning,
    title: "WAL-G's buffers do not fit into the memory limit, so backups are killed",
    page: definition::page!("memory-limit-too-small"),
    shown: Shown::Not(
        "nothing kills a container for its memory without cgroups, which the local environment does without",
    ),
    find,
};

/// WAL-G's defaults; of its versions the smaller ones.
const BUFFER: u64 = 8 << 20;
const BUFFERS: u64 = 4;
/// The least that PostgreSQL and Patroni were seen to take beside `shared_buffers`.
const BESIDE: u64 = 100 << 20;

/// What WAL-G asks for at once, where people said something of it.
fn buffers(archive: &Archive) -> Option<(u64, String)> {
    let number = |name: &str| {
        archive.written(name).filter(|written| written.from.is_some())?.value.trim().parse::<u64>().ok()
    };
    let size = number("WALG_AZURE_BUFFER_SIZE");
    let count = number("WALG_AZURE_MAX_BUFFERS");
    let uploads = number("WALG_UPLOAD_CONCURRENCY");
    let disks = number("WALG_UPLOAD_DISK_CONCURRENCY");
    let said = [
        ("WALG_AZURE_BUFFER_SIZE", size),
        ("WALG_AZURE_MAX_BUFFERS", count),
        ("WALG_UPLOAD_CONCURRENCY", uploads),
    ];
    let told: Vec<String> =
        said.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?))).collect();
    if told.is_empty() {
        return None;
    }
    // Each stream that is uploaded has its own; base backups write this many at once.
    let streams = disks.or(uploads).unwrap_or(1).max(1);
    Some((size.unwrap_or(BUFFER) * count.unwrap_or(BUFFERS) * streams, told.join(", ")))
}

fn limit(rendered: &Rendered<'_>) -> Option<u64> {
    quantity(rendered.set.container()?.pointer("/resources/limits/memory").and_then(Value::as_str)?)
}

/// Bytes of a quantity of Kubernetes; limits are far below what a float counts exactly.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn quantity(text: &str) -> Option<u64> {
    let at = text.find(|symbol: char| !symbol.is_ascii_digit() && symbol != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let factor: f64 = match unit {
        "" => 1.0,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        "Ti" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    (bytes.is_finite() && bytes >= 0.0).then_some(bytes as u64)
}

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some(limit) = limit(rendered) else { continue };
        for archive in rendered.in_azure() {
            let Some((needed, told)) = buffers(archive) else { continue };
            // Spilo gives PostgreSQL a fifth.
            if needed + limit / 5 + BESIDE <= limit {
                continue;
            }
            let mib = |bytes: u64| bytes >> 20;
            let message = format!(
                "{}: WAL-G may ask for {} MiB of buffers at once ({told}), and the container's memory limit is {} MiB, of which \
                 PostgreSQL takes a fifth: base backups or restores are killed (OOMKilled, exit status 137)",
                cluster.name(),
                mib(needed),
                mib(limit)
            );
            let names = ["WALG_AZURE_BUFFER_SIZE", "WALG_AZURE_MAX_BUFFERS", "WALG_UPLOAD_CONCURRENCY"];
            let name = names.iter().map(|name| format!("{}{name}", archive.scope.prefix()));
            let name = name.into_iter().find(|name| rendered.pod.has(name)).unwrap_or_default();
            let place = world.place_of_name(cluster, rendered, &name);
            let repair = format!(
                "set resources.limits.memory to {}Mi or more, or ask for less",
                mib((needed + BESIDE) * 5 / 4).next_multiple_of(64)
            );
            found.add(cluster.name(), place, "does not fit", message, repair);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        assert_eq!(quantity("500Mi"), Some(500 << 20));
        assert_eq!(quantity("1.5Gi"), Some(1536 << 20));
        assert_eq!(
            (quantity("1G"), quantity("512"), quantity("lots")),
            (Some(1_000_000_000), Some(512), None)
        );
    }
}
