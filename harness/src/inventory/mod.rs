//! Where each cluster's backups are: the page that people on call read.

mod entry;
mod keys;
mod live;
mod page;

pub use entry::{Entry, of_rendering};
pub use keys::{Keys, keys};
pub use live::{LiveError, names, of_cluster};
pub use page::{markdown, table};
