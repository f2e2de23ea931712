//! Drills in a kind cluster: on real parts, what goes wrong, and that nothing is left. Only with the nextest profile `kind`
//! (`ci/test-kind`), since it needs Docker.

mod docker;
mod failures;
mod kept;
mod killed;
mod parity;
mod real_parts;
mod run;
