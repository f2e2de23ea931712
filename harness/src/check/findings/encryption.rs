//! Encrypted backups, and clones that cannot read them.

use crate::check::definition;
use crate::check::finding::{Definition, Found, Severity, Shown};
use crate::check::world::World;
use crate::secret::Secret;
use crate::spilo::encryption::{Encryption, fault_of_key};
use crate::spilo::is_known;

const BY_WAL_G: Shown = Shown::Test {
    name: "wal_g_reads_nothing_that_is_encrypted_otherwise_than_it_thinks",
    why: "WAL-G tries to unpack each part of a backup for many minutes before the bootstrap fails, longer than a drill waits",
};

pub(super) static WITHOUT_KEY: Definition = Definition {
    code: "clone-without-decryption-key",
    severity: Severity::Error,
    title: "the source encrypts its backups, and the clone has no key to read them",
    page: definition::page!("clone-without-decryption-key"),
    shown: BY_WAL_G,
    find: without_key,
};

pub(super) static OTHER_KEY: Definition = Definition {
    code: "clone-with-other-decryption-key",
    severity: Severity::Error,
    title: "the clone decrypts its source's backups otherwise than they are encrypted",
    page: definition::page!("clone-with-other-decryption-key"),
    shown: BY_WAL_G,
    find: other_key,
};

pub(super) static MALFORMED: Definition = Definition {
    code: "encryption-key-malformed",
    severity: Severity::Error,
    title: "WAL-G refuses the encryption key",
    page: definition::page!("encryption-key-malformed"),
    shown: Shown::Not("the WAL-G that is built here has no libsodium, and takes no notice of its keys"),
    find: malformed,
};

fn without_key(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some(reads) = rendered.model.source() else { continue };
        let Some((source, writing)) = world.source_of(cluster) else { continue };
        let Some((way, key)) = writing.model.archive.as_ref().and_then(Encryption::of) else { continue };
        let names = way.keys().map(|name| format!("CLONE_{name}"));
        let misspelt = names.iter().any(|name| rendered.meant_by(name).is_some());
        if misspelt || Encryption::of(reads).is_some_and(|(own, _)| own == way) {
            continue;
        }
        let has_transform =
            writing.model.archive.as_ref().is_some_and(|own| own.written(TRANSFORM).is_some());
        let transform = if has_transform { format!(" and CLONE_{TRANSFORM}") } else { String::new() };
        let own = if rendered.model.archive.as_ref().is_some_and(|own| Encryption::of(own).is_some()) {
            format!("; its own {} is for what it writes", key.name)
        } else {
            String::new()
        };
        let message = format!(
            "{}: the clone's bootstrap will fail: its source {} encrypts its backups ({}), and the clone has no CLONE_{} to \
             decrypt them with{own}",
            cluster.name(),
            source.name(),
            key.name,
            key.name,
        );
        let repair = format!("set CLONE_{}{transform} in spec.env as the source has them", key.name);
        let place = world.place_of_name(cluster, rendered, &reads.decided_by);
        let finding = found.add(cluster.name(), place, "cannot be decrypted", message, repair);
        finding.beside(world.place_of_name(source, writing, &key.name), "encrypted with this");
        finding.unless(&rendered.open, &format!("CLONE_{}", key.name), Severity::Warning);
    }
}

const TRANSFORM: &str = "WALG_LIBSODIUM_KEY_TRANSFORM";

fn other_key(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        let Some(reads) = rendered.model.source() else { continue };
        let Some((source, writing)) = world.source_of(cluster) else { continue };
        let Some(writes) = &writing.model.archive else { continue };
        let (ours, theirs) = (Encryption::of(reads), Encryption::of(writes));
        let place = |name: &str| world.place_of_name(cluster, rendered, &format!("CLONE_{name}"));
        match (ours, theirs) {
            (Some((_, key)), None) => {
                let message = format!(
                    "{}: the clone will try to decrypt backups that its source {} does not encrypt, and its bootstrap fails",
                    cluster.name(),
                    source.name()
                );
                let repair = format!(
                    "take CLONE_{} out; where older backups are encrypted, clone one of those",
                    key.name
                );
                let finding =
                    found.add(cluster.name(), place(&key.name), "nothing to decrypt", message, repair);
                finding.as_bad_as(Severity::Warning);
                finding.unless(&writing.open, &key.name, Severity::Note);
            }
            (Some((way, key)), Some((other, written))) if way == other && key.name == written.name => {
                let both_known = is_known(&key.value) && is_known(&written.value);
                let transforms = (reads.value(TRANSFORM), writes.value(TRANSFORM));
                let known = |text: Option<&str>| text.is_none_or(is_known);
                let other_transform = way == Encryption::Libsodium
                    && key.name == "WALG_LIBSODIUM_KEY"
                    && transforms.0 != transforms.1
                    && known(transforms.0)
                    && known(transforms.1);
                // With PGP one key may be the public half of the other.
                let differ = both_known && key.value != written.value && way == Encryption::Libsodium;
                let (name, what) = match (differ, other_transform) {
                    (true, _) if key.name.ends_with("_PATH") => continue,
                    (true, _) => (key.name.as_str(), "another key".to_owned()),
                    (false, true) => {
                        (TRANSFORM, format!("the transform `{}`", transforms.0.unwrap_or("none")))
                    }
                    (false, false) => continue,
                };
                let encrypts = match name {
                    TRANSFORM => format!("the transform `{}`", transforms.1.unwrap_or("none")),
                    _ => Secret::new(&written.value).fingerprint(),
                };
                let message = format!(
                    "{}: the clone's bootstrap will fail: it decrypts with {what}, and its source {} encrypts with {encrypts}",
                    cluster.name(),
                    source.name()
                );
                let at = if rendered.pod.has(&format!("CLONE_{name}")) { name } else { key.name.as_str() };
                let repair = format!("set CLONE_{name} as the source has {name}");
                let finding = found.add(cluster.name(), place(at), "not the source's", message, repair);
                finding.beside(world.place_of_name(source, writing, &written.name), "encrypted with this");
            }
            _ => {}
        }
    }
}

fn malformed(world: &World<'_>, found: &mut Found) {
    for (cluster, rendered) in world.rendered() {
        for archive in rendered.archives().filter(|archive| archive.by_walg) {
            let Some(key) = archive.value("WALG_LIBSODIUM_KEY") else { continue };
            // Beside a key for PGP WAL-G does not look at it.
            if Encryption::of(archive).is_none_or(|(way, _)| way != Encryption::Libsodium) {
                continue;
            }
            let name = format!("{}WALG_LIBSODIUM_KEY", archive.scope.prefix());
            let Some(why) =
                fault_of_key(key, archive.value(TRANSFORM)).filter(|_| !rendered.is_literal(&name))
            else {
                continue;
            };
            let message = format!(
                "{}: WAL-G refuses {name}, and nothing is written or read with it: {why}",
                cluster.name()
            );
            let repair =
                "make a key with `openssl rand -hex 32`, and set WALG_LIBSODIUM_KEY_TRANSFORM to hex";
            let place = world.place_of_name(cluster, rendered, &name);
            found.add(cluster.name(), place, "not taken", message, repair);
        }
    }
}
