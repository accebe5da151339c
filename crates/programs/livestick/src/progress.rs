//! A bar on a terminal, plain lines elsewhere; and the signals that stop the work.

mod bars;

pub use bars::Bars;

use crate::report::say;
use crate::settings::Volume;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use livestick_blockio::Progress;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two plain lines of one stage.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows how far a command is, times its stages, and hears Ctrl-C.
pub struct Display {
    bar: ProgressBar,
    /// Plain lines, where a bar cannot be drawn.
    lines: bool,
    stop: Arc<AtomicBool>,
    done_bytes: AtomicU64,
    stages: Mutex<Stages>,
}

/// A flag that SIGINT and SIGTERM set.
fn hear_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // A second signal ends the program at once, as one would expect of a hanging one.
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(stop)
}

/// A stage that is over.
#[derive(Clone, Debug, serde::Serialize)]
pub struct StageTime {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

struct Stages {
    over: Vec<StageTime>,
    current: Option<Current>,
}

struct Current {
    name: String,
    total_bytes: Option<u64>,
    start: Instant,
    last_line: Instant,
}

impl Display {
    /// Begins to listen for SIGINT and SIGTERM.
    pub fn new(volume: Volume) -> anyhow::Result<Self> {
        let stop = hear_signals()?;
        let terminal = std::io::stderr().is_terminal() && volume > Volume::Quiet;
        let target = if terminal {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Ok(Self {
            bar: ProgressBar::with_draw_target(None, target),
            lines: !terminal && volume > Volume::Quiet,
            stop,
            done_bytes: AtomicU64::new(0),
            stages: Mutex::new(Stages {
                over: Vec::new(),
                current: None,
            }),
        })
    }

    /// The last stage is over: takes the bar away and says how long each stage took.
    pub fn finish(&self) -> Vec<StageTime> {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        self.end(&mut stages);
        self.bar.finish_and_clear();
        std::mem::take(&mut stages.over)
    }

    fn end(&self, stages: &mut Stages) {
        if let Some(current) = stages.current.take() {
            stages.over.push(StageTime {
                name: current.name,
                seconds: current.start.elapsed().as_secs_f64(),
            });
        }
    }

    fn line(&self, done: u64) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = &mut stages.current else {
            return;
        };
        if current.last_line.elapsed() < LINE_INTERVAL {
            return;
        }
        current.last_line = Instant::now();
        let megabytes = |bytes: u64| bytes / 1_000_000;
        match current.total_bytes {
            Some(total) if total > 0 => say(&format!(
                "{}: {} of {} MB ({} %)",
                current.name,
                megabytes(done),
                megabytes(total),
                (done * 100 / total).min(100)
            )),
            _ => say(&format!("{}: {} MB", current.name, megabytes(done))),
        }
    }
}

impl Progress for Display {
    fn start(&self, stage: &str, total_bytes: Option<u64>) {
        let mut stages = self.stages.lock().unwrap_or_else(PoisonError::into_inner);
        self.end(&mut stages);
        let now = Instant::now();
        stages.current = Some(Current {
            name: stage.to_owned(),
            total_bytes,
            start: now,
            last_line: now,
        });
        self.done_bytes.store(0, Ordering::Relaxed);
        // In this order: the bar is drawn when it begins anew.
        self.bar.set_style(style(total_bytes.is_some()));
        self.bar.set_length(total_bytes.unwrap_or(0));
        self.bar.set_message(stage.to_owned());
        self.bar.reset();
        self.bar.enable_steady_tick(Duration::from_millis(100));
        if self.lines {
            say(&format!("{stage} …"));
        }
    }

    fn advance(&self, bytes: u64) {
        let done = self.done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.lines {
            self.line(done);
        } else {
            self.bar.inc(bytes);
        }
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

fn style(has_total: bool) -> ProgressStyle {
    let template = if has_total {
        "{msg:12} [{bar:30}] {decimal_bytes:>10} of {decimal_total_bytes} {decimal_bytes_per_sec:>12}, {eta} left"
    } else {
        "{msg:12} {spinner} {elapsed}"
    };
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
