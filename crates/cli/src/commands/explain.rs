//! `bulkhead explain`: the page of an error code, built into the program.

use clap::Args;
use serde::Serialize;

use crate::global::Output;
use crate::pages::{self, PAGES, Page};
use crate::screen::Paint;
use crate::table::{Cell, Table};
use crate::{Error, Exit, Screen};

/// The end of its help.
pub const HELP: &str = "\
Examples:
  bulkhead explain BH0002
  bulkhead explain DESTINATION_CUT
  bulkhead explain

Exit codes: 0 done; 2 wrong usage; 4 no such code.";

/// The arguments of `bulkhead explain`.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// A code (BH0002), a reason (DESTINATION_CUT) or an alert (OVERDUE). Without it: all of them.
    #[arg(value_name = "CODE")]
    pub code: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    code: &'static str,
    reason: &'static str,
    title: &'static str,
    page: &'static str,
}

impl Explain {
    /// Prints the page, or the list.
    ///
    /// # Errors
    /// When there is no such page.
    pub fn run(self, screen: &mut Screen) -> Result<Exit, Error> {
        match self.code {
            None => list(screen),
            Some(code) => {
                let page = pages::find(&code).ok_or(Error::NoPage(code))?;
                match screen.output() {
                    Output::Text => screen.data(&render(page, screen.paint())),
                    Output::Json | Output::Jsonl => screen.json(&Shown::of(page)),
                }
            }
        }
        Ok(Exit::Done)
    }
}

impl Shown {
    fn of(page: &Page) -> Self {
        Self { code: page.code, reason: page.reason, title: page.title(), page: page.text }
    }
}

fn list(screen: &mut Screen) {
    match screen.output() {
        Output::Text => screen.data(&render_list(screen.paint())),
        Output::Json => screen.json(&PAGES.iter().map(Shown::of).collect::<Vec<_>>()),
        Output::Jsonl => PAGES.iter().for_each(|page| screen.json_line(&Shown::of(page))),
    }
}

/// The page, with its headings in bold instead of marked.
fn render(page: &Page, paint: Paint) -> String {
    let line = |line: &str| match line.trim_start_matches('#').trim_start() {
        heading if line.starts_with('#') => paint.bold(heading),
        _ => line.to_owned(),
    };
    page.text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn render_list(paint: Paint) -> String {
    let mut table = Table::new(&["code", "reason", "what happened"]);
    for page in &PAGES {
        table.row([Cell::painted(page.code, Paint::bold), page.reason.into(), page.title().into()]);
    }
    table.render(paint, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_as_text() {
        let page = pages::find("SECOND_PERSON_NEEDED").unwrap();
        insta::assert_snapshot!(render(page, Paint::PLAIN));
    }

    #[test]
    fn the_list_of_all_pages() {
        insta::assert_snapshot!(render_list(Paint::PLAIN));
    }
}
