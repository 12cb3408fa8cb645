//! Writes blocks of text: spaces are joined, blocks are parted by one empty line, and every line
//! begins with the marks of the quotes and lists that it stands in.

use std::fmt::Write as _;

/// Quotes and lists within each other that are shown; those deeper stand as deep as the last.
const DEPTH_MAX: usize = 10;

/// The mark before a link's text.
const LINK: &str = "[";

/// A quote or a list.
enum Block {
    Quote,
    Bullets,
    /// The number of its last item.
    Numbers(usize),
}

pub(crate) struct Markdown {
    out: String,
    has_marks: bool,
    shows_links: bool,
    /// The line that is being written.
    line: String,
    /// Whether a space is due before the next word.
    space: bool,
    /// What begins the line: a heading's or an item's mark.
    mark: String,
    /// How many line ends are due before the next line.
    gap: usize,
    blocks: Vec<Block>,
    /// Blocks that were opened beyond `DEPTH_MAX`.
    deeper: usize,
    /// How many quotes stood around everything since the last line.
    quotes_between: usize,
    /// Where the link leads that is open.
    link: Option<String>,
    /// Marks that wait for a word, and those that were written.
    pending: Vec<&'static str>,
    open: Vec<&'static str>,
    is_verbatim: bool,
    /// The cells of the table's row; none outside of one.
    row: Option<Vec<String>>,
    is_in_cell: bool,
    is_first_row: bool,
}

impl Markdown {
    pub(crate) fn new(has_marks: bool, shows_links: bool) -> Self {
        Self {
            out: String::new(),
            has_marks,
            shows_links,
            line: String::new(),
            space: false,
            mark: String::new(),
            gap: 0,
            blocks: Vec::new(),
            deeper: 0,
            quotes_between: 0,
            link: None,
            pending: Vec::new(),
            open: Vec::new(),
            is_verbatim: false,
            row: None,
            is_in_cell: false,
            is_first_row: true,
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        if self.is_verbatim {
            self.line.push_str(text);
            return;
        }
        for (index, word) in text.split(|c: char| c.is_whitespace()).enumerate() {
            self.space |= index > 0;
            if !word.is_empty() {
                self.word(word);
            }
        }
    }

    /// Spaces come before marks that open, and those right before the word.
    fn word(&mut self, word: &str) {
        if std::mem::take(&mut self.space) && !self.line.is_empty() && !self.line.ends_with('\n') {
            self.line.push(' ');
        }
        for mark in std::mem::take(&mut self.pending) {
            self.line.push_str(mark);
            self.open.push(mark);
        }
        self.line.push_str(word);
    }

    fn open_mark(&mut self, mark: &'static str) {
        if self.has_marks && !self.is_verbatim {
            self.pending.push(mark);
        }
    }

    /// A mark with nothing behind it is taken back, one that was written is closed.
    fn close_mark(&mut self, mark: &str) -> bool {
        if let Some(at) = self.pending.iter().rposition(|pending| *pending == mark) {
            self.pending.remove(at);
            return false;
        }
        let Some(at) = self.open.iter().rposition(|open| *open == mark) else { return false };
        self.open.remove(at);
        if mark != LINK {
            self.line.push_str(mark);
        }
        true
    }

    pub(crate) fn open_link(&mut self, target: &str) {
        let is_shown = self.shows_links && !target.is_empty() && !target.starts_with('#');
        self.close_link();
        if is_shown {
            self.link = Some(target.replace(char::is_whitespace, "%20").replace(')', "%29"));
            self.open_mark(LINK);
        }
    }

    /// There is no link within a link.
    fn close_link(&mut self) {
        if let Some(target) = self.link.take()
            && self.close_mark(LINK)
        {
            let _ = write!(self.line, "]({target})");
        }
    }

    /// No mark reaches over the end of a block: it is closed there, and opened again at the next word.
    fn close_marks(&mut self) {
        self.close_link();
        let open = std::mem::take(&mut self.open);
        for mark in open.iter().rev() {
            self.line.push_str(mark);
        }
        self.pending.splice(0..0, open);
    }

    pub(crate) fn picture(&mut self, said: &str) {
        if !said.is_empty() {
            self.text(&format!("[picture: {said}]"));
        }
    }

    pub(crate) fn open(&mut self, name: &str) {
        match name {
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end_block();
                let level = usize::from(name.as_bytes()[1] - b'0');
                self.mark = if self.has_marks { format!("{} ", "#".repeat(level)) } else { String::new() };
            }
            "br" => {
                self.space = false;
                self.line.push('\n');
            }
            "hr" => {
                self.end_block();
                if self.has_marks {
                    self.word("---");
                }
                self.end_block();
            }
            "b" | "strong" => self.open_mark("**"),
            "i" | "em" => self.open_mark("*"),
            "code" | "kbd" | "samp" => self.open_mark("`"),
            "pre" => {
                self.end_block();
                self.is_verbatim = true;
            }
            "ul" | "menu" => self.nest(Block::Bullets),
            "ol" => self.nest(Block::Numbers(0)),
            "blockquote" => self.nest(Block::Quote),
            "li" => self.item(),
            "table" => {
                self.end_block();
                self.is_first_row = true;
            }
            "tr" => {
                self.end_row();
                self.row = Some(Vec::new());
            }
            "td" | "th" => {
                self.end_cell();
                self.space = true;
                self.is_in_cell = self.row.is_some();
            }
            _ if is_block(name) => self.end_block(),
            _ => {}
        }
    }

