//! The Spilo stand-in: a launcher that keeps to Spilo's contract over the real Patroni.
