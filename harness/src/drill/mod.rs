//! The run: steps, waiting, verdict.
