//! What decides about each cluster's backups, in plain words: where they go, where it was restored from, what a clone of it
//! must say, what has no effect. Each statement has the place that decides it.

mod page;

use serde::Serialize;

use crate::check::{Cluster, Rendered, There, World};
use crate::diagnosis::Diagnosis;
use crate::manifests::{Index, Manifests};
use crate::render::Rendering;
use crate::spilo::encryption::Encryption;
use crate::spilo::{Archive, Bootstrap, Schedule, Scope, Store, Why, is_known, retention};

pub use page::{markdown, text};

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Of the manifest; `default` where it names none.
    pub namespace: String,
    /// The `metadata.name` of the manifest.
    pub cluster: String,
    /// The major version of PostgreSQL.
    pub version: Option<u16>,
    /// Where its backups go, with what, when, how many.
    pub archives: Vec<Statement>,
    /// What it is made from.
    pub made_from: Vec<Statement>,
    /// The variables that a clone of it needs in `spec.env`, where it archives to another account; YAML, ready to paste.
    pub a_clone_must_say: Vec<String>,
    /// Variables that do nothing.
    pub without_effect: Vec<Statement>,
    /// Objects that may bring further variables, and are not known.
    pub unknown: Vec<String>,
}

/// One sentence, and what decides it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// In plain words, without a full stop at its end.
    pub says: String,
    /// File and line of what decides it; none for a default of Spilo or of the operator.
    pub place: Option<String>,
}

/// Explains every cluster that the operator made something of, by namespace and name; and tells who was refused.
pub fn of_rendering(
    manifests: &Manifests,
    index: &Index,
    rendering: &Rendering,
) -> (Vec<Explanation>, Vec<Diagnosis>) {
    let settings = crate::toolchain::CheckSettings::default();
    let world =
        World::new(manifests, index, rendering, &settings, jiff::Timestamp::UNIX_EPOCH, &There::Unknown);
    let mut all: Vec<Explanation> = world
        .rendered()
        .map(|(cluster, rendered)| Explaining { world: &world, cluster, rendered }.all())
        .collect();
    all.sort_by(|a, b| (&a.namespace, &a.cluster).cmp(&(&b.namespace, &b.cluster)));
    (all, crate::check::refusals(&world, index, rendering, &[]))
}

struct Explaining<'e, 'w> {
    world: &'e World<'w>,
    cluster: &'e Cluster<'w>,
    rendered: &'e Rendered<'w>,
}

impl Explaining<'_, '_> {
    fn all(&self) -> Explanation {
        let document = self.cluster.document;
        Explanation {
            namespace: document.namespace.clone(),
            cluster: document.name.clone(),
            version: self.rendered.pod.major(),
            archives: self.archives(),
            made_from: self.made_from(),
            a_clone_must_say: self.clone_of_it(),
            without_effect: self.without_effect(),
            unknown: self.rendered.open.clone(),
        }
    }

    fn says(&self, says: String, name: &str) -> Statement {
        let written = self.rendered.entry(name).is_some_and(|entry| {
            self.world.written(entry).is_some() || self.cluster.spec_env(name).is_some()
        });
        let place = written.then(|| {
            let place = self.world.place_of_name(self.cluster, self.rendered, name);
            format!("{}:{}", place.file().display(), place.start().0)
        });
        Statement { says, place }
    }

    fn archives(&self) -> Vec<Statement> {
        let pod = &self.rendered.pod;
        let Some(archive) = &self.rendered.model.archive else {
            let unless = match self.rendered.open.is_empty() {
                true => String::new(),
                false => format!(", unless {} brings WALG_AZ_PREFIX", self.rendered.open.join(" or ")),
            };
            let says = format!("NO BACKUPS: nothing that Spilo archives with reaches its pods{unless}");
            return vec![Statement { says, place: None }];
        };
        let mut all = self.place_of(archive, "archives to");
        all.push(self.says(self.base_backups(), "BACKUP_SCHEDULE"));
        let retain = pod.setting("BACKUP_NUM_TO_RETAIN");
        let keeps = match retention::kept(retain) {
            _ if !is_known(retain) => "keeps an unknown number of base backups".to_owned(),
            Some(kept) => format!("keeps {kept} base backups and those of {kept} days, with their WAL"),
            None => format!("never deletes a backup: Spilo's script cannot count with `{retain}`"),
        };
        all.push(self.says(keeps, "BACKUP_NUM_TO_RETAIN"));
        if let Some((mode, _)) = self.rendered.parameters.given("archive_mode") {
            all.push(Statement { says: format!("but archive_mode is `{mode}`"), place: None });
        }
        if let Some(command) = self.rendered.parameters.local("archive_command") {
            all.push(Statement { says: format!("but archive_command is `{command}`"), place: None });
        }
        all
    }

