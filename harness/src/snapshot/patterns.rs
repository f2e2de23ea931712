//! What varies from run to run whatever the drill: times, ids, addresses. Each becomes a placeholder.

use std::sync::LazyLock;

use regex::Regex;

/// In this order: a time is one before its parts could be taken for something else.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (
            r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z\b|UTC\b|GMT\b|[+-]\d\d(?::?\d\d)?\b))?",
            "<time>",
        ),
        (r"\b\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)?", "<time>"),
        (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", "<time>"),
        (r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<uid>"),
        // A base backup's name and the WAL files that belong to it
        (r"\b[0-9A-F]{24}\.[0-9A-F]{8}\.backup\b", "<wal>.backup"),
        (r"(?:\b|_)[0-9A-F]{24}(?:\b|_)", "<wal>"),
        (r"\b[0-9A-F]{8}\.history\b", "<timeline>.history"),
        (r"\b[0-9A-F]{1,8}/[0-9A-F]{1,8}\b", "<lsn>"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}:\d{1,5}\b", "<ip>:<port>"),
        (r"\b(?:\d{1,3}\.){3}\d{1,3}\b", "<ip>"),
        (r"\b(?:localhost|port):? \d{1,5}\b", "port <port>"),
        // The suffix of a ReplicaSet and of its pod
        (r"-[0-9a-f]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-<suffix>"),
        (r"\b\d{18,20}\b", "<system identifier>"),
        (r"\b0x[0-9a-fA-F]+\b", "<hex>"),
        (r"\b[0-9a-f]{12,64}\b", "<hex>"),
        (r"\b(?i:pid|process)([ :=]+)\d+\b", "pid${1}<pid>"),
        // Not the index of a list, which does not vary
        (r"(^|\s)\[\d+\]", "${1}[<pid>]"),
        (r"\b(?:transaction|xid|oid|OID|resourceVersion)([ :=]+)\d+\b", "transaction${1}<n>"),
        (r"\b(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ns|µs|us|ms|s|m|h)\b", "<duration>"),
        (r"\b\d+(?:\.\d+)? (?:ms|s|sec|secs|seconds?|minutes?)\b", "<duration>"),
        (r"\b\d+(?:\.\d+)? (?:bytes|kB|KiB|MB|MiB|buffers|segments)\b", "<size>"),
    ]
    .into_iter()
    .map(|(pattern, placeholder)| (Regex::new(pattern).expect("a constant, and tested"), placeholder))
    .collect()
});

/// Replaces everything that varies by nature.
pub(super) fn normalise(text: &str) -> String {
    PATTERNS.iter().fold(text.to_owned(), |text, (pattern, placeholder)| {
        if pattern.is_match(&text) { pattern.replace_all(&text, *placeholder).into_owned() } else { text }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_varies_becomes_a_placeholder() {
        for (text, normal) in [
            (
                "prior to the point in time 2026-11-24 03:00:00.123456+00:00",
                "prior to the point in time <time>",
            ),
            ("at 2026-11-24T03:00:00Z, or 2026-11-24 03:00:00 UTC", "at <time>, or <time>"),
            ("uid 8e0f0f52-1f7f-4a5e-9c40-2b9d3a0a7e11", "uid <uid>"),
            ("base_000000010000000000000003", "base<wal>"),
            ("Archive '00000002.history' does not exist.", "Archive '<timeline>.history' does not exist."),
            ("starting at redo location 0/3000028", "starting at redo location <lsn>"),
            ("dial tcp 10.244.1.7:5432: connect", "dial tcp <ip>:<port>: connect"),
            ("pod postgres-operator-5d4f8b7c9-x2k4z", "pod postgres-operator-<suffix>"),
            ("system identifier 7445678901234567890", "system identifier <system identifier>"),
            ("gave up after 1m2.5s and 250ms", "gave up after <duration> and <duration>"),
            (
                "recovery stopping before commit of transaction 742, time 2026-11-24 03:00:00+00",
                "recovery stopping before commit of transaction <n>, time <time>",
            ),
        ] {
            assert_eq!(normalise(text), normal);
        }
    }

    #[test]
    fn what_does_not_vary_stays() {
        for text in [
            "azure://backups/spilo/acid-orders/wal/15",
            "listen *:5432, 3 tables, 1204 rows",
            "containers[0].env[31]",
            "v1.15.1",
        ] {
            assert_eq!(normalise(text), text);
        }
    }
}
