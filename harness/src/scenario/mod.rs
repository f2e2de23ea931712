//! The scenario file: types, loading, validation, `${…}`, JSON Schema.

mod check;
mod error;
mod expect;
mod fault;
mod faults;
mod fill;
mod folder;
mod form;
mod load;
mod problem;
mod sas;
mod schema;
mod syntax;
mod types;
mod variable;
mod world;

pub use check::{Checks, account_name_problem};
pub use error::ScenarioError;
pub use expect::{Expect, RESERVED_NAMES};
pub use fault::*;
pub(crate) use faults::parse_in_full;
pub use fill::{FillError, fill, fill_text};
pub use folder::Location;
pub use load::{LoadedScenario, find_files, load};
pub(crate) use load::{Parsed, parse};
pub use problem::{ProblemKind, What};
pub use sas::Sas;
pub use schema::json_schema;
pub(crate) use schema::titled;
pub use types::*;
pub use variable::{Part, Variable, VariableError, split};
