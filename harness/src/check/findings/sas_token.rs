//! SAS tokens: what can be read in them, which is when they end and what they open.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::{Cluster, Rendered, World};
use crate::spilo::azure::{SasFault, SasToken};
use crate::spilo::{Archive, Scope, is_known};

pub(super) static EXPIRED: Definition = Definition {
    code: "sas-token-expired",
    severity: Severity::Error,
    title: "the SAS token has ended",
    page: definition::page!("sas-token-expired"),
    shown: Shown::By(&["check/sas-tokens-that-open-nothing"]),
    find: |world, found| each(world, found, true),
};

pub(super) static REFUSED: Definition = Definition {
    code: "sas-token-refused",
    severity: Severity::Error,
    title: "Azure will refuse the SAS token, or it does not open what is needed",
    page: definition::page!("sas-token-refused"),
    shown: Shown::By(&["check/sas-tokens-that-open-nothing"]),
    find: |world, found| each(world, found, false),
};

const NAME: &str = "AZURE_STORAGE_SAS_TOKEN";
/// What WAL-G does with backups of its own. Deleting is what keeps their number down.
const OWN: [(char, &str); 3] = [('r', "read (r)"), ('l', "list (l)"), ('w', "write (w)")];
const CLONE: [(char, &str); 2] = [('r', "read (r)"), ('l', "list (l)")];

fn each(world: &World<'_>, found: &mut Found, expired: bool) {
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.in_azure() {
            let Some(text) = archive.value(NAME).filter(|text| is_known(text)) else { continue };
            let name = format!("{}{NAME}", archive.scope.prefix());
            if rendered.is_literal(&name) {
                continue;
            }
            let token = SasToken::parse(text);
            let needs: &[(char, &'static str)] = match archive.scope {
                Scope::Own => &OWN,
                Scope::Clone => &CLONE,
            };
            let Some(fault) = token.fault(needs, world.now) else {
                if !expired && archive.scope == Scope::Own && !token.allows('d') {
                    cannot_delete(world, found, cluster, rendered, &name);
                }
                continue;
            };
            if matches!(fault, SasFault::Expired(_)) == expired {
                add(world, found, (cluster, rendered), archive, (&name, &fault));
            }
        }
    }
}

fn add(
    world: &World<'_>,
    found: &mut Found,
    (cluster, rendered): (&Cluster<'_>, &Rendered<'_>),
    archive: &Archive,
    (name, fault): (&str, &SasFault),
) {
    let day = |time: &jiff::Timestamp| time.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let (why, repair) = match fault {
        SasFault::NoToken => (
            "has no signature (sig=), so it is no SAS token".to_owned(),
            "give the token as Azure shows it, such as sv=…&sr=c&sp=rlw&se=…&sig=…".to_owned(),
        ),
        SasFault::Address => (
            "is an address or stands in quotes, and WAL-G puts it behind the container's address as it is"
                .to_owned(),
            "give only what stands behind the question mark, without quotes: sv=…&sig=…".to_owned(),
        ),
        SasFault::Expired(ends) => (
            format!("ended on {} (se=, ske=)", day(ends)),
            "make a new token that ends later, and a way to renew it".to_owned(),
        ),
        SasFault::NotYet(starts) => (
            format!("begins only on {} (st=)", day(starts)),
            "make a token that begins now, or leave st out".to_owned(),
        ),
        SasFault::Lacks(missing) => (
            format!("does not allow to {} (sp=)", missing.join(", ")),
            match archive.scope {
                Scope::Own => "make a token with sp=racwdl",
                Scope::Clone => "make a token with sp=rl",
            }
            .to_owned(),
        ),
        SasFault::HttpOnly => (
            "allows http only (spr=), and WAL-G speaks https".to_owned(),
            "make a token with spr=https".to_owned(),
        ),
        SasFault::NotForBlobs => {
            ("is not for the blob service (ss=)".to_owned(), "make a token with ss=b".to_owned())
        }
        SasFault::Types(missing) => (
            format!("does not open {missing} (srt=), which WAL-G lists and reads"),
            "make a token with srt=co".to_owned(),
        ),
        SasFault::OneBlob => (
            "opens a single blob (sr=b), and WAL-G lists the container".to_owned(),
            "make a token for the container, with sr=c".to_owned(),
        ),
    };
    let what = match archive.scope {
        Scope::Own => "backups and WAL files are refused",
        Scope::Clone => "the clone's bootstrap fails and is tried again for ever",
    };
    let message = format!("{}: the token in {name} {why}, so {what}", cluster.name());
    let place = world.place_of_name(cluster, rendered, name);
    let finding = found.add(cluster.name(), place, "this token", message, repair);
    // A clone that was made needs it no more, so its end is no fault as time goes by.
    let by_time = matches!(fault, SasFault::Expired(_) | SasFault::NotYet(_));
    if by_time && archive.scope == Scope::Clone && !world.is_new(cluster) {
        finding.as_bad_as(Severity::Note);
    } else if matches!(fault, SasFault::NotYet(_)) {
        finding.as_bad_as(Severity::Warning);
    }
}

fn cannot_delete(
    world: &World<'_>,
    found: &mut Found,
    cluster: &Cluster<'_>,
    rendered: &Rendered<'_>,
    name: &str,
) {
    let message = format!(
        "{}: the token in {name} does not allow to delete (sp= without d), so old backups are never deleted by Spilo",
        cluster.name()
    );
    let repair =
        "make a token with sp=racwdl; where a lifecycle policy of the account deletes them, nothing is wrong";
    let place = world.place_of_name(cluster, rendered, name);
    found.add(cluster.name(), place, "this token", message, repair).as_bad_as(Severity::Note);
}
