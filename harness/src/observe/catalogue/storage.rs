//! What the storage itself and a pod's volume answer. It comes before what WAL-G then lacks.

use super::Level::Error;
use super::Standing::Expected;
use super::{Entry, Source};

pub(super) static ENTRIES: &[Entry] = &[
    Entry {
        name: "storage-busy",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"503 Service Unavailable|429 Too Many Requests|ServerBusy|TooManyRequests",
        means: "the storage had too much to do, and refused a request; WAL-G 1.1 does not ask again",
        do_: "it passes by itself: Patroni tries the bootstrap again. Where it stays, look at the account's limits and at who else \
              uses it",
    },
    Entry {
        name: "storage-error",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"500 Internal Server Error|InternalError|OperationTimedOut",
        means: "the storage answered with an error of its own",
        do_: "it passes by itself: Patroni tries the bootstrap again. Where it stays, ask who runs the storage",
    },
    Entry {
        name: "storage-connection-broken",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"Unable to (download|upload) blob .*(EOF|connection reset by peer|broken pipe|i/o timeout|server closed)",
        means: "the connection to the storage broke before a request was answered; WAL-G 1.1 does not ask again",
        do_: "it passes by itself: Patroni tries the bootstrap again. Where it stays, look at what stands between the pods and the \
              storage: proxies, firewalls, NAT",
    },
    Entry {
        name: "storage-certificate-untrusted",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"x509: |tls: failed to verify certificate",
        means: "WAL-G does not trust the certificate that it was shown: it has expired, is for another host's name, or an authority \
                signed it that the pod does not know. WAL-G says which in the same line",
        do_: "look at what stands between the pods and the storage: a proxy that opens TLS needs its authority in the pod's \
              certificates, a private endpoint a DNS zone that leads to it",
    },
    Entry {
        name: "backup-does-not-fit",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: "no space left on device",
        means: "the volume is full: the base backup and the WAL that it needs are larger",
        do_: "give the clone a volume (spec.volume.size) at least as large as its source's",
    },
    Entry {
        name: "volume-full",
        level: Error,
        source: Source::Postgres,
        standing: Expected,
        pattern: "No space left on device",
        means: "the volume is full, and PostgreSQL cannot write",
        do_: "give the cluster a larger volume (spec.volume.size); a clone needs one at least as large as its source's",
    },
    Entry {
        name: "blob-in-archive-tier",
        level: Error,
        source: Source::WalG,
        standing: Expected,
        pattern: r"BlobArchived|409 (This operation is not permitted on an archived blob|Conflict)",
        means: "a blob was moved to the archive tier, maybe by a lifecycle rule: nobody can read it until it is rehydrated",
        do_: "rehydrate the blobs below the prefix (hours), and take the rule out of the storage account",
    },
];
