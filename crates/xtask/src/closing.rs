//! The last words of a test run, kept while it is streamed, to be said again at the very end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::runner::Runner;

const MOST: usize = 60;

pub struct Closing {
    runner: Runner,
    lines: Vec<String>,
    passed: u64,
    failed: u64,
}

impl Closing {
    pub fn of(runner: Runner) -> Self {
        Self { runner, lines: Vec::new(), passed: 0, failed: 0 }
    }

    pub fn hear(&mut self, line: &str) {
        match self.runner {
            Runner::Nextest => {
                let plain = without_colour(line);
                if plain.trim_start().starts_with("Summary [") {
                    self.lines.clear();
                }
                // What a failed test printed stands above; here are the names.
                if (plain.starts_with("error") || is_verdict(&plain)) && self.lines.len() < MOST {
                    self.lines.push(line.to_owned());
                }
            }
            Runner::CargoTest => {
                let plain = without_colour(line);
                if plain.starts_with("test result: ") {
                    self.passed += number_before(&plain, " passed");
                    self.failed += number_before(&plain, " failed");
                }
                let is_fault = plain.starts_with("error")
                    || plain.ends_with("... FAILED")
                    || plain.starts_with("    `-p ");
                if is_fault && self.lines.len() < MOST {
                    self.lines.push(line.to_owned());
                }
            }
        }
    }

    pub fn lines(mut self) -> Vec<String> {
        if self.runner == Runner::CargoTest {
            self.lines.push(format!("{} passed, {} failed", self.passed, self.failed));
        }
        self.lines
    }
}

/// Runs the command, passes on what it prints, and lets `closing` hear it.
pub fn stream(
    command: &mut Command,
    to: (impl Write + Send + 'static, impl Write + Send + 'static),
    closing: &mut Closing,
) -> io::Result<ExitStatus> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (teller, told) = mpsc::channel();
    let out = child.stdout.take().map(|pipe| tee(pipe, to.0, teller.clone()));
    let err = child.stderr.take().map(|pipe| tee(pipe, to.1, teller));
    for line in told {
        closing.hear(&line);
    }
    for reader in [out, err].into_iter().flatten() {
        if reader.join().is_err() {
            return Err(io::Error::other("a reader of the run's output panicked"));
        }
    }
    child.wait()
}

fn tee(
    from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    teller: mpsc::Sender<String>,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            // If nobody listens any more the run itself goes on.
            let _ = to.write_all(&line).and_then(|()| to.flush());
            let _ = teller.send(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    })
}

/// `     Summary [   1.2s] ..`, `        FAIL [   0.1s] ..`: a word in the margin, then a time.
fn is_verdict(plain: &str) -> bool {
    let Some((word, rest)) = plain.split_once(" [") else { return false };
    plain.starts_with(' ')
        && word.trim_start().starts_with(|sign: char| sign.is_ascii_uppercase())
        && rest
            .split_once("s]")
            .is_some_and(|(time, _)| time.trim_start_matches(['>', ' ']).parse::<f64>().is_ok())
}

fn number_before(line: &str, word: &str) -> u64 {
    let before = line.split(word).next().filter(|before| before.len() < line.len());
    before.and_then(|before| before.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

fn without_colour(line: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for sign in line.chars() {
        match sign {
            '\u{1b}' => inside = true,
            'm' if inside => inside = false,
            _ if !inside => plain.push(sign),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_the_runners_last_words() {
        for (runner, heard, expected) in [
            (
                Runner::Nextest,
                vec![
                    "   Compiling x",
                    "        PASS [   0.1s] x y",
                    "\u{1b}[1m     Summary\u{1b}[0m [   0.2s] 1 test run: 1 passed",
                ],
                vec!["\u{1b}[1m     Summary\u{1b}[0m [   0.2s] 1 test run: 1 passed"],
            ),
            (
                Runner::Nextest,
                vec![
                    "        FAIL [   0.1s] x y",
                    "     Summary [   1s] 2 tests run: 1 passed, 1 failed",
                    "        FAIL [   0.1s] x y",
                    "    stderr: what [it] said",
                    "error: test run failed",
                ],
                vec![
                    "     Summary [   1s] 2 tests run: 1 passed, 1 failed",
                    "        FAIL [   0.1s] x y",
                    "error: test run failed",
                ],
            ),
            (
                Runner::Nextest,
                vec!["error: could not compile `x`"],
                vec!["error: could not compile `x`"],
            ),
            (
                Runner::CargoTest,
                vec![
                    "test a ... ok",
                    "test b ... FAILED",
                    "test result: FAILED. 1 passed; 1 failed; 0 ignored",
                    "test result: ok. 40 passed; 0 failed; 0 ignored",
                ],
                vec!["test b ... FAILED", "41 passed, 1 failed"],
            ),
        ] {
            let mut closing = Closing::of(runner);
            heard.iter().for_each(|line| closing.hear(line));
            assert_eq!(closing.lines(), expected);
        }
    }

    #[test]
    fn a_run_is_streamed_to_its_end_and_its_status_kept() {
        let mut closing = Closing::of(Runner::CargoTest);
        let script = "echo 'test result: ok. 3 passed; 0 failed'; echo 'error: x' >&2; exit 4";
        let status =
            stream(Command::new("sh").args(["-c", script]), (io::sink(), io::sink()), &mut closing)
                .unwrap();
        assert_eq!(status.code(), Some(4));
        assert_eq!(closing.lines(), ["error: x", "3 passed, 0 failed"]);
    }
}
