//! One environment for each operator version of a run, and who is still to use it.

use std::cell::Cell;
use std::collections::BTreeMap;

use tokio::sync::OnceCell;

use super::plan::Planned;
use crate::environment::shared::Obtained;
use crate::report::Finding;

/// By operator version.
pub(super) struct Rooms<'p>(BTreeMap<&'p str, Room>);

/// The environment of one operator version, or why there is none.
#[derive(Default)]
pub(super) struct Room {
    pub(super) environment: OnceCell<Result<Obtained, Finding>>,
    to_come: Cell<usize>,
}

impl<'p> Rooms<'p> {
    /// For all drills of a run.
    pub(super) fn of(plan: &'p [Planned]) -> Self {
        let mut rooms: BTreeMap<&str, Room> = BTreeMap::new();
        for planned in plan {
            let room = rooms.entry(&planned.operator).or_default();
            room.to_come.set(room.to_come.get() + 1);
        }
        Rooms(rooms)
    }

    pub(super) fn of_operator(&self, planned: &Planned) -> &Room {
        &self.0[planned.operator.as_str()]
    }
}

impl Room {
    /// To be asked once by each drill when it is over: whether nobody comes after it.
    pub(super) fn is_left_by_the_last(&self) -> bool {
        self.to_come.set(self.to_come.get() - 1);
        self.to_come.get() == 0
    }
}