    /// When base backups are taken, and by whom.
    fn base_backups(&self) -> String {
        let pod = &self.rendered.pod;
        let schedule = pod.setting("BACKUP_SCHEDULE");
        let from = match pod.value("WALG_BACKUP_FROM_REPLICA") {
            Some(text) if text.eq_ignore_ascii_case("true") => " from a replica, where there is one,",
            _ => "",
        };
        match Schedule::parse(schedule) {
            _ if !is_known(schedule) => format!("takes a base backup{from} at a time that is not known"),
            Ok(_) if !schedule.contains('\n') => {
                format!("takes a base backup{from} at \"{schedule}\" (cron, UTC)")
            }
            _ => format!(
                "takes a base backup once, when it is made, and no more: cron does not take \"{}\"",
                schedule.trim()
            ),
        }
    }

    /// Store, account, prefix, credential and encryption of one env dir.
    fn place_of(&self, archive: &Archive, verb: &str) -> Vec<Statement> {
        let scope = archive.scope.prefix();
        let name = |name: &str| format!("{scope}{name}");
        let prefix = self.shown(archive.prefix().unwrap_or_default(), &name(archive.store.prefix_variable()));
        let program = if archive.by_walg { "WAL-G" } else { "WAL-E" };
        let mut all = vec![self.says(
            format!(
                "{verb} {prefix} ({}, because {} is set), by {program}",
                archive.store.name(),
                archive.decided_by
            ),
            &archive.decided_by,
        )];
        for (store, variable) in &archive.beaten {
            all.push(self.says(format!("not {}: {variable} loses", store.name()), variable));
        }
        if archive.store != Store::Azure {
            return all;
        }
        let account = match archive.value("AZURE_STORAGE_ACCOUNT") {
            Some(account) => {
                format!("in the storage account {}", self.shown(account, &name("AZURE_STORAGE_ACCOUNT")))
            }
            None => format!("in no storage account: {} is missing", name("AZURE_STORAGE_ACCOUNT")),
        };
        all.push(self.says(account, &name("AZURE_STORAGE_ACCOUNT")));
        let credential = self.rendered.pod.azure(archive.scope).and_then(|azure| azure.credential);
        let (says, variable) = match credential {
            Some(kind) => {
                let variable = name(kind.variable());
                let from = match self.rendered.pod.stands_in(&variable) {
                    Some(object) => format!("with the {} from {object}", kind.name()),
                    None => format!("with the {} in {variable}", kind.name()),
                };
                (from, variable)
            }
            None => {
                ("with no credential: only an identity of the node can open it".to_owned(), String::new())
            }
        };
        all.push(self.says(says, &variable));
        if let Some(cloud) = archive.value("AZURE_ENVIRONMENT_NAME") {
            all.push(self.says(format!("in the cloud {cloud}"), &name("AZURE_ENVIRONMENT_NAME")));
        }
        if let Some((way, key)) = Encryption::of(archive) {
            let variable = name(&key.name);
            let verb = if archive.scope == Scope::Own { "encrypted" } else { "decrypted" };
            let from = self.rendered.pod.stands_in(&variable).unwrap_or_else(|| variable.clone());
            all.push(self.says(format!("{verb} with {} ({from})", way.name()), &variable));
        }
        all
    }

    /// A value as people may see it, with the object that it is in where it is not known.
    fn shown(&self, value: &str, name: &str) -> String {
        if is_known(value) {
            return value.to_owned();
        }
        let object = self.rendered.pod.stands_in(name).unwrap_or_else(|| "an object".to_owned());
        format!("{} (unknown: {object})", value.replace('\u{fffd}', "…"))
    }

    fn made_from(&self) -> Vec<Statement> {
        let pod = &self.rendered.pod;
        let plain = |says: &str| vec![Statement { says: says.to_owned(), place: None }];
        match &self.rendered.model.bootstrap {
            Bootstrap::Empty => plain("begins empty (initdb)"),
            Bootstrap::EmptyInsteadOfClone => {
                let unless = match self.rendered.open.is_empty() {
                    true => String::new(),
                    false => {
                        format!(", unless {} brings CLONE_WALG_AZ_PREFIX", self.rendered.open.join(" or "))
                    }
                };
                plain(&format!(
                    "comes up EMPTY though it shall be a clone: nothing says where its source's backups are{unless}"
                ))
            }
            Bootstrap::Standby(variable) => {
                vec![self.says(format!("follows another cluster ({variable})"), variable)]
            }
            Bootstrap::RunningCluster => {
                let host = pod.value("CLONE_HOST").unwrap_or("its source");
                vec![
                    self.says(
                        format!("is copied from the running cluster {host} (no timestamp)"),
                        "CLONE_HOST",
                    ),
                ]
            }
            Bootstrap::Backups(None) => {
                plain("fails to bootstrap: Spilo makes no env dir of what names its source's backups")
            }
            Bootstrap::Backups(Some(archive)) => {
                let mut all = self.place_of(archive, "restores from");
                let timeline = pod.setting("CLONE_TARGET_TIMELINE");
                let target = match pod.value("CLONE_TARGET_TIME") {
                    Some(time) => format!("up to {time}, on the timeline {timeline}"),
                    None => format!("up to the end of the WAL, on the timeline {timeline}"),
                };
                all.push(self.says(target, "CLONE_TARGET_TIME"));
                all
            }
        }
    }

