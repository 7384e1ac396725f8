//! The page around a picture, as HTML. All text from a trace goes through the templates, which escape
//! it, or is packed.

use std::io;

use base64::prelude::{Engine, BASE64_STANDARD};
use maud::{html, Markup, PreEscaped, DOCTYPE};
use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use super::encode;
use super::gather::{LeftOut, Picture};
use crate::commands::diff::Compared;
use crate::commands::show::line::{duration, seconds};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(
    "\"use strict\";\n(() => {\n",
    include_str!("data.js"),
    include_str!("lanes.js"),
    include_str!("diagram.js"),
    include_str!("panel.js"),
    include_str!("compare.js"),
    include_str!("app.js"),
    "})();\n",
);
/// Causes that a page lists.
const CAUSES_MAX: usize = 100;

/// The page of a run; `file` is its trace, as it is typed behind a command.
pub fn run(picture: &Picture, file: &str) -> io::Result<String> {
    let data = encode::pack_picture(picture, file)?;
    let bar = html! {
        div.title {
            h1 title=(picture.command) { (picture.command) }
            p {
                (ending(picture))
                " · " (duration(picture.end_ns.saturating_sub(picture.start_ns)))
                " · " (count(picture.processes.len() as u64, "process", "processes"))
                " · " (count(messages(picture), "message", "messages")) " "
                output #shown {}
            }
        }
        (search())
        (tools(picture.items.iter().any(|item| item.is_trouble)))
    };
    let body = html! {
        @for notice in notices(picture, file) { p.notice { (notice) } }
        main {
            (filters())
            div.stage #stage { (canvas("The run: a lane for each process, time downwards")) }
            (panel())
        }
        (packed("data", &data))
    };
    Ok(document(&picture.command, "run", bar, body))
}

/// The page of what is different in the second of two runs.
pub fn diff(
    compared: &Compared,
    pictures: &[Picture; 2],
    files: &[String; 2],
) -> io::Result<String> {
    let told = compared.outcome().value(CAUSES_MAX);
    let verdict = told["verdict"].as_str().unwrap_or_default();
    let data = [
        encode::pack_picture(&pictures[0], &files[0])?,
        encode::pack_picture(&pictures[1], &files[1])?,
        encode::pack_json(&json!({ "pairs": compared.pairs(), "matched": compared.matched() }))?,
    ];
    let bar = html! {
        div.title {
            h1 { "A " (files[0]) "   B " (files[1]) }
            p {
                "A " (ending(&pictures[0])) " · " (count(messages(&pictures[0]), "message", "messages"))
                " — B " (ending(&pictures[1])) " · " (count(messages(&pictures[1]), "message", "messages"))
            }
        }
        (search())
        (tools(pictures.iter().flat_map(|picture| &picture.items).any(|item| item.is_trouble)))
    };
    let body = html! {
        @for (picture, file) in pictures.iter().zip(files) {
            @for notice in notices(picture, file) { p.notice { code { (file) } ": " (notice) } }
        }
        main {
            section.findings aria-label="Differences" { (findings(&told, verdict)) }
            div.stage #stage-a { span.side { "A" } (canvas("The first run")) }
            div.stage #stage-b { span.side { "B" } (canvas("The second run, in the same lanes")) }
            (panel())
        }
        (packed("data-a", &data[0]))
        (packed("data-b", &data[1]))
        (packed("data-diff", &data[2]))
    };
    let title = format!("{verdict}: {} and {}", files[0], files[1]);
    Ok(document(&title, "diff", bar, body))
}

