//! The environment of the container that this runs in.

use crate::spilo::Variables;

/// This process's environment. Names or values that are not UTF-8 are left out.
pub(super) fn of_this_container() -> Variables {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
