//! Switches that any text turns on: Spilo's templates ask only whether there is one, so that `false` means yes.

use super::pod::Pod;

/// A switch that says `false` or the like, and is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// `CLONE_TARGET_INCLUSIVE`.
    Inclusive,
    /// `USE_PAUSE_AT_RECOVERY_TARGET`.
    Pause,
}

impl Switch {
    /// The variable.
    pub fn name(self) -> &'static str {
        match self {
            Switch::Inclusive => "CLONE_TARGET_INCLUSIVE",
            Switch::Pause => "USE_PAUSE_AT_RECOVERY_TARGET",
        }
    }

    /// Those that were meant to be off.
    pub fn meant_off<'p>(pod: &'p Pod<'_>) -> impl Iterator<Item = (Switch, &'p str)> {
        let is_no =
            |text: &&str| ["false", "off", "no", "0"].iter().any(|no| text.trim().eq_ignore_ascii_case(no));
        let all = [Switch::Inclusive, Switch::Pause].into_iter();
        all.filter_map(move |switch| Some((switch, pod.value(switch.name()).filter(is_no)?)))
    }
}
