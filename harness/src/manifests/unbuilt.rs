//! Files that are not applied as they stand: templates of Helm charts, and patches that a kustomization applies. What people
//! apply is what is built from them, so they are no objects, and who gives them is told what to give.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use super::document::Kind;
use super::files::STDIN_SHOWN;
use super::problem::ProblemKind;
use super::{Manifests, read};
use crate::diagnosis::{Diagnosis, Place};
use crate::yaml::Places;

const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// The API group of the operator's own objects.
const OURS: &str = "acid.zalan.do";

/// What is not read, and why.
#[derive(Default)]
pub(super) struct Unbuilt {
    pub problems: Vec<Diagnosis>,
    pub passed_over: BTreeMap<String, usize>,
}

/// A kustomization, and where it stands.
struct Kustomization {
    file: PathBuf,
    text: String,
    value: Value,
}

/// A patch that a kustomization names.
struct Patch {
    /// Its own file; none where it is written into the kustomization.
    file: Option<PathBuf>,
    /// Where it is named.
    pointer: String,
    target: Value,
    inline: String,
}

/// Takes the files that are no objects out of those that were read.
pub(super) fn take_out(files: &mut Vec<(PathBuf, String)>) -> Unbuilt {
    let mut unbuilt = Unbuilt::default();
    templates(files, &mut unbuilt);
    for kustomization in kustomizations(files) {
        for patch in kustomization.patches() {
            kustomization.take_patch(&patch, files, &mut unbuilt);
        }
    }
    unbuilt
}

/// Tells of kustomizations that change what was read, though none of its files is a patch.
pub(super) fn tell(manifests: &mut Manifests, files: &[(PathBuf, String)]) {
    for kustomization in kustomizations(files) {
        let folder = kustomization.folder();
        let beside = |file: &Path| normal(file.parent().unwrap_or(Path::new(""))) == normal(folder);
        let mut objects =
            manifests.documents.iter().filter(|document| beside(document.place_of_name().file())).peekable();
        if objects.peek().is_none() {
            continue;
        }
        let mut changes = Vec::new();
        if let Some(namespace) = kustomization.value["namespace"].as_str()
            && objects.any(|document| document.namespace != namespace)
        {
            changes.push(format!("puts its objects into the namespace {namespace}"));
        }
        for (field, does) in [
            ("namePrefix", "puts something before their names"),
            ("nameSuffix", "puts something behind their names"),
            ("replacements", "replaces parts of them"),
            ("vars", "replaces parts of them"),
            ("transformers", "transforms them"),
            ("components", "adds components"),
        ] {
            let value = &kustomization.value[field];
            let is_there = value.as_str().is_some_and(|text| !text.is_empty())
                || value.as_array().is_some_and(|items| !items.is_empty());
            if is_there {
                changes.push(does.to_owned());
            }
        }
        if !changes.is_empty() {
            manifests.not_built.push(format!(
                "{} was not built: it {}. What is applied differs from what was read here; {}",
                kustomization.file.display(),
                changes.join(", "),
                remedy_of_kustomize(folder)
            ));
        }
    }
}

fn remedy_of_kustomize(folder: &Path) -> String {
    format!("check what is applied: `kustomize build {} | clonedrill check -`", shown(folder))
}

fn shown(folder: &Path) -> String {
    match folder.display().to_string() {
        text if text.is_empty() => ".".to_owned(),
        text => text,
    }
}

/// Each chart is told once, where one of its templates is of the operator's objects.
fn templates(files: &mut Vec<(PathBuf, String)>, unbuilt: &mut Unbuilt) {
    let mut told: Vec<PathBuf> = Vec::new();
    files.retain(|(file, text)| {
        let Some(chart) = chart_of(file) else { return true };
        if text.contains(OURS) {
            if !told.contains(&chart) {
                let kind = ProblemKind::NotBuilt(format!("it is a template of the Helm chart {}", shown(&chart)));
                let help = format!(
                    "check what is applied: `helm template <release> {} --values <your values> | clonedrill check -`",
                    shown(&chart)
                );
                unbuilt.problems.push(Diagnosis::new(&kind, Some(first_line(file, text))).with_help(help));
            }
            told.push(chart);
        } else {
            *unbuilt.passed_over.entry("Helm template".to_owned()).or_default() += 1;
        }
        false
    });
}