    /// The variables of this very source, for a clone that archives elsewhere.
    fn clone_of_it(&self) -> Vec<String> {
        // What WAL-E archives to Azure arrives nowhere.
        let archive = self.rendered.model.archive.as_ref();
        let Some(archive) = archive.filter(|archive| archive.store == Store::Azure && archive.by_walg) else {
            return Vec::new();
        };
        let wanted = |name: &str| {
            matches!(
                name,
                "WALG_AZ_PREFIX"
                    | "AZURE_STORAGE_ACCOUNT"
                    | "AZURE_STORAGE_ACCESS_KEY"
                    | "AZURE_STORAGE_SAS_TOKEN"
                    | "AZURE_CLIENT_ID"
                    | "AZURE_CLIENT_SECRET"
                    | "AZURE_TENANT_ID"
                    | "AZURE_ENVIRONMENT_NAME"
            ) || name.starts_with("WALG_LIBSODIUM_KEY")
                || name.starts_with("WALG_PGP_KEY")
        };
        let mut lines: Vec<String> = Vec::new();
        for written in archive.env_dir.iter().filter(|written| wanted(&written.name)) {
            let name = &written.name;
            let item = self.rendered.pod.item(name);
            let reference = item.and_then(|item| item.get("valueFrom"));
            lines.push(match reference {
                Some(from) => format!("- {{ name: CLONE_{name}, valueFrom: {} }}", flow(from)),
                None if crate::secret::is_told_by_name(name) && !crate::secret::is_a_word(&written.value) => {
                    format!("- {{ name: CLONE_{name}, valueFrom: {{ secretKeyRef: {{ name: <secret>, key: <key> }} }} }}")
                }
                None if !is_known(&written.value) => {
                    let value = written.value.replace('\u{fffd}', "<…>");
                    format!("- {{ name: CLONE_{name}, value: {} }} # fill in what is not known", quoted(&value))
                }
                None => format!("- {{ name: CLONE_{name}, value: {} }}", quoted(&written.value)),
            });
        }
        lines.push("- { name: CLONE_USE_WALG_RESTORE, value: \"true\" }".to_owned());
        lines
    }

    fn without_effect(&self) -> Vec<Statement> {
        let dropped = self.rendered.model.without_effect.iter().filter(|dropped| {
            // What the operator writes for its own reasons is nobody's mistake.
            let entry = self.rendered.entry(&dropped.name);
            entry.is_some_and(|entry| self.world.written(entry).is_some())
                || self.cluster.spec_env(&dropped.name).is_some()
        });
        dropped
            .map(|dropped| {
                let why = match &dropped.why {
                    Why::Unread { meant: Some(meant), .. } => {
                        format!("nobody reads it; the nearest is {meant}")
                    }
                    Why::Unread { meant: None, .. } => "nobody reads it".to_owned(),
                    Why::NotHandedOn => "Spilo does not hand it on to WAL-G".to_owned(),
                    Why::OtherStore(store) => {
                        format!("it is for {}, and another store decides", store.name())
                    }
                    Why::OtherCredential => "another credential is taken".to_owned(),
                    Why::NoClone => "the cluster is no clone from backups".to_owned(),
                    Why::NoArchive => "the cluster archives nothing".to_owned(),
                };
                self.says(format!("{}: {why}", dropped.name), &dropped.name)
            })
            .collect()
    }
}

/// A reference in YAML's flow form.
fn flow(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
        serde_json::Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

/// A text in YAML, quoted where it must be.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty()
        && text.chars().all(|symbol| symbol.is_ascii_alphanumeric() || "-_./:".contains(symbol))
        && !text.ends_with(':')
        && text.parse::<f64>().is_err()
        && !matches!(text, "true" | "false" | "null" | "yes" | "no");
    if plain { text.to_owned() } else { serde_json::json!(text).to_string() }
}
