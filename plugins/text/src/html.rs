//! HTML to text: the tags, one after the other, as a browser's tokenizer sees them.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, StartTag, Token, Tokenizer};
use pawl_plugin::prelude::*;

use crate::check_size;
use crate::markdown::Markdown;

/// Headings, paragraphs, lists, tables, quotes, code, links and pictures' texts are kept; scripts,
/// styles, forms' insides and everything unseen are left out. Broken HTML is read as browsers read
/// it. At most 1 MiB.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = json!({
    "html": "<title>Offer</title><h1>Desk lamp</h1><p>Only <b>49.90</b>&nbsp;EUR, see <a href=\"/lamp\">here</a>.</p><ul><li>bright<li>small</ul>"
}))]
#[schemars(example = json!({ "html": "<p>A &lt; B<br>B &lt; C</p>", "format": "text" }))]
pub(crate) struct FromHtml {
    /// The page, or a part of one.
    html: String,
    /// What comes out.
    #[serde(default)]
    format: Format,
    /// Whether Markdown shows where links lead.
    #[serde(default = "yes")]
    links: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// With marks for headings, lists, links and so on.
    #[default]
    Markdown,
    /// Without marks.
    Text,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Page {
    /// The page's title, or an empty text.
    title: String,
    text: String,
    /// Where links lead, as they are written, each once.
    links: Vec<String>,
}

/// Elements whose contents nobody sees.
const UNSEEN: [&str; 11] = [
    "script", "style", "template", "svg", "math", "iframe", "object", "select", "textarea", "noscript",
    "head",
];

pub(crate) fn from_html(_: &Context, input: FromHtml) -> Result<Page, Failure> {
    check_size("the page", input.html.len())?;
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader {
        out: Markdown::new(input.format == Format::Markdown, input.links),
        title: String::new(),
        is_title: false,
        unseen: None,
        links: Vec::new(),
    };
    for token in Tokenizer::new_with_emitter(input.html.as_str(), emitter) {
        match token {
            Ok(Token::StartTag(tag)) => reader.start(&tag),
            Ok(Token::EndTag(tag)) => reader.end(&lossy(&tag.name)),
            Ok(Token::String(text)) => reader.text(&String::from_utf8_lossy(&text)),
            Ok(Token::Comment(_) | Token::Doctype(_) | Token::Error(_)) => {}
            Err(never) => match never {},
        }
    }
    let title = reader.title.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(Page { title, text: reader.out.finish(), links: reader.links })
}

struct Reader {
    out: Markdown,
    title: String,
    is_title: bool,
    /// The element that hides what is read now, and how often it was opened within itself.
    unseen: Option<(String, usize)>,
    links: Vec<String>,
}

fn lossy(name: &HtmlString) -> String {
    String::from_utf8_lossy(name).into_owned()
}

impl Reader {
    fn start(&mut self, tag: &StartTag<()>) {
        let name = lossy(&tag.name);
        let attribute = |wanted: &str| {
            let found = tag.attributes.iter().find(|(name, _)| name.as_slice() == wanted.as_bytes());
            found.map(|(_, value)| lossy(value).trim().to_owned()).unwrap_or_default()
        };
        if name == "title" && self.title.is_empty() {
            self.is_title = true;
            return;
        }
        // A page without `</head>` begins its body all the same.
        let ends_head = !matches!(
            name.as_str(),
            "meta" | "link" | "base" | "title" | "script" | "style" | "template" | "noscript" | "head"
        );
        if ends_head && self.unseen.as_ref().is_some_and(|(element, _)| element == "head") {
            self.unseen = None;
        }
        if let Some((element, depth)) = &mut self.unseen {
            *depth += usize::from(*element == name);
            return;
        }
        if UNSEEN.contains(&name.as_str()) && !tag.self_closing {
            self.unseen = Some((name, 1));
            return;
        }
        match name.as_str() {
            "a" => {
                let target = attribute("href");
                if !target.is_empty() && !target.starts_with('#') && !self.links.contains(&target) {
                    self.links.push(target.clone());
                }
                self.out.open_link(&target);
            }
            "img" => self.out.picture(&attribute("alt")),
            name => self.out.open(name),
        }
    }

    fn end(&mut self, name: &str) {
        if name == "title" {
            self.is_title = false;
            return;
        }
        if let Some((element, depth)) = &mut self.unseen {
            if element == name {
                *depth -= 1;
                if *depth == 0 {
                    self.unseen = None;
                }
            }
            return;
        }
        self.out.close(name);
    }