/// The chart whose `templates` a file is in.
fn chart_of(file: &Path) -> Option<PathBuf> {
    let templates = file.ancestors().skip(1).find(|above| {
        above.file_name().is_some_and(|name| name == "templates")
            && above.parent().is_some_and(|chart| chart.join("Chart.yaml").is_file())
    })?;
    templates.parent().map(Path::to_owned)
}

/// Where a file begins to say something.
fn first_line(file: &Path, text: &str) -> Place {
    let says = |line: &str| !line.trim().is_empty() && !line.starts_with('#') && !line.starts_with("---");
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if says(line) {
            return Place { source: read::covered(file, text), span: (at, line.trim_end().len()).into() };
        }
        at += line.len();
    }
    Place { source: read::covered(file, text), span: (0, 0).into() }
}

/// Those that were given, and those beside what was given.
fn kustomizations(files: &[(PathBuf, String)]) -> Vec<Kustomization> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for (file, _) in files.iter().filter(|(file, _)| file.as_os_str() != STDIN_SHOWN) {
        let folder = file.parent().unwrap_or(Path::new("")).to_owned();
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let found = folders.into_iter().filter_map(|folder| {
        let file = KUSTOMIZATIONS.iter().map(|name| folder.join(name)).find(|file| file.is_file())?;
        let text = std::fs::read_to_string(&file).ok()?;
        let value = serde_saphyr::from_str(&text).ok()?;
        Some(Kustomization { file, text, value })
    });
    found.collect()
}

impl Kustomization {
    fn folder(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    fn patches(&self) -> Vec<Patch> {
        let mut found = Vec::new();
        for field in ["patches", "patchesStrategicMerge", "patchesJson6902"] {
            let items = self.value[field].as_array().into_iter().flatten();
            for (at, item) in items.enumerate() {
                // The older form is a path or the patch itself.
                let (path, inline) = match item.as_str() {
                    Some(text) if text.contains('\n') => (None, text),
                    Some(text) => (Some(text), ""),
                    None => (item["path"].as_str(), item["patch"].as_str().unwrap_or_default()),
                };
                found.push(Patch {
                    file: path.map(|path| self.folder().join(path)),
                    pointer: format!("/{field}/{at}"),
                    target: item["target"].clone(),
                    inline: inline.to_owned(),
                });
            }
        }
        found
    }

    /// A patch of what is looked at is told; others are passed over.
    fn take_patch(&self, patch: &Patch, files: &mut Vec<(PathBuf, String)>, unbuilt: &mut Unbuilt) {
        let at = patch
            .file
            .as_ref()
            .and_then(|path| files.iter().position(|(file, _)| normal(file) == normal(path)));
        let given = at.map(|at| files.remove(at));
        let text = match (&given, &patch.file) {
            (Some((_, text)), _) => text.clone(),
            (None, Some(path)) => std::fs::read_to_string(path).unwrap_or_default(),
            (None, None) => patch.inline.clone(),
        };
        let Some(of) = patched(patch, &text) else {
            if given.is_some() {
                *unbuilt.passed_over.entry("patch of kustomize".to_owned()).or_default() += 1;
            }
            return;
        };
        let place = match &given {
            Some((file, text)) => first_line(file, text),
            None => Place {
                source: read::covered(&self.file, &self.text),
                span: Places::of(&self.text).locate(&patch.pointer).unwrap_or((0, 0).into()),
            },
        };
        let kind = ProblemKind::NotBuilt(match given {
            Some(_) => format!("it is a patch of {of}, which {} applies", self.file.display()),
            None => format!("{} patches {of}", self.file.display()),
        });
        unbuilt
            .problems
            .push(Diagnosis::new(&kind, Some(place)).with_help(remedy_of_kustomize(self.folder())));
    }
}

/// What of the objects that are looked at a patch changes; none where it changes others alone.
fn patched(patch: &Patch, text: &str) -> Option<String> {
    const KINDS: [Kind; 4] = [Kind::Postgresql, Kind::OperatorConfiguration, Kind::Secret, Kind::ConfigMap];
    let known = |kind: &str| KINDS.iter().any(|known| known.name() == kind);
    let named = |kind: &str, name: Option<&str>| match name {
        Some(name) => format!("{kind} {name}"),
        None => format!("every {kind}"),
    };
    if patch.target.is_object() {
        let (kind, name) = (patch.target["kind"].as_str(), patch.target["name"].as_str());
        return match kind {
            Some(kind) => known(kind).then(|| named(kind, name)),
            None => Some(name.map_or("all objects of a kind that it does not name".to_owned(), |name| {
                format!("what is called {name}")
            })),
        };
    }
    let objects: Vec<Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    objects.iter().find_map(|object| {
        let kind = object["kind"].as_str().filter(|kind| known(kind))?;
        Some(named(kind, object.pointer("/metadata/name").and_then(Value::as_str)))
    })
}

/// A path without `.` and with `..` taken together, where that is possible.
fn normal(path: &Path) -> PathBuf {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(parts.last(), Some(Component::Normal(_))) => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.iter().collect()
}

/// What to do about a text that is no YAML, where it looks like something that is to be built.
pub(super) fn help(text: &str) -> Option<&'static str> {
    text.contains("{{").then_some(
        "it has `{{`, as templates of Helm charts have it: check what is applied, `helm template <release> <chart> | clonedrill check -`",
    )
}

