//! `pawl explain`: the page of an error code, which this binary holds.

use clap::Args;
use serde_json::json;

use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};

/// Each code with its page, in order; made of `docs/errors` by the build script.
static PAGES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as P0201; without it all are listed
    code: Option<String>,
}

pub(crate) fn run(args: &ExplainArgs, out: Output) -> Result<Exit, Fault> {
    let Some(code) = &args.code else {
        let all = PAGES.iter().map(|(code, page)| json!({ "code": code, "title": title(page) }));
        out.document(&all.collect());
        let rows = PAGES.iter().map(|(code, page)| [(*code).to_owned(), title(page).to_owned()]);
        out.text(&table(["code", "means"], rows));
        return Ok(Exit::Ok);
    };
    let found = PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code));
    let Some((code, page)) = found else {
        return Err(Fault::usage(format!("there is no error code '{code}'"))
            .hint("`pawl explain` lists them; `pawl check FILE` shows them with their places"));
    };
    out.document(&json!({ "code": code, "title": title(page), "page": page }));
    out.text(page.trim_end());
    Ok(Exit::Ok)
}

/// `# P0101: title`.
fn title(page: &str) -> &str {
    let first = page.lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, title)| title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::diagnostic::Code;

    #[test]
    fn every_code_has_its_page() {
        for code in Code::ALL {
            let page = PAGES.iter().find(|(known, _)| *known == code.id()).map(|(_, page)| title(page));
            assert_eq!(page, Some(code.title()), "{}", code.id());
        }
    }
}
