//! Logs that are shipped without tags: a release of Spilo does not start then.

use serde_json::Value;

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Rendered, World};
use crate::spilo::Release;
use crate::spilo::log_tags::Tags;

pub(super) static DEFINITION: Definition = Definition {
    code: "log-tags-missing",
    severity: Severity::Error,
    title: "logs are shipped without tags, and this release of Spilo does not start so",
    page: definition::page!("log-tags-missing"),
    shown: Shown::Not(
        "the pods end before anything can be seen of them, which is no outcome of a drill; the stand-in's own tests hold it to the releases",
    ),
    find,
};

const BUCKET: &str = "LOG_S3_BUCKET";
const TAGS: &str = "LOG_S3_TAGS";

/// The release of Spilo that the cluster's pods run; none where the image's tag is no release's.
fn release(rendered: &Rendered<'_>) -> Option<Release> {
    Release::of_image(rendered.set.container()?.get("image").and_then(Value::as_str)?)
}

fn find(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered().filter(|(_, rendered)| rendered.pod.has(BUCKET)) {
        let Some(release) = release(rendered) else { continue };
        let Tags::End(why) = rendered.pod.log_tags(release) else { continue };
        let what =
            if rendered.pod.has(TAGS) { format!("{TAGS} that it cannot use") } else { format!("no {TAGS}") };
        let message = format!(
            "{}: the pods will not start, neither new ones nor those that are restarted: with {BUCKET} and {what} the \
             configuration of Spilo {release} ends with an exception ({why})",
            cluster.name()
        );
        let repair = format!(
            "set {TAGS} to \"{{}}\" in spec.env or in the operator's pod_environment_configmap; or take Spilo {} (docker_image), \
             which only warns of missing tags",
            Release::NEWEST
        );
        let name = if rendered.pod.has(TAGS) { TAGS } else { BUCKET };
        let place = world.place_of_name(cluster, rendered, name);
        found.add(cluster.name(), place, "logs are shipped", message, repair).unless(
            &rendered.open,
            TAGS,
            Severity::Warning,
        );
    }
}
