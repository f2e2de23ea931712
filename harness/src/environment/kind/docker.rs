//! The docker program, which kind needs too: what is ours there, by labels, and images.

use std::path::Path;
use std::time::Duration;

use super::error::KindError;
use super::program::{self, Ended};

/// For what Docker does by itself.
const ANSWER: Duration = Duration::from_secs(60);
/// For images, which may come from far away.
const IMAGES: Duration = Duration::from_secs(1800);

/// # Errors
/// When there is no such program, or nobody answers it.
pub(super) async fn reach() -> Result<(), KindError> {
    let asked = program::run("docker", &["version", "--format", "{{.Server.Version}}"], "", ANSWER).await;
    match asked {
        Ok(ended) if ended.succeeded => Ok(()),
        Ok(ended) => Err(KindError::NoDocker { why: ended.why() }),
        Err(why) => Err(KindError::NoDocker { why }),
    }
}

async fn docker(what: &str, arguments: &[&str], limit: Duration) -> Result<Ended, KindError> {
    let failed = |why| KindError::Docker { what: what.to_owned(), why };
    let ended = program::run("docker", arguments, "", limit).await.map_err(failed)?;
    if ended.succeeded { Ok(ended) } else { Err(failed(ended.why())) }
}

/// The ids of containers with this label, those that have ended too.
///
/// # Errors
/// When Docker does not answer.
pub(super) async fn containers(label: &str) -> Result<Vec<String>, KindError> {
    let filter = format!("label={label}");
    let listed = docker("list containers", &["ps", "--all", "--quiet", "--filter", &filter], ANSWER).await?;
    Ok(listed.stdout.lines().map(str::to_owned).collect())
}

/// Removes containers with this label and their volumes.
///
/// # Errors
/// When one is still there afterwards.
pub(super) async fn remove_containers(label: &str) -> Result<(), KindError> {
    let found = containers(label).await?;
    if found.is_empty() {
        return Ok(());
    }
    let arguments: Vec<&str> =
        ["rm", "--force", "--volumes"].into_iter().chain(found.iter().map(String::as_str)).collect();
    match docker("remove containers", &arguments, ANSWER).await {
        Ok(_) => Ok(()),
        // Another one may have been faster.
        Err(error) => match containers(label).await?.is_empty() {
            true => Ok(()),
            false => Err(error),
        },
    }
}

/// One field of a container, by a template; nothing where there is no such container.
///
/// # Errors
/// When Docker does not answer.
pub(super) async fn inspect(container: &str, template: &str) -> Result<Option<String>, KindError> {
    field(&["inspect", "--format", template, container]).await
}

/// The same of an image.
///
/// # Errors
/// As there.
pub(super) async fn inspect_image(reference: &str, template: &str) -> Result<Option<String>, KindError> {
    field(&["image", "inspect", "--format", template, reference]).await
}

/// What lies in a folder of an image, one name each; nothing where it has no such folder, or no `ls`.
///
/// # Errors
/// When Docker cannot be asked.
pub(super) async fn list_in_image(reference: &str, folder: &str) -> Result<Vec<String>, KindError> {
    let failed = |why| KindError::Docker { what: "look into an image".to_owned(), why };
    let arguments = ["run", "--rm", "--network", "none", "--entrypoint", "ls", reference, folder];
    let ended = program::run("docker", &arguments, "", ANSWER).await.map_err(failed)?;
    let names = ended.succeeded.then(|| ended.stdout.lines().map(str::to_owned).collect());
    Ok(names.unwrap_or_default())
}

async fn field(arguments: &[&str]) -> Result<Option<String>, KindError> {
    let failed = |why| KindError::Docker { what: "ask Docker".to_owned(), why };
    let ended = program::run("docker", arguments, "", ANSWER).await.map_err(failed)?;
    match ended.succeeded {
        true => Ok(Some(ended.stdout.trim().to_owned())),
        false if ended.why().to_lowercase().contains("no such") => Ok(None),
        false => Err(failed(ended.why())),
    }
}

/// Brings an archive's images into Docker.
///
/// # Errors
/// When it is none.
pub(super) async fn load(archive: &Path) -> Result<(), KindError> {
    let failed = |why| KindError::Archive { path: archive.to_owned(), why };
    let path = archive.display().to_string();
    let ended = program::run("docker", &["load", "--quiet", "--input", &path], "", IMAGES).await;
    let ended = ended.map_err(failed)?;
    if ended.succeeded { Ok(()) } else { Err(failed(ended.why())) }
}

/// Makes sure that Docker has an image.
///
/// # Errors
/// When it can neither be found nor pulled.
pub(super) async fn have(reference: &str) -> Result<(), KindError> {
    if inspect_image(reference, "{{.Id}}").await?.is_some() {
        return Ok(());
    }
    let failed = |why| KindError::Image { reference: reference.to_owned(), why };
    let ended = program::run("docker", &["pull", "--quiet", reference], "", IMAGES).await.map_err(failed)?;
    if ended.succeeded { Ok(()) } else { Err(failed(ended.why())) }
}

/// Gives an image that Docker has another name.
///
/// # Errors
/// When Docker refuses.
pub(super) async fn name(image: &str, other: &str) -> Result<(), KindError> {
    docker("name an image", &["tag", image, other], ANSWER).await.map(drop)
}

/// Makes a volume that holds nothing but its labels.
///
/// # Errors
/// When Docker refuses.
pub(super) async fn make_volume(name: &str, labels: &[(&str, String)]) -> Result<(), KindError> {
    let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut arguments = vec!["volume", "create"];
    for label in &labels {
        arguments.extend(["--label", label.as_str()]);
    }
    arguments.push(name);
    docker("mark the cluster as ours", &arguments, ANSWER).await.map(drop)
}

/// The names of volumes with this label.
///
/// # Errors
/// When Docker does not answer.
pub(super) async fn volumes(label: &str) -> Result<Vec<String>, KindError> {
    let filter = format!("label={label}");
    let listed = docker("list volumes", &["volume", "ls", "--quiet", "--filter", &filter], ANSWER).await?;
    Ok(listed.stdout.lines().map(str::to_owned).collect())
}

/// One label of a volume; nothing where there is no such volume.
///
/// # Errors
/// When Docker does not answer.
pub(super) async fn volume_label(name: &str, label: &str) -> Result<Option<String>, KindError> {
    let template = format!("{{{{index .Labels {label:?}}}}}");
    field(&["volume", "inspect", "--format", &template, name]).await
}

/// # Errors
/// When it is still there afterwards.
pub(super) async fn remove_volume(name: &str) -> Result<(), KindError> {
    docker("remove the mark of a cluster", &["volume", "rm", "--force", name], ANSWER).await.map(drop)
}

/// Waits for a container's end; how it ended.
pub(super) async fn end_of(container: &str) -> String {
    // As long as the cluster lives.
    const FOR_EVER: Duration = Duration::from_secs(u32::MAX as u64);
    match program::run("docker", &["wait", container], "", FOR_EVER).await {
        Ok(ended) if ended.succeeded => format!("exit code {}", ended.stdout.trim()),
        Ok(ended) => ended.why(),
        Err(why) => why,
    }
}

/// The last lines that a container printed.
pub(super) async fn last_lines(container: &str) -> Vec<String> {
    match program::run("docker", &["logs", "--tail", "15", container], "", ANSWER).await {
        Ok(ended) => ended.stdout.lines().map(str::to_owned).chain(ended.errors).collect(),
        Err(why) => vec![why],
    }
}
