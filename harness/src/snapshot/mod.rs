//! Redaction, normalising, comparing, accepting.
