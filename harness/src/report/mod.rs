//! What people and machines read afterwards: terminal, JUnit, JSON.

mod event;

pub use event::*;
