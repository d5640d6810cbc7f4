//! A record as PDF, in the fonts that every reader of PDF brings along: plain pages for a file, a
//! printer or a court. What these fonts do not have is shown by its code point.

use pdf_writer::{Content, Finish as _, Name, Pdf, Rect, Ref, Str, TextStr};

use super::Block;

/// A4, in points.
const PAPER: (f32, f32) = (595.0, 842.0);
const MARGIN: f32 = 50.0;
const LEADING: f32 = 12.0;
/// Every sign of the text's font is so wide, in parts of its size.
const WIDTH: f32 = 0.6;
const TEXT: Font = Font { name: b"T", size: 9.0 };
const BOLD: Font = Font { name: b"B", size: 11.0 };
/// Signs of the text's font on a line.
const COLUMNS: usize = 91;
const INDENT: usize = 3;

const CATALOG: Ref = Ref::new(1);
const PAGES: Ref = Ref::new(2);
const INFO: Ref = Ref::new(3);
const TEXT_FONT: Ref = Ref::new(4);
const BOLD_FONT: Ref = Ref::new(5);
/// Pages and what stands on them follow, two by two.
const FIRST: i32 = 6;

#[derive(Clone, Copy)]
struct Font {
    name: &'static [u8],
    size: f32,
}

struct Line {
    font: Font,
    text: String,
}

/// The whole file.
pub fn write(title: &str, blocks: &[Block]) -> Vec<u8> {
    let mut lines = vec![bold(title)];
    blocks.iter().for_each(|block| set(block, &mut lines));
    let fit = ((PAPER.1 - 2.0 * MARGIN) / LEADING) as usize;
    let pages = broken(lines, fit);
    let count = i32::try_from(pages.len()).unwrap_or(i32::MAX);
    let ids = |n: i32| (Ref::new(FIRST + 2 * n), Ref::new(FIRST + 2 * n + 1));

    let mut pdf = Pdf::new();
    pdf.catalog(CATALOG).pages(PAGES).lang(TextStr("en"));
    pdf.document_info(INFO).title(TextStr(title)).producer(TextStr("efface"));
    pdf.pages(PAGES).kids((0..count).map(|n| ids(n).0)).count(count);
    for (id, font) in [(TEXT_FONT, &b"Courier"[..]), (BOLD_FONT, b"Helvetica-Bold")] {
        pdf.type1_font(id).base_font(Name(font)).encoding_predefined(Name(b"WinAnsiEncoding"));
    }
    for (n, lines) in (0..count).zip(&pages) {
        let (page_id, content_id) = ids(n);
        let mut page = pdf.page(page_id);
        page.media_box(Rect::new(0.0, 0.0, PAPER.0, PAPER.1)).parent(PAGES).contents(content_id);
        let mut resources = page.resources();
        let mut fonts = resources.fonts();
        fonts.pair(Name(TEXT.name), TEXT_FONT).pair(Name(BOLD.name), BOLD_FONT);
        fonts.finish();
        resources.finish();
        page.finish();
        pdf.stream(content_id, &drawn(lines, &format!("{} / {count}", n + 1)));
    }
    pdf.finish()
}

fn drawn(lines: &[Line], number: &str) -> Vec<u8> {
    let mut content = Content::new();
    let foot = Line { font: TEXT, text: number.to_owned() };
    let width = number.len() as f32 * TEXT.size * WIDTH;
    let places = (0..lines.len()).map(|n| (MARGIN, PAPER.1 - MARGIN - n as f32 * LEADING));
    let all = lines.iter().zip(places);
    for (line, (x, y)) in all.chain([(&foot, (PAPER.0 - MARGIN - width, MARGIN / 2.0))]) {
        content.begin_text().set_font(Name(line.font.name), line.font.size);
        content.next_line(x, y).show(Str(&encoded(&line.text))).end_text();
    }
    content.finish().into_vec()
}

/// Lines by page; a heading does not end one.
fn broken(lines: Vec<Line>, fit: usize) -> Vec<Vec<Line>> {
    let mut pages: Vec<Vec<Line>> = vec![vec![]];
    for line in lines {
        let page = pages.last().map_or(0, Vec::len);
        let alone = line.font.name == BOLD.name && page + 3 > fit;
        if page >= fit || alone {
            pages.push(vec![]);
        }
        if let Some(page) = pages.last_mut() {
            // a page does not begin with a gap
            if !(page.is_empty() && line.text.is_empty()) {
                page.push(line);
            }
        }
    }
    pages
}

fn bold(text: &str) -> Line {
    Line { font: BOLD, text: text.to_owned() }
}