/// Only the page's own script and style are allowed, and no address at all.
fn document(title: &str, kind: &str, bar: Markup, body: Markup) -> String {
    let hash = |text: &str| BASE64_STANDARD.encode(Sha256::digest(text.as_bytes()));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE),
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="generator" content=(concat!("reenact ", env!("CARGO_PKG_VERSION")));
                title { (title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
            }
            body class=(kind) {
                header.top { (bar) }
                noscript { p.notice { "This page needs JavaScript to draw the run. `replay show` tells it as text." } }
                (body)
                div #loading { "Reading the run …" }
                div #tip role="tooltip" hidden {}
                div #live .aside-only aria-live="polite" {}
                (help())
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Base64 for the script, which no browser takes for anything else.
fn packed(id: &str, data: &str) -> Markup {
    html! { script type="application/octet-stream" id=(id) { (PreEscaped(data)) } }
}

fn ending(picture: &Picture) -> Markup {
    html! { span.badge.bad[picture.failed] { (picture.ended) } }
}

fn messages(picture: &Picture) -> u64 {
    let said = picture.items.iter().filter(|item| item.said.is_some());
    said.count() as u64
}

/// `1 process`, `1,234 processes`.
fn count(number: u64, one: &str, many: &str) -> String {
    let digits = number.to_string().into_bytes();
    let groups: Vec<_> = digits
        .rchunks(3)
        .rev()
        .map(String::from_utf8_lossy)
        .collect();
    let grouped = groups.join(",");
    format!("{grouped} {}", if number == 1 { one } else { many })
}

/// What a reader must know about what the page does not have.
fn notices(picture: &Picture, file: &str) -> Vec<Markup> {
    let LeftOut {
        before,
        after,
        payloads,
        links,
        processes,
        connections,
    } = picture.left_out;
    let mut all = Vec::new();
    for why in &picture.incomplete {
        all.push(html! { "The recording is incomplete: " (why) "." });
    }
    let time = |ns: u64| seconds(ns.saturating_sub(picture.start_ns));
    if before > 0 {
        let first = picture.items.first().map_or(0, |item| item.told_ns);
        all.push(html! {
            (count(before, "line", "lines")) " before " (time(first)) " s are left out. To see them: "
            code { "replay report --to " (time(first)) " " (file) }
        });
    }
    if after > 0 {
        let last = picture.items.last().map_or(0, |item| item.told_ns);
        all.push(html! {
            (count(after, "line", "lines")) " after " (time(last)) " s are left out. To see them: "
            code { "replay report --from " (time(last)) " " (file) }
        });
    }
    if payloads > 0 {
        all.push(html! {
            "Payloads of " (count(payloads, "early message", "early messages"))
            " are left out, to keep the page small. " code { "replay show --json " (file) } " has them."
        });
    }
    if links > 0 && before + after == 0 {
        all.push(html! { (count(links, "early link", "early links")) " between causes and effects are left out." });
    }
    for (gone, one, many) in [
        (processes, "process", "processes"),
        (connections, "connection", "connections"),
    ] {
        if gone > 0 {
            all.push(html! { (count(gone, one, many)) " are not listed." });
        }
    }
    all
}

fn search() -> Markup {
    html! {
        div.search role="search" {
            input #search type="search" placeholder="Search  ( / )" aria-label="Search"
                autocomplete="off" spellcheck="false";
            output #hits for="search" aria-live="polite" {}
            button #previous type="button" title="Previous (Shift+N)" aria-label="Previous hit" { "↑" }
            button #next type="button" title="Next (N)" aria-label="Next hit" { "↓" }
        }
    }
}

fn tools(troubles: bool) -> Markup {
    html! {
        div.tools role="toolbar" aria-label="View" {
            button #problem type="button" disabled[!troubles] title="Next exit status, crash, refusal or gap (E)" { "Next problem" }
            span.gap {}
            button #helpers type="button" aria-pressed="false" title="Commands that a script runs, each in a lane of its own" { "Helpers" }
            button #true-time type="button" aria-pressed="false" title="Distances in proportion to time" { "True time" }
            span.gap {}
            button #zoom-out type="button" title="Zoom out (−)" aria-label="Zoom out" { "−" }
            button #zoom-in type="button" title="Zoom in (+)" aria-label="Zoom in" { "+" }
            button #fit type="button" title="All of the run (0)" { "Fit" }
            button #help-open type="button" title="Keys (?)" aria-label="Keys" { "?" }
        }
    }
}

fn canvas(label: &str) -> Markup {
    html! { canvas tabindex="0" role="application" aria-label=(format!("{label}. J and K go through events.")) {} }
}

fn filters() -> Markup {
    html! {
        nav #filters aria-label="Filters" {
            details open { summary { "Lanes" } ul #filter-lanes {} }
            details open { summary { "Protocols" } ul #filter-protocols {} }
            details open { summary { "Other events" } ul #filter-kinds {} }
            details {
                summary { "Connections" }
                input #filter-connection type="search" placeholder="Narrow the list" aria-label="Narrow the list of connections";
                ul #filter-connections {}
                div.foot #filter-more {}
            }
            button #filter-none type="button" { "Show everything" }
        }
    }
}

fn panel() -> Markup {
    html! {
        aside #panel aria-label="Selected event" tabindex="-1" {
            div.idle {
                p { "Hover over an arrow to read what it says. Click it to see what led to it, and what it led to." }
                ul.legend {
                    li.s { i {} "selected" }
                    li.c { i {} "causes, nearest strongest" }
                    li.e { i {} "effects" }
                    li.f { i {} "found by the search" }
                    li.t { i {} "failed, crashed, refused" }
                }
                p { kbd { "j" } " " kbd { "k" } " go through events, " kbd { "h" } " " kbd { "l" }
                    " to the nearest cause and effect, " kbd { "?" } " lists all keys." }
            }
        }
    }
}

fn help() -> Markup {
    const KEYS: [(&[&str], &str); 11] = [
        (
            &["↑", "↓", "PgUp", "PgDn", "Home", "End"],
            "move through time; so do the wheel and dragging",
        ),
        (
            &["←", "→"],
            "move across lanes; so does Shift with the wheel",
        ),
        (
            &["+", "−", "0"],
            "zoom in, out, show all; Ctrl with the wheel zooms, a double click zooms in",
        ),
        (&["j", "k"], "next and previous event"),
        (&["h", "l"], "the nearest cause, the nearest effect"),
        (&["e", "E"], "next and previous problem"),
        (&["/"], "search in texts, payloads, names and event numbers"),
        (&["n", "N"], "next and previous hit"),
        (&["Esc"], "select nothing"),
        (&["Tab"], "to the buttons, filters and lists"),
        (&["?"], "these keys"),
    ];
    html! {
        dialog #help aria-label="Keys" {
            h2 { "Keys" }
            dl {
                @for (keys, what) in KEYS {
                    dt { @for key in keys { kbd { (key) } " " } }
                    dd { (what) }
                }
            }
            form method="dialog" { button autofocus { "Close" } }
        }
    }
}

/// What `replay diff --json` says, for people.
fn findings(told: &Value, verdict: &str) -> Markup {
    let noise = told["noise"].as_object();
    let suppressed: u64 = noise
        .into_iter()
        .flatten()
        .filter_map(|(_, count)| count.as_u64())
        .sum();
    let differences = told["differences"].as_u64().unwrap_or(0);
    let causes = told["causes"].as_array().map_or(&[][..], Vec::as_slice);
    html! {
        p.verdict { (verdict) }
        p.quiet {
            (count(differences, "difference", "differences")) "; "
            (count(suppressed, "more is noise", "more are noise"))
        }
        @if !told["first"].is_null() {
            h3 { "First difference" }
            (finding(&told["first"], false))
        }
        @if !causes.is_empty() { h3 { "Likely causes" } }
        @for cause in causes { (finding(cause, true)) }
        @if let Some(more) = told["more_causes"].as_u64().filter(|more| *more > 0) {
            p.quiet { (count(more, "more is", "more are")) " not listed here: replay diff --limit" }
        }
        @if suppressed > 0 {
            h3 { "Noise, left out" }
            table.noise {
                @for (name, count) in noise.into_iter().flatten() {
                    tr { td { (name) } td { (count) } }
                }
            }
        }
        @if let Some(unused) = told["unused_rules"].as_array().filter(|unused| !unused.is_empty()) {
            h3 { "Rules that matched nothing" }
            @for rule in unused { p.quiet { (rule.as_str().unwrap_or_default()) } }
        }
    }
}

fn finding(cause: &Value, ranked: bool) -> Markup {
    let text = |name: &str| cause[name].as_str().unwrap_or_default();
    let score = cause["score"].as_f64().unwrap_or(0.0);
    let fields = cause["fields"].as_array().map_or(&[][..], Vec::as_slice);
    html! {
        div.finding {
            @if ranked {
                div.head {
                    span { (format!("{score:.2}")) }
                    meter.score min="0" max="1" value=(format!("{score:.3}")) { (format!("{score:.2}")) }
                    span.kind { (text("kind")) }
                }
            }
            p { (text("what")) }
            div.sides {
                @for (name, side) in [("A", &cause["a"]), ("B", &cause["b"])] {
                    @match side["event"].as_str() {
                        Some(event) => {
                            @let told = side["text"].as_str().unwrap_or_default();
                            button type="button" data-side=(name.to_lowercase()) data-event=(event) data-text=(told) title=(told) {
                                b { (name) }
                                span.event { (event) }
                                span.text { (told) }
                            }
                        }
                        None => div.none { b { (name) } "  has nothing of it" },
                    }
                }
            }
            @if !fields.is_empty() {
                table.fields {
                    tr { th { "field" } th { "A" } th { "B" } }
                    @for field in fields {
                        @let side = |name: &str| field[name].as_str().unwrap_or("(none)").to_owned();
                        tr {
                            td { (field["path"].as_str().filter(|path| !path.is_empty()).unwrap_or("text")) }
                            td { (side("a")) }
                            td { (side("b")) }
                        }
                    }
                }
                @if let Some(more) = cause["more_fields"].as_u64().filter(|more| *more > 0) {
                    p.reason { "and " (count(more, "more field", "more fields")) }
                }
            }
            @if ranked { p.reason { (text("reason")) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(count(1, "line", "lines"), "1 line");
        assert_eq!(count(999, "line", "lines"), "999 lines");
        assert_eq!(count(1_234_567, "line", "lines"), "1,234,567 lines");
    }

    #[test]
    fn the_script_and_style_end_where_the_page_says() {
        for text in [SCRIPT, STYLE] {
            assert!(!text.to_lowercase().contains("</s") && !text.contains("<!--"));
        }
    }

    #[test]
    fn what_a_trace_says_is_text() {
        let told = json!({ "what": "<img src=x onerror=alert(1)>", "kind": "payload", "score": 1.0,
            "a": { "event": "p1:1", "text": "\"><script>alert(1)</script>" },
            "fields": [{ "path": "</td>", "a": "<b>", "b": null }] });
        let html = finding(&told, true).into_string();
        for tag in ["<img", "<script", "<b>", "</td></td>"] {
            assert!(
                !html.contains(tag) || tag == "<b>" && !html.contains("><b></td>"),
                "{html}"
            );
        }
    }
}
