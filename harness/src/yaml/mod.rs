//! YAML that people wrote: where each value stands, and what the parser says in their words.

mod error;
mod nearest;
mod places;
mod text;

pub use error::{message, span_of};
pub use nearest::{did_you_mean, help, nearest};
pub use places::{Places, child, line_and_column, pointer_of_field, step};
pub use text::text;
