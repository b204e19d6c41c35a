//! What the demo prints: one line per step with its time, and a spinner on a terminal while it runs.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Steps that were done, with their times.
#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Runs a step under its name. What it returns first is printed behind the name.
    pub async fn run<T>(&mut self, name: &str, work: impl Future<Output = anyhow::Result<(String, T)>>) -> anyhow::Result<T> {
        let spinner = spinner(name);
        let start = Instant::now();
        let result = work.await;
        let took = start.elapsed();
        if let Some(spinner) = spinner {
            spinner.finish_and_clear();
        }
        match result {
            Ok((said, value)) => {
                println!("✓ {name:<28} {:>7.2} s  {said}", took.as_secs_f64());
                self.done.push((name.to_owned(), took));
                Ok(value)
            }
            Err(error) => {
                println!("✗ {name:<28} {:>7.2} s", took.as_secs_f64());
                Err(error.context(format!("the step \"{name}\" failed")))
            }
        }
    }

    /// A line that belongs to the step above it.
    pub fn detail(text: &str) {
        println!("    {text}");
    }

    /// The time of all steps.
    pub fn total(&self) -> Duration {
        self.done.iter().map(|(_, took)| *took).sum()
    }

    /// How many steps were done.
    pub fn count(&self) -> usize {
        self.done.len()
    }
}

fn spinner(name: &str) -> Option<ProgressBar> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let spinner = ProgressBar::new_spinner().with_message(format!("{name} …"));
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    Some(spinner)
}
