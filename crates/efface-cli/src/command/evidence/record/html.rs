//! A record as one HTML file without script or outside parts; all that is filled in is escaped.

use super::Block;

const STYLE: &str = "
body{font:15px/1.45 Georgia,'Times New Roman',serif;color:#111;background:#fff;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0 0 .3rem}h2{font-size:1.1rem;margin:1.8rem 0 .4rem;border-bottom:1px solid #999;break-after:avoid}
table{border-collapse:collapse;width:100%;font-size:.85rem}
th,td{text-align:left;vertical-align:top;padding:.25rem .5rem .25rem 0;border-bottom:1px solid #ddd;overflow-wrap:anywhere}
thead{display:table-header-group}tr{break-inside:avoid}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}
pre,code{font:12px/1.4 ui-monospace,Consolas,monospace;white-space:pre-wrap;overflow-wrap:anywhere}
pre{border:1px solid #bbb;padding:.6rem}.note{border-left:3px solid #111;padding-left:.8rem}.small{color:#555;font-size:.85rem}
@page{margin:18mm}@media print{body{margin:0;max-width:none;font-size:11pt}}
";

/// Grows by escaped text and our own markup alone.
#[derive(Default)]
struct Page(String);

/// The whole file.
pub fn write(title: &str, blocks: &[Block]) -> String {
    let mut page = Page::default();
    page.markup("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    page.markup("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
    page.markup("<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    page.text(title);
    page.markup("</title>\n<style>");
    page.markup(STYLE);
    page.markup("</style></head><body>\n");
    page.within("<h1>", title, "</h1>\n");
    for block in blocks {
        page.block(block);
    }
    page.markup("</body></html>\n");
    page.0
}

impl Page {
    /// Our own markup, which holds nothing from outside.
    fn markup(&mut self, html: &'static str) {
        self.0.push_str(html);
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c => self.0.push(c),
            }
        }
    }

    fn within(&mut self, before: &'static str, text: &str, after: &'static str) {
        self.markup(before);
        self.text(text);
        self.markup(after);
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading(text) => self.within("<h2>", text, "</h2>\n"),
            Block::Paragraph(text) => self.within("<p>", text, "</p>\n"),
            Block::Note(text) => self.within("<p class=\"note\">", text, "</p>\n"),
            Block::Small(text) => self.within("<p class=\"small\">", text, "</p>\n"),
            Block::Verbatim(text) => self.within("<pre>", text, "</pre>\n"),
            Block::List(items) => {
                self.markup("<ul>\n");
                items.iter().for_each(|item| self.within("<li>", item, "</li>\n"));
                self.markup("</ul>\n");
            }
            Block::Facts(facts) => {
                self.markup("<dl>\n");
                for (name, value) in facts {
                    self.within("<dt>", name, "</dt>");
                    self.within("<dd>", value, "</dd>\n");
                }
                self.markup("</dl>\n");
            }
            Block::Table { head, rows } => self.table(head, rows),
        }
    }

    fn table(&mut self, head: &[&str], rows: &[Vec<String>]) {
        self.markup("<table><thead><tr>");
        head.iter().for_each(|name| self.within("<th>", name, "</th>"));
        self.markup("</tr></thead><tbody>\n");
        for row in rows {
            self.markup("<tr>");
            row.iter().for_each(|cell| self.within("<td>", cell, "</td>"));
            self.markup("</tr>\n");
        }
        self.markup("</tbody></table>\n");
    }
}
