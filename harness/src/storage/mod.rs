//! Storage accounts: Azurite, the gateway before it, blobs.

/// A certificate authority of one environment. Pods trust it; the gateway's certificate is signed by it.
pub struct Authority;
