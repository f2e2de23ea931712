//! Switches that are on though they say no.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::spilo::switches::Switch;

pub(super) static DEFINITION: Definition = Definition {
    code: "switch-on-whatever-it-says",
    severity: Severity::Warning,
    title: "a switch says false, and Spilo takes any text for true",
    page: definition::page!("switch-on-whatever-it-says"),
    shown: Shown::Not(
        "the stand-in's own tests hold it to Spilo's template, and whether a target is inclusive shows only in a transaction of that very microsecond",
    ),
    find,
};

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.model.source().is_some()) {
        for (switch, text) in Switch::meant_off(&rendered.pod) {
            let name = switch.name();
            let (what, repair) = match switch {
                Switch::Inclusive => (
                    "what was committed at the very target is restored too",
                    format!("set {name} to \"\", which is the one way to say no"),
                ),
                Switch::Pause => (
                    "the clone's recovery pauses at the target and does not end",
                    format!("take {name} out, or set it to \"\""),
                ),
            };
            let message = format!(
                "{}: {what}: {name} is `{text}`, and Spilo asks only whether there is a text, so that it means yes",
                cluster.name()
            );
            let place = world.place_of_name(cluster, rendered, name);
            found.add(cluster.name(), place, "means yes", message, repair);
        }
    }
}
