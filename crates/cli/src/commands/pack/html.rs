//! The pack as one HTML page that needs nothing else and prints well: A4, a heading that repeats, no referral broken
//! over two pages.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::item::Item;
use super::words::{self, NOT_MARKED, NOT_STATED, Words};
use crate::desk::Desked;
use crate::time::utc;

const STYLE: &str = "\
@page { size: A4 landscape; margin: 12mm }
body { font: 10pt/1.35 sans-serif; color: #000 }
h1 { font-size: 16pt; margin: 0 }
h2 { font-size: 12pt; margin: 6mm 0 2mm; break-after: avoid }
table { border-collapse: collapse; width: 100% }
thead { display: table-header-group }
tr { break-inside: avoid }
th, td { border: 0.3mm solid #000; padding: 1.2mm; text-align: left; vertical-align: top }
th { background: #eee }
.cy { font-weight: normal; font-style: italic; display: block }
.late { font-weight: bold }
.box { display: inline-block; width: 4mm; height: 4mm; border: 0.3mm solid #000 }
.warn { border: 0.6mm solid #000; padding: 2mm; margin: 3mm 0 }
";

/// Each heading in English and Welsh.
const HEADINGS: [(&str, &str); 9] = [
    ("Due", "Erbyn"),
    ("Patient", "Claf"),
    ("Born", "Ganwyd"),
    ("NHS / H&amp;C number", "Rhif GIG"),
    ("Call back", "Ffonio'n ôl"),
    ("Disposition", "Canlyniad brysbennu"),
    ("From, priority", "Oddi wrth, blaenoriaeth"),
    ("State", "Cyflwr"),
    ("Code, done", "Cod, wedi'i wneud"),
];

pub(super) fn page(scope: &str, desk: &Desked, items: &[Item], now: Timestamp) -> String {
    let mut by_destination: BTreeMap<&str, Vec<&Item>> = BTreeMap::new();
    for item in items {
        by_destination.entry(&item.to).or_default().push(item);
    }
    let demo = if desk.world.demo {
        "<p class=\"warn\">DEMO: invented patients / DEMO: cleifion dychmygol</p>"
    } else {
        ""
    };
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Continuity pack {scope}</title>\n\
         <style>{STYLE}</style></head><body>\n\
         <h1>Continuity pack: {scope}<span class=\"cy\" lang=\"cy\">Pecyn parhad: {scope}</span></h1>\n\
         <p>{count} referrals, earliest due first. Made {made} by {by}.\n\
         <span class=\"cy\" lang=\"cy\">{count} atgyfeiriad, y cynharaf yn gyntaf. Gwnaed {made} gan {by}.</span></p>\n\
         <p class=\"warn\">Confidential: patients' data. Phone, note it, then mark it: \
         <code>bulkhead held mark-handled CODE</code>. Destroy this pack when it is done.\
         <span class=\"cy\" lang=\"cy\">Cyfrinachol: data cleifion. Ffoniwch, nodwch hynny, yna marciwch: \
         <code>bulkhead held mark-handled COD</code>. Dinistriwch y pecyn hwn wedyn.</span></p>{demo}\n",
        scope = escaped(scope),
        count = items.len(),
        made = utc(now),
        by = escaped(&desk.operator),
    );
    for (destination, mut items) in by_destination {
        items.sort_by_key(|item| (item.due.unwrap_or(Timestamp::MAX), item.accepted_at));
        text.push_str(&format!("<h2>{} ({})</h2>\n<table><thead><tr>", escaped(destination), items.len()));
        for (english, welsh) in HEADINGS {
            text.push_str(&format!("<th>{english}<span class=\"cy\" lang=\"cy\">{welsh}</span></th>"));
        }
        text.push_str("</tr></thead><tbody>\n");
        items.iter().for_each(|item| text.push_str(&row(item, now)));
        text.push_str("</tbody></table>\n");
    }
    text + "</body></html>\n"
}

fn row(item: &Item, now: Timestamp) -> String {
    let due = item.due.map_or_else(|| both(NOT_STATED), utc);
    let class = if item.due.is_some_and(|due| due <= now) { " class=\"late\"" } else { "" };
    let cells = [&item.patient, &item.born, &item.number, &item.callback, &item.disposition];
    let mut text = format!("<tr><td{class}>{due}</td>");
    for cell in cells {
        text.push_str(&format!("<td>{}</td>", escaped(cell)));
    }
    let note = item.note.map(both).unwrap_or_default();
    // An empty box asks to be ticked: there is one only where a command ends it.
    let mark = match item.is_markable {
        true => "<span class=\"box\"></span>".to_owned(),
        false => format!("<small>{}</small>", both(NOT_MARKED)),
    };
    text.push_str(&format!(
        "<td>{}<br>{}</td><td>{}{note}<small>({})</small></td><td><code>{}</code> {mark}<br><small>{}</small></td></tr>\n",
        escaped(&item.from),
        priority(item),
        both(words::state(&item.state)),
        escaped(&item.state),
        escaped(&item.code),
        escaped(&item.message_id),
    ));
    text
}

fn priority(item: &Item) -> String {
    let stated = words::priority(&item.priority).map_or_else(|| escaped(&item.priority), both);
    match item.priority_not_stated {
        true => format!("{stated}({})", both(NOT_STATED)),
        false => stated,
    }
}

fn both(words: Words) -> String {
    format!("{}<span class=\"cy\" lang=\"cy\">{}</span>", escaped(words.english), escaped(words.welsh))
}

/// A text from a document can say anything.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
