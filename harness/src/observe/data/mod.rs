//! The data observation: exact, order-independent digests of everything in a cluster.
