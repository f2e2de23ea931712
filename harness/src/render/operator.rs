//! Which operator a world has.

use super::flags::Flags;
use crate::operator::Release;

/// An operator version, as worlds use it.
#[derive(Clone, Copy)]
pub(super) struct Operator<'a> {
    /// The name that the image store knows it by.
    pub tag: &'a str,
    pub release: &'a Release,
    pub flags: &'a Flags,
}