fn set(block: &Block, lines: &mut Vec<Line>) {
    let mut put = |text: &str, first: usize, rest: usize| {
        for part in text.lines() {
            let wrapped = wrapped(part, first, rest);
            lines.extend(wrapped.into_iter().map(|text| Line { font: TEXT, text }));
        }
    };
    match block {
        Block::Heading(text) => lines.extend([gap(), bold(text)]),
        Block::Paragraph(text) | Block::Small(text) => put(text, 0, 0),
        Block::Note(text) | Block::Verbatim(text) => put(text, INDENT, INDENT),
        Block::List(items) => items.iter().for_each(|i| put(&format!("- {i}"), 0, 2)),
        Block::Facts(facts) => {
            let widest = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
            for (name, value) in facts {
                put(&format!("{name:widest$}  {value}"), 0, widest + 2);
            }
        }
        Block::Table { head, rows } => {
            for (n, row) in rows.iter().enumerate() {
                if n > 0 {
                    put(" ", 0, 0);
                }
                let widest = head.iter().map(|name| name.chars().count()).max().unwrap_or(0);
                for (name, cell) in head.iter().zip(row).filter(|(_, cell)| !cell.is_empty()) {
                    put(&format!("{name:widest$}  {cell}"), 0, widest + 2);
                }
            }
        }
    }
    lines.push(gap());
}

fn gap() -> Line {
    Line { font: TEXT, text: String::new() }
}

/// A text in lines no wider than the page, the first set in by `first`, others by `rest`; at blanks,
/// or where the line ends when a word is longer.
fn wrapped(text: &str, first: usize, rest: usize) -> Vec<String> {
    let mut lines = vec![];
    let mut left: Vec<char> = shown(text).chars().collect();
    let mut indent = first;
    while indent + left.len() > COLUMNS {
        let fit = COLUMNS - indent;
        // the blanks of a row's first column are no place to break
        let blank = (rest + 1..=fit).rev().find(|at| left[*at] == ' ');
        let tail = left.split_off(blank.unwrap_or(fit));
        lines.push(format!("{:indent$}{}", "", left.iter().collect::<String>()));
        left = tail.into_iter().skip_while(|c| *c == ' ').collect();
        indent = rest;
    }
    lines.push(format!("{:indent$}{}", "", left.iter().collect::<String>()));
    lines
}

/// The text with what the font has; anything else by its code point.
fn shown(text: &str) -> String {
    let sign = |c: char| match byte(c) {
        Some(_) => c.to_string(),
        None => format!("<U+{:04X}>", u32::from(c)),
    };
    text.chars().map(sign).collect()
}

fn encoded(text: &str) -> Vec<u8> {
    text.chars().map(|c| byte(c).unwrap_or(b'?')).collect()
}

/// A sign's byte in Windows-1252, which PDF calls WinAnsi.
fn byte(c: char) -> Option<u8> {
    const ABOVE: [(char, u8); 8] = [
        ('\u{20AC}', 0x80),
        ('\u{2026}', 0x85),
        ('\u{2018}', 0x91),
        ('\u{2019}', 0x92),
        ('\u{201C}', 0x93),
        ('\u{201D}', 0x94),
        ('\u{2013}', 0x96),
        ('\u{2014}', 0x97),
    ];
    match c {
        ' '..='~' | '\u{A0}'..='\u{FF}' => u8::try_from(u32::from(c)).ok(),
        _ => ABOVE.iter().find(|(known, _)| *known == c).map(|(_, byte)| *byte),
    }
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, wrapped, write};
    use crate::command::evidence::record::Block;

    #[test]
    fn no_line_is_wider_than_the_page_and_nothing_is_lost() {
        let long = "word ".repeat(60) + &"x".repeat(300);
        for (first, rest) in [(0, 0), (3, 3), (0, 20)] {
            let lines = wrapped(&long, first, rest);
            assert!(lines.iter().all(|l| l.chars().count() <= COLUMNS));
            let kept: String = lines.concat().replace(' ', "");
            assert_eq!(kept, long.replace(' ', ""));
        }
        assert_eq!(wrapped("Ж", 0, 0), ["<U+0416>"]);
    }

    #[test]
    fn whatever_does_not_fit_goes_on_the_next_page() {
        let row = |n: u32| vec![n.to_string(), "a reason".to_owned()];
        let rows = (0..200).map(row).collect();
        let blocks = [Block::Heading("all".into()), Block::Table { head: vec!["n", "why"], rows }];
        let file = write("a title", &blocks);
        let text = String::from_utf8_lossy(&file);
        assert!(text.starts_with("%PDF-1."));
        assert!(text.contains("/Count 10"), "two hundred rows of three lines");
        assert!(text.contains("(why  a reason)"));
    }
}
