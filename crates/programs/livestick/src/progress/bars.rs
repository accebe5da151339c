//! Several things that go on at once, with a bar each.

use super::{LINE_INTERVAL, hear_signals, style};
use crate::report::say;
use crate::settings::Volume;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};
use livestick_blockio::Progress;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bars below each other, and Ctrl-C for all of them.
pub struct Bars {
    all: MultiProgress,
    lines: bool,
    stop: Arc<AtomicBool>,
}

/// One of them.
pub struct Bar {
    name: String,
    bar: ProgressBar,
    lines: bool,
    stop: Arc<AtomicBool>,
    done_bytes: AtomicU64,
    stage: Mutex<Stage>,
}

struct Stage {
    name: String,
    total_bytes: Option<u64>,
    last_line: Instant,
}

impl Bars {
    /// Begins to listen for SIGINT and SIGTERM.
    pub fn new(volume: Volume) -> anyhow::Result<Self> {
        let terminal = std::io::stderr().is_terminal() && volume > Volume::Quiet;
        let target = match terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Ok(Self {
            all: MultiProgress::with_draw_target(target),
            lines: !terminal && volume > Volume::Quiet,
            stop: hear_signals()?,
        })
    }

    /// One more.
    pub fn add(&self, name: &str) -> Bar {
        Bar {
            name: name.to_owned(),
            bar: self.all.add(ProgressBar::no_length()),
            lines: self.lines,
            stop: Arc::clone(&self.stop),
            done_bytes: AtomicU64::new(0),
            stage: Mutex::new(Stage {
                name: String::new(),
                total_bytes: None,
                last_line: Instant::now(),
            }),
        }
    }

    /// Whether the work should stop.
    pub fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn start(&self, name: &str, total_bytes: Option<u64>) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        *stage = Stage {
            name: name.to_owned(),
            total_bytes,
            last_line: Instant::now(),
        };
        self.done_bytes.store(0, Ordering::Relaxed);
        self.bar.reset();
        self.bar.set_style(style(total_bytes.is_some()));
        self.bar.set_length(total_bytes.unwrap_or(0));
        self.bar.set_message(format!("{} {name}", self.name));
        self.bar.enable_steady_tick(Duration::from_millis(100));
        if self.lines {
            say(&format!("{}: {name} …", self.name));
        }
    }

    fn advance(&self, bytes: u64) {
        let done = self.done_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.bar.inc(bytes);
        if !self.lines {
            return;
        }
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        if stage.last_line.elapsed() < LINE_INTERVAL {
            return;
        }
        stage.last_line = Instant::now();
        let part = match stage.total_bytes {
            Some(total) if total > 0 => format!(" ({} %)", (done * 100 / total).min(100)),
            _ => String::new(),
        };
        let (name, megabytes) = (&stage.name, done / 1_000_000);
        say(&format!("{}: {name}: {megabytes} MB{part}", self.name));
    }

    fn interrupted(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
