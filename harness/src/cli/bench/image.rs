//! `clonedrill bench image`: drills on images from an archive against drills on this machine's own programs.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use miette::Result;

use super::rounds;
use crate::cli::output::say;
use crate::exit::Verdict;

/// Drills on images may take this many times as long.
const AT_MOST: f64 = 1.3;

/// Measure drills on the images of an archive against drills on this machine's programs, in turn.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  clonedrill images build --operator v1.15.1 --oci images.tar && clonedrill bench image --archive images.tar")]
pub(super) struct ImageBenchArgs {
    #[arg(default_value = "scenarios/clone/into-another-account.yaml")]
    scenarios: Vec<PathBuf>,
    /// An archive of images, as `images build --oci` writes it
    #[arg(long, value_name = "FILE")]
    archive: PathBuf,
    #[arg(long, default_value = "v1.15.1")]
    operator: String,
    /// How often each is run, in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
}

/// Prints the figures; failed when drills on images take more than they may.
pub(super) fn main(args: &ImageBenchArgs) -> Result<Verdict> {
    let with = ["--load-image".into(), args.archive.clone().into_os_string()];
    // Layers are unpacked once; that is no drill's time.
    let Some(first) = args.scenarios.first() else { return Ok(Verdict::Passed) };
    rounds::drill_with(first, &args.operator, None, &with)?;
    let (mut own, mut images) = (Duration::ZERO, Duration::ZERO);
    for scenario in &args.scenarios {
        let (mut by_own, mut by_images) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds {
            by_own.push(rounds::drill_with(scenario, &args.operator, None, &[])?.1);
            by_images.push(rounds::drill_with(scenario, &args.operator, None, &with)?.1);
        }
        let (one, other) = (rounds::median(by_own), rounds::median(by_images));
        say(format!("{}: own programs {one:.1?}, images {other:.1?}", scenario.display()));
        own += one;
        images += other;
    }
    let ratio = images.as_secs_f64() / own.as_secs_f64();
    say(format!("\nown programs {own:.1?}, images {images:.1?}: {ratio:.2} times, at most {AT_MOST}"));
    Ok(if ratio > AT_MOST { Verdict::Failed } else { Verdict::Passed })
}
