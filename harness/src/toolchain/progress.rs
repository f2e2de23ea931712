//! What a person sees while parts are made: a bar each, or plain lines without a terminal.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio_util::sync::CancellationToken;

/// Without a terminal, how often a part that is being made says what it does.
const PLAIN_INTERVAL: Duration = Duration::from_secs(15);

/// Told of every part that is made.
pub trait Progress: Sync {
    /// A part begins.
    fn part(&self, name: &str) -> Box<dyn PartProgress>;
}

/// Told of one part. Leaving without `done` is a failure.
pub trait PartProgress: Send + Sync {
    /// What it does now; called for every line of a build.
    fn says(&self, what: &str);
    /// It still does what its last line said; called every second in between.
    fn still(&self, last: &str) {
        self.says(last);
    }
    /// Whether whoever watches wants no more of it, as after Ctrl-C: what runs for it is ended at once.
    fn stopped(&self) -> bool {
        false
    }
    /// It waits for somebody else; said at once.
    fn waits(&self, for_whom: &str);
    /// How far it is, where that is known.
    fn reached(&self, position: u64, of: u64);
    /// It is made.
    fn done(&self);
    /// It could not be made.
    fn failed(&self);
}

/// Says nothing.
pub struct Silent;

impl Progress for Silent {
    fn part(&self, _name: &str) -> Box<dyn PartProgress> {
        Box::new(Silent)
    }
}

impl PartProgress for Silent {
    fn says(&self, _what: &str) {}
    fn waits(&self, _for_whom: &str) {}
    fn reached(&self, _position: u64, _of: u64) {}
    fn done(&self) {}
    fn failed(&self) {}
}

/// On stderr: bars on a terminal, plain lines otherwise.
pub struct Terminal {
    bars: Option<MultiProgress>,
    stop: CancellationToken,
    /// What plain lines begin with.
    topic: &'static str,
}

impl Terminal {
    /// Progress on stderr, in place on a terminal.
    pub fn new() -> Self {
        Terminal::until(CancellationToken::new())
    }

    /// One that ends everything once `stop` is cancelled.
    pub fn until(stop: CancellationToken) -> Self {
        Terminal { bars: std::io::stderr().is_terminal().then(MultiProgress::new), stop, topic: "tools" }
    }

    /// The same, for something else than programs.
    #[must_use]
    pub fn about(&self, topic: &'static str) -> Self {
        Terminal { bars: self.bars.clone(), stop: self.stop.clone(), topic }
    }
}

impl Default for Terminal {
    fn default() -> Self {
        Terminal::new()
    }
}

impl Progress for Terminal {
    fn part(&self, name: &str) -> Box<dyn PartProgress> {
        match &self.bars {
            Some(bars) => {
                let bar = bars.add(ProgressBar::new_spinner());
                bar.set_style(style("{prefix:26} {spinner} {elapsed:>4} {wide_msg}"));
                bar.set_prefix(name.to_owned());
                bar.enable_steady_tick(Duration::from_millis(120));
                Box::new(Bar { bar, stop: self.stop.clone() })
            }
            None => {
                eprintln!("{}: {name}: started", self.topic);
                let now = Instant::now();
                let said = Mutex::new(Said { last: now, position: None });
                Box::new(Plain {
                    name: format!("{}: {name}", self.topic),
                    start: now,
                    said,
                    stop: self.stop.clone(),
                })
            }
        }
    }
}

struct Bar {
    bar: ProgressBar,
    stop: CancellationToken,
}

impl PartProgress for Bar {
    fn says(&self, what: &str) {
        self.bar.set_message(what.to_owned());
    }

    fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn waits(&self, for_whom: &str) {
        self.bar.set_message(format!("waits for {for_whom}"));
    }

    fn reached(&self, position: u64, of: u64) {
        if self.bar.length() != Some(of) {
            self.bar.set_length(of);
            self.bar.set_style(style("{prefix:26} {spinner} {elapsed:>4} [{bar:24}] {pos}/{len} {wide_msg}"));
        }
        self.bar.set_position(position);
    }

    fn done(&self) {
        self.bar.set_style(style("{prefix:26} ✓ {elapsed:>4}"));
        self.bar.finish();
    }

    fn failed(&self) {
        self.bar.set_style(style("{prefix:26} ✗ {elapsed:>4}"));
        self.bar.abandon();
    }
}

/// A mistake in a template of ours must not stop a build.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

struct Plain {
    /// With its topic.
    name: String,
    start: Instant,
    said: Mutex<Said>,
    stop: CancellationToken,
}

struct Said {
    last: Instant,
    position: Option<(u64, u64)>,
}

impl PartProgress for Plain {
    fn says(&self, what: &str) {
        let Ok(mut said) = self.said.lock() else { return };
        if said.last.elapsed() < PLAIN_INTERVAL {
            return;
        }
        said.last = Instant::now();
        let reached = said.position.map(|(at, of)| format!("{at}/{of} ")).unwrap_or_default();
        eprintln!("{}: {:.0?}, {reached}{what}", self.name, self.start.elapsed());
    }

    fn stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    fn waits(&self, for_whom: &str) {
        eprintln!("{}: waits for {for_whom}", self.name);
    }

    fn reached(&self, position: u64, of: u64) {
        if let Ok(mut said) = self.said.lock() {
            said.position = Some((position, of));
        }
    }

    fn done(&self) {
        eprintln!("{}: done after {:.0?}", self.name, self.start.elapsed());
    }

    fn failed(&self) {
        eprintln!("{}: failed after {:.0?}", self.name, self.start.elapsed());
    }
}