/// The same of a list in the place of an object.
pub(super) fn help_of_list(items: &[Value]) -> Option<&'static str> {
    let is_step = |item: &Value| item["op"].is_string() && item["path"].is_string();
    (!items.is_empty() && items.iter().all(is_step)).then_some(
        "it is a JSON patch, which kustomize applies: check what is applied, `kustomize build <folder> | clonedrill check -`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata: { name: acid-orders }\nspec: { teamId: acid }\n";

    /// A folder with these files, and what is read of it: the objects, and what is said.
    fn read(files: &[(&str, &str)]) -> (Vec<String>, Vec<String>, Manifests) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let manifests = Manifests::read(&[folder.path().to_owned()]);
        let plain = |text: String| {
            text.replace(&format!("{}/", folder.path().display()), "")
                .replace(&folder.path().display().to_string(), ".")
        };
        let said = manifests.problems.iter().map(|problem| {
            let file =
                problem.place.as_ref().map_or(String::new(), |place| place.file().display().to_string());
            plain(format!("{file}: {problem}; {}", problem.help.as_deref().unwrap_or("-")))
        });
        let said = said.chain(manifests.not_built.iter().cloned().map(plain)).collect();
        (manifests.documents.iter().map(ToString::to_string).collect(), said, manifests)
    }

    const REMEDY: &str = "check what is applied: `kustomize build . | clonedrill check -`";

    #[test]
    fn patches_of_what_is_looked_at_are_told_with_the_remedy_and_others_passed_over() {
        let strategic = "apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata: { name: acid-orders }\nspec: { numberOfInstances: 3 }\n";
        let (objects, said, manifests) = read(&[
            (
                "kustomization.yaml",
                "resources: [orders.yaml]\npatches:\n  - path: patches/more.yaml\n  - { path: json.yaml, target: { kind: postgresql, name: acid-orders } }\n  \
                 - { path: deployment.yaml }\n  - patch: |\n      - { op: remove, path: /spec/env }\n    target: { kind: postgresql }\n",
            ),
            ("orders.yaml", CLUSTER),
            ("patches/more.yaml", strategic),
            ("json.yaml", "- { op: add, path: /spec/env, value: [] }\n"),
            ("deployment.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: x }\n"),
        ]);
        assert_eq!(objects, ["postgresql acid-orders"]);
        assert_eq!(
            said,
            [
                format!(
                    "patches/more.yaml: this is not what is applied: it is a patch of postgresql acid-orders, which kustomization.yaml applies; {REMEDY}"
                ),
                format!(
                    "json.yaml: this is not what is applied: it is a patch of postgresql acid-orders, which kustomization.yaml applies; {REMEDY}"
                ),
                format!(
                    "kustomization.yaml: this is not what is applied: kustomization.yaml patches every postgresql; {REMEDY}"
                ),
            ]
        );
        assert_eq!(manifests.passed_over.get("patch of kustomize"), Some(&1));
    }

    #[test]
    fn an_overlay_says_where_its_patches_stand_and_what_it_changes() {
        let base = "resources: [orders.yaml]\nnamespace: shop\n";
        let overlay = "resources: [../../base]\npatchesStrategicMerge: [instances.yaml]\n";
        let strategic = "kind: postgresql\napiVersion: acid.zalan.do/v1\nmetadata: { name: acid-orders }\n";
        let (objects, said, _) = read(&[
            ("base/kustomization.yaml", base),
            ("base/orders.yaml", CLUSTER),
            ("overlays/production/kustomization.yaml", overlay),
            ("overlays/production/instances.yaml", strategic),
        ]);
        assert_eq!(objects, ["postgresql acid-orders"]);
        assert_eq!(
            said,
            [
                "overlays/production/instances.yaml: this is not what is applied: it is a patch of postgresql acid-orders, which \
                 overlays/production/kustomization.yaml applies; check what is applied: `kustomize build overlays/production | clonedrill check -`",
                "base/kustomization.yaml was not built: it puts its objects into the namespace shop. What is applied differs from what was \
                 read here; check what is applied: `kustomize build base | clonedrill check -`",
            ]
        );
        let (_, said, _) =
            read(&[("kustomization.yaml", "resources: [a.yaml]\nnamespace: default\n"), ("a.yaml", CLUSTER)]);
        assert_eq!(said, [""; 0], "nothing differs");
    }

    #[test]
    fn a_chart_is_told_once_and_one_of_other_things_is_passed_over() {
        let template =
            "apiVersion: acid.zalan.do/v1\nkind: postgresql\nmetadata:\n  name: {{ .Values.name }}\n";
        let (objects, said, manifests) = read(&[
            ("charts/orders/Chart.yaml", "name: orders\nversion: 1.0.0\n"),
            ("charts/orders/values.yaml", "name: acid-orders\n"),
            ("charts/orders/templates/a.yaml", template),
            ("charts/orders/templates/more/b.yaml", template),
            ("charts/shop/Chart.yaml", "name: shop\n"),
            ("charts/shop/templates/deployment.yaml", "kind: Deployment\nmetadata: {{- include \"x\" . }}\n"),
            ("orders.yaml", CLUSTER),
        ]);
        assert_eq!(objects, ["postgresql acid-orders"]);
        assert_eq!(
            said,
            [
                "charts/orders/templates/a.yaml: this is not what is applied: it is a template of the Helm chart charts/orders; check what is \
                 applied: `helm template <release> charts/orders --values <your values> | clonedrill check -`"
            ]
        );
        assert_eq!(manifests.passed_over.get("Helm template"), Some(&1));
    }

    #[test]
    fn what_stands_alone_is_told_by_its_form() {
        let (_, said, _) =
            read(&[("a.yaml", "kind: postgresql\nspec:\n  {{- toYaml .Values.spec | nindent 2 }}\n")]);
        assert!(said[0].contains("helm template"), "{said:?}");
        let (_, said, _) = read(&[("a.yaml", "- { op: replace, path: /spec/teamId, value: x }\n")]);
        assert!(said[0].contains("kustomize build"), "{said:?}");
    }
}