    pub(crate) fn close(&mut self, name: &str) {
        match name {
            "b" | "strong" => _ = self.close_mark("**"),
            "i" | "em" => _ = self.close_mark("*"),
            "code" | "kbd" | "samp" => _ = self.close_mark("`"),
            "a" => self.close_link(),
            "pre" => self.end_verbatim(),
            "ul" | "ol" | "menu" | "blockquote" => self.leave(),
            "td" | "th" => self.end_cell(),
            "tr" | "thead" | "tbody" => self.end_row(),
            "table" => {
                self.end_row();
                self.row = None;
                self.end_block();
            }
            "li" => self.end_lines(1),
            _ if is_block(name) => self.end_block(),
            _ => {}
        }
    }

    fn nest(&mut self, block: Block) {
        let is_inner_list = !matches!(block, Block::Quote) && self.is_in_list();
        self.end_lines(if is_inner_list { 1 } else { 2 });
        if self.blocks.len() < DEPTH_MAX {
            self.blocks.push(block);
        } else {
            self.deeper += 1;
        }
    }

    fn leave(&mut self) {
        self.end_lines(1);
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.blocks.pop();
            self.quotes_between = self.quotes_between.min(self.quotes());
        }
        self.end_lines(if self.is_in_list() { 1 } else { 2 });
    }

    fn is_in_list(&self) -> bool {
        self.blocks.last().is_some_and(|block| !matches!(block, Block::Quote))
    }

    fn item(&mut self) {
        self.end_lines(1);
        self.mark = match self.blocks.last_mut() {
            Some(Block::Numbers(number)) => {
                *number += 1;
                format!("{number}. ")
            }
            _ => "- ".to_owned(),
        };
    }

    /// What stands before every line: the marks of quotes, room for those of lists. The innermost
    /// list has its mark on an item's first line.
    fn prefix(&self, is_item: bool) -> String {
        let mut prefix = String::new();
        for (index, block) in self.blocks.iter().enumerate() {
            let is_own = is_item && index + 1 == self.blocks.len();
            match block {
                Block::Quote if self.has_marks => prefix.push_str("> "),
                Block::Quote => {}
                Block::Bullets | Block::Numbers(_) if is_own => {}
                Block::Bullets => prefix.push_str("  "),
                // As wide as its number: Markdown needs no less.
                Block::Numbers(number) => prefix.push_str(&" ".repeat(number.to_string().len() + 2)),
            }
        }
        prefix
    }

    fn end_block(&mut self) {
        if self.row.is_some() {
            self.space = true;
            return;
        }
        // The first block of an item stands on the item's line.
        let is_item = !self.mark.is_empty() && !self.mark.starts_with('#');
        self.end_lines(if is_item { 1 } else { 2 });
    }

    /// Writes the line, if there is one, and sees to it that the next stands that far below.
    fn end_lines(&mut self, gap: usize) {
        self.space = false;
        self.close_marks();
        let line = std::mem::take(&mut self.line);
        if line.trim().is_empty() {
            // An item without words is none; its mark waits for the first word.
            if !self.out.is_empty() {
                self.gap = self.gap.max(gap);
            }
            return;
        }
        let mark = std::mem::take(&mut self.mark);
        self.write(&mark, line.trim());
        self.gap = gap;
    }

    /// Writes lines that belong together.
    fn write(&mut self, mark: &str, lines: &str) {
        let is_item = !mark.is_empty() && !mark.starts_with('#');
        let (first, rest) = (self.prefix(is_item), self.prefix(false));
        if !self.out.is_empty() {
            let quotes = if self.has_marks { self.quotes_between.min(self.quotes()) } else { 0 };
            for _ in 1..self.gap.max(1) {
                self.out.push('\n');
                self.out.push_str("> ".repeat(quotes).trim_end());
            }
            self.out.push('\n');
        }
        for (index, line) in lines.split('\n').enumerate() {
            if index > 0 {
                self.out.push('\n');
            }
            let prefix = if index == 0 { &first } else { &rest };
            let mark = if index == 0 { mark } else { "" };
            let line = if self.is_verbatim { line } else { line.trim() };
            self.out.push_str(format!("{prefix}{mark}{line}").trim_end());
        }
        self.gap = 0;
        self.quotes_between = self.quotes();
    }

    fn quotes(&self) -> usize {
        self.blocks.iter().filter(|block| matches!(block, Block::Quote)).count()
    }

    fn end_verbatim(&mut self) {
        if !self.is_verbatim {
            return;
        }
        let text = std::mem::take(&mut self.line);
        let text = text.strip_prefix('\n').unwrap_or(&text).trim_end();
        if !text.is_empty() {
            let fence = if text.contains("```") { "~~~~" } else { "```" };
            let lines = if self.has_marks { format!("{fence}\n{text}\n{fence}") } else { text.to_owned() };
            let mark = std::mem::take(&mut self.mark);
            self.write(&mark, &lines);
            self.gap = 2;
        }
        self.is_verbatim = false;
    }

    fn end_cell(&mut self) {
        if !std::mem::take(&mut self.is_in_cell) {
            return;
        }
        self.close_marks();
        self.space = false;
        let line = std::mem::take(&mut self.line);
        let cell = line.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(row) = &mut self.row {
            row.push(if self.has_marks { cell.replace('|', "\\|") } else { cell });
        }
    }

    fn end_row(&mut self) {
        self.end_cell();
        let Some(row) = self.row.take().filter(|row| !row.is_empty()) else { return };
        let mark = std::mem::take(&mut self.mark);
        if !self.has_marks {
            self.write(&mark, &row.join(" | "));
        } else if std::mem::take(&mut self.is_first_row) {
            let rule = vec!["---"; row.len()].join(" | ");
            self.write(&mark, &format!("| {} |\n| {rule} |", row.join(" | ")));
        } else {
            self.write(&mark, &format!("| {} |", row.join(" | ")));
        }
        self.gap = 1;
    }

    pub(crate) fn finish(mut self) -> String {
        self.end_verbatim();
        self.end_row();
        self.end_lines(0);
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}

/// Elements that begin on a line of their own.
fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "body"
            | "caption"
            | "dd"
            | "details"
            | "dialog"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "html"
            | "main"
            | "nav"
            | "p"
            | "section"
            | "summary"
            | "table"
    )
}
