//! The environment `kind`: the same scenarios on pods of a real cluster that the program `kind` makes.

pub mod images;
