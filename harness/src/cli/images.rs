//! `clonedrill images`: Make images of this machine's programs where no registry has them, list those that a run needs,
//! or remove those that were unpacked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::say;
use super::place::with_images;
use super::tools::{Format, default_operators};
use super::{Failure, programs};
use crate::environment::kind::images::{self, Built, How, ImagesError, Needed};
use crate::exit::Verdict;
use crate::toolchain::{self, Configuration, Tools};

/// The archive that `--output` writes.
const ARCHIVE: &str = "clonedrill-images.tar";

/// Make images of this machine's programs if no registry has them, list them, or remove unpacked ones.
///
/// They are made of the very programs that drills in the environment local run, without a base image: the Spilo
/// stand-in, not Spilo. Where nodes can pull the releases' own images, nothing of this is needed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill images build
  clonedrill images build --oci images.tar      an archive, without Docker
  clonedrill images list
  clonedrill images prune")]
pub(super) struct ImagesArgs {
    #[command(subcommand)]
    command: ImagesCommand,
}

#[derive(Debug, Subcommand)]
enum ImagesCommand {
    /// Make the images in Docker, under the names that the cluster asks for; what is there already stays.
    #[command(after_help = "Examples:
  clonedrill images build
  clonedrill images build --operator v1.15.1 --output images      images/clonedrill-images.tar, too
  clonedrill images build --format json | jq -r '.images[].reference'
  DOCKER_HOST=ssh://builder clonedrill images build               in another machine's Docker

Exit code: 0 all are there, 2 an image of such a name is somebody else's, 3 Docker or a program failed.")]
    Build {
        #[command(flatten)]
        of: Of,
        /// Write all of them into one archive in this folder, too; `kind load image-archive` takes it
        #[arg(long, value_name = "FOLDER", conflicts_with = "oci")]
        output: Option<PathBuf>,
        /// Write them into this archive of an OCI layout only, without Docker; `run --load-image` takes it
        #[arg(long, value_name = "FILE")]
        oci: Option<PathBuf>,
    },
    /// Print the images that a registry must have for a run, one a line.
    ///
    /// The storage gateway is this very program and is made on each machine, as is the shell that scenarios may name:
    /// both are only in the JSON.
    #[command(after_help = "Examples:
  clonedrill images list --operator v1.15.1
  clonedrill images list | xargs -n 1 docker pull
  clonedrill images list --format json | jq -r '.[] | select(.what == \"spilo\") | .reference'

References of a mirror are said under `images` in clonedrill.yaml; see `clonedrill tools --help`.")]
    List {
        #[command(flatten)]
        of: Of,
    },
    /// Fetch and unpack the images that clonedrill.yaml and the command line name, as a run in local does first.
    #[command(after_help = "Examples:
  clonedrill images fetch
  clonedrill images fetch --image spilo=ghcr.io/zalando/spilo-17:4.0-p3
  clonedrill images fetch --image spilo=./spilo.tar --image busybox:1=./busybox.tar

Exit code: 0 all are there, 2 an argument is at fault, 3 an image cannot be had or run here.")]
    Fetch {
        /// `spilo=IMAGE`, `operator=IMAGE`, or what a manifest names in place of these; may be given more than once
        #[arg(long, value_name = "WHAT=IMAGE")]
        image: Vec<String>,
        /// Versions of the operator that its image is wanted for
        #[arg(long, value_name = "VERSION")]
        operator: Vec<String>,
    },
    /// Remove what was unpacked of images for the environment local, but for those that clonedrill.yaml names.
    #[command(after_help = "Examples:
  clonedrill images prune
  clonedrill images prune --all

Exit code: 0 removed, 3 something runs that uses images, or the cache cannot be written to.")]
    Prune {
        /// Those that clonedrill.yaml names, too
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
struct Of {
    /// Versions of the operator, or names from clonedrill.yaml
    #[arg(long, value_name = "VERSION", num_args = 1.., default_values_t = default_operators())]
    operator: Vec<String>,
    /// How the answer is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

pub(super) fn main(args: ImagesArgs) -> Result<Verdict, Failure> {
    let configuration = programs::configuration()?;
    match args.command {
        ImagesCommand::Build { of, oci: Some(file), .. } => {
            let (tools, wanted) = needed(&configuration, &of.operator)?;
            let into = file.clone();
            let built = programs::alone(move |progress| {
                Ok(images::build_archive(&tools, &wanted, &into, &progress.about("images")))
            })?
            .map_err(failure)?;
            match of.format {
                Format::Json => say(format!("{:#}", json!({ "images": built, "archive": file }))),
                Format::Table => say(format!("{}\n\nAll of them are in {}", table(&built), file.display())),
            }
        }
        ImagesCommand::Fetch { image, operator } => {
            let configuration = with_images(configuration, &image)?;
            let operators: BTreeMap<String, String> =
                operator.into_iter().map(|version| (version.clone(), version)).collect();
            let had = programs::alone(move |progress| {
                Ok(toolchain::images::had(&configuration, &operators, &progress.about("images"))?)
            })?;
            let operators = had.operators.iter().map(|(name, image)| (format!("operator {name}"), image));
            let spilo = had.spilo.iter().map(|image| ("spilo".to_owned(), image));
            let others = had.others.iter().map(|(name, image)| (name.clone(), image));
            for (name, image) in spilo.chain(operators).chain(others) {
                say(format!("{name}  {}", if image.digest.is_empty() { "a folder" } else { &image.digest }));
            }
        }
        ImagesCommand::Prune { all } => {
            let freed = toolchain::images::prune(&configuration, all);
            let freed = freed.map_err(|error| Failure::programs(error.into()))?;
            say(format!("removed {:.1} MB", freed as f64 / 1e6));
        }
        ImagesCommand::Build { of, output, oci: None } => {
            images::can_build().map_err(failure)?;
            let (tools, wanted) = needed(&configuration, &of.operator)?;
            let archive = output.map(|folder| folder.join(ARCHIVE));
            let (into, given) = (archive.clone(), configuration.images.clone());
            let built = programs::alone(move |progress| {
                let progress = progress.about("images");
                let built = images::build(&tools, &wanted, &given, &progress);
                let save =
                    |built: &Vec<Built>| into.map_or(Ok(()), |into| images::save(built, &into, &progress));
                Ok(built.and_then(|built| save(&built).map(|()| built)))
            })?
            .map_err(failure)?;
            match of.format {
                Format::Json => say(format!("{:#}", json!({ "images": built, "archive": archive }))),
                Format::Table => {
                    say(table(&built));
                    if let Some(archive) = &archive {
                        say(format!("\nAll of them are in {}", archive.display()));
                    }
                }
            }
        }
        ImagesCommand::List { of } => {
            let (_, wanted) = needed(&configuration, &of.operator)?;
            match of.format {
                Format::Json => say(format!("{:#}", json!(wanted))),
                Format::Table => {
                    wanted.iter().filter(|needed| !needed.what.is_ours()).for_each(|one| say(&one.reference));
                }
            }
        }
    }
    Ok(Verdict::Passed)
}

fn needed(configuration: &Configuration, operators: &[String]) -> Result<(Tools, Vec<Needed>), Failure> {
    let tools = {
        let (configuration, operators) = (configuration.clone(), operators.to_vec());
        programs::alone(move |progress| toolchain::ensure(&configuration, &operators, progress))?
    };
    let wanted = images::needed(&tools, &configuration.images, operators).map_err(failure)?;
    Ok((tools, wanted))
}

fn failure(error: ImagesError) -> Failure {
    let mut report = miette::MietteDiagnostic::new(format!("failed to {error}"));
    report.help = miette::Diagnostic::help(&error).map(|help| help.to_string());
    Failure { verdict: error.verdict(), report: report.into() }
}

/// No line is wider than 100 columns unless a reference is.
fn table(built: &[Built]) -> String {
    let mut lines = vec![format!("{:66} {:>10} {:>9}  {}", "image", "size", "time", "how")];
    for Built { reference, size, how, time } in built {
        let how = match how {
            How::Made => "made",
            How::Named => "named",
            How::WasThere => "was there",
            How::Theirs => "yours, kept",
        };
        let size = format!("{:.1} MB", *size as f64 / 1e6);
        let time = format!("{:.1} s", time.as_secs_f64());
        let gap = if reference.chars().count() > 66 { format!("\n{:66}", "") } else { String::new() };
        lines.push(format!("{reference:66}{gap} {size:>10} {time:>9}  {how}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_table_is_at_most_100_columns_wide() {
        let built = |reference: &str| Built {
            reference: reference.to_owned(),
            size: 1_234_567_890,
            how: HOW,
            time: Duration::from_millis(123_456),
        };
        const HOW: How = How::WasThere;
        let table = table(&[built("ghcr.io/zalando/spilo-17:4.0-p3"), built(&"long/".repeat(19))]);
        assert!(table.lines().all(|line| line.trim_end().chars().count() <= 100), "{table}");
        assert!(table.contains("ghcr.io/zalando/spilo-17:4.0-p3") && table.contains("1234.6 MB"), "{table}");
    }
}