    fn text(&mut self, text: &str) {
        if self.is_title {
            self.title.push_str(text);
        } else if self.unseen.is_none() {
            self.out.text(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(html: &str, format: &str) -> Page {
        let input = json!({ "html": html, "format": format });
        from_html(&Context::default(), serde_json::from_value(input).unwrap()).unwrap()
    }

    #[test]
    fn pages_become_markdown_or_text() {
        let cases = [
            (
                "<h1>Big  news</h1><h2>Small</h2>text",
                "# Big news\n\n## Small\n\ntext",
                "Big news\n\nSmall\n\ntext",
            ),
            ("<p>one\n two</p><p>three<br>four</p>", "one two\n\nthree\nfour", "one two\n\nthree\nfour"),
            ("<p>a <b>bold</b> and <em> it </em>word</p>", "a **bold** and *it* word", "a bold and it word"),
            (
                "<p>see <a href=\"/x\">the <b>page</b></a>, <a href=\"#top\">top</a></p>",
                "see [the **page**](/x), top",
                "see the page, top",
            ),
            (
                "<ul><li>one<li>two<ol><li>deep</li></ol></ul>after",
                "- one\n- two\n  1. deep\n\nafter",
                "- one\n- two\n  1. deep\n\nafter",
            ),
            ("<ol><li>a</li><li>b</li></ol>", "1. a\n2. b", "1. a\n2. b"),
            (
                "<blockquote><p>said</p><p>twice</p></blockquote>me",
                "> said\n>\n> twice\n\nme",
                "said\n\ntwice\n\nme",
            ),
            ("<pre>fn  main() {\n  x\n}</pre>", "```\nfn  main() {\n  x\n}\n```", "fn  main() {\n  x\n}"),
            ("run <code>cargo  test</code> now", "run `cargo test` now", "run cargo test now"),
            (
                "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2|3</td></tr></table>",
                "| a | b |\n| --- | --- |\n| 1 | 2\\|3 |",
                "a | b\n1 | 2|3",
            ),
            ("a<hr>b", "a\n\n---\n\nb", "a\n\nb"),
            (
                "<img src=x alt=\"a lamp\"> shines<img src=y>",
                "[picture: a lamp] shines",
                "[picture: a lamp] shines",
            ),
            (
                "<div>one<div>two</div></div><section>three</section>",
                "one\n\ntwo\n\nthree",
                "one\n\ntwo\n\nthree",
            ),
            ("1&nbsp;&lt;&nbsp;2 &amp; &euro;&#x20AC;", "1 < 2 & €€", "1 < 2 & €€"),
            ("", "", ""),
        ];
        for (html, markdown, text) in cases {
            assert_eq!(read(html, "markdown").text, markdown, "{html}");
            assert_eq!(read(html, "text").text, text, "{html}");
        }
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        let html = "<head><title> My\n page </title><style>p { }</style><meta x><body><script>if (a < b) {}</script>\
                    <!-- no --><p>yes</p><svg><title>no</title><text>no</text></svg><noscript>no</noscript>";
        let page = read(html, "markdown");
        assert_eq!((page.title.as_str(), page.text.as_str()), ("My page", "yes"));
        assert_eq!(
            read("<head><title>t</title><p>body without its tag", "text").text,
            "body without its tag"
        );
    }

    #[test]
    fn links_are_listed_once_and_shown_if_wanted() {
        let html = "<a href=/a>x</a> <a href='/a'>y</a> <a href=https://b.test>z</a> <a href='#here'>w</a>";
        assert_eq!(read(html, "markdown").links, ["/a", "https://b.test"]);
        let input = json!({ "html": html, "links": false });
        let page = from_html(&Context::default(), serde_json::from_value(input).unwrap()).unwrap();
        assert_eq!(page.text, "x y z w");
    }

    #[test]
    fn a_page_that_is_too_long_is_refused() {
        let input =
            FromHtml { html: " ".repeat(crate::TEXT_MAX_BYTES + 1), format: Format::Text, links: true };
        let failure = from_html(&Context::default(), input).unwrap_err();
        assert!(failure.message.contains("at most 1048576 are taken"), "{failure}");
    }

    #[test]
    fn no_html_makes_it_panic_or_grow_without_end() {
        let pieces = [
            "<p>",
            "</p>",
            "<ul>",
            "<li>",
            "</ul>",
            "<ol>",
            "<a href=x>",
            "</a>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<pre>",
            "</pre>",
            "<b>",
            "</i>",
            "<blockquote>",
            "</blockquote>",
            "text",
            " ",
            "&amp;",
            "<",
            "é",
            "<code>",
            "<script>",
            "</script>",
            "<title>",
            "<h1>",
            "</h2>",
            "<br>",
            "\n",
        ];
        let mut seed = 11_u64;
        for _ in 0..3_000 {
            let mut html = String::new();
            for _ in 0..30 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                html.push_str(pieces[usize::try_from(seed >> 33).unwrap() % pieces.len()]);
            }
            for format in ["markdown", "text"] {
                let page = read(&html, format);
                assert!(page.text.len() < 40 * html.len() + 100, "{html:?} {:?}", page.text);
                assert_eq!(page.text.trim_end(), page.text);
            }
        }
        let deep = "<blockquote><ul><li>x".repeat(20_000);
        assert!(read(&deep, "markdown").text.len() < 100 * deep.len());
    }
}
