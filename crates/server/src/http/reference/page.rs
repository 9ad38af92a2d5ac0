//! The pages themselves.

use serde_json::Value;

use super::html::Html;
use super::operation::{Answer, Content, Group, Operation, PROBLEM, groups};
use super::problems::{KINDS, Kind};
use super::schema::Field;

/// What is said before the first operation.
const BASICS: &str = "<section aria-labelledby=\"basics\">
<h2 id=\"basics\">Before you begin</h2>
<p>Everything is JSON over HTTP, but for bodies of messages, which may be anything. The examples are for a shell that knows the
server's address and a login:</p>
<pre tabindex=\"0\"><code>export CHASKI=http://127.0.0.1:8080
export LOGIN=guest:guest</code></pre>
<dl class=\"facts\">
<div><dt>Login</dt><dd>An account's login and password (<code>Authorization: Basic</code>) or a token (<code>Authorization: Bearer</code>). <code>guest</code> may log in from the server's own machine only.</dd></div>
<div><dt>Names in addresses</dt><dd>Names are percent-encoded: the queue <code>a/b</code> is <code>/v1/queues/a%2Fb</code>.</dd></div>
<div><dt>Errors</dt><dd>Problem documents (RFC 9457), whose <code>type</code> leads to <a href=\"/problems\">what it means and what to do</a>.</dd></div>
<div><dt>Requests in logs</dt><dd>Every answer has an <code>X-Request-Id</code>: yours, if you sent one, or a new one. The server's log has the same.</dd></div>
</dl>
</section>
";

/// Writes the reference of what the OpenAPI document describes.
pub(super) fn reference(document: &Value, order: &[&str], style: &str) -> String {
    let info = &document["info"];
    let title = info["title"].as_str().unwrap_or_default();
    let groups = groups(document, order);
    let mut html = Html::default();
    begin(&mut html, &format!("{title}: REST reference"), style);
    html.markup("<div class=\"page\">\n");
    contents(&mut html, &groups);
    html.markup("<main id=\"content\">\n<h1>").text(title);
    html.markup(" <span class=\"version\">")
        .text(info["version"].as_str().unwrap_or_default())
        .markup("</span></h1>\n");
    html.markup("<div class=\"lead\">")
        .paragraphs(info["description"].as_str().unwrap_or_default())
        .markup(
            "<p>For programs: <a href=\"/openapi.json\">the same as OpenAPI 3.1</a>.</p></div>\n",
        )
        .markup(BASICS);
    for group in &groups {
        write_group(&mut html, group);
    }
    html.markup("</main>\n</div>\n");
    end(&mut html);
    html.finish()
}

/// Writes the list of all types of problems.
pub(super) fn problem_index(style: &str) -> String {
    let mut html = Html::default();
    begin(&mut html, "Chaski: problems", style);
    html.markup("<main id=\"content\" class=\"alone\">\n<p class=\"path\"><a href=\"/docs\">REST reference</a></p>\n")
        .markup("<h1>Problems</h1>\n<p class=\"lead\">What can be wrong with a request. The <code>type</code> of a problem document names one of these.</p>\n")
        .markup("<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Status</th><th scope=\"col\">Type</th><th scope=\"col\">In short</th></tr></thead>\n<tbody>\n");
    for kind in &KINDS {
        html.markup("<tr><td>")
            .text(&kind.status.to_string())
            .markup("</td><th scope=\"row\"><a href=\"/problems/")
            .text(kind.name)
            .markup("\"><code>")
            .text(kind.name)
            .markup("</code></a></th><td>")
            .text(kind.title)
            .markup("</td></tr>\n");
    }
    html.markup("</tbody>\n</table></div>\n</main>\n");
    end(&mut html);
    html.finish()
}

/// Writes the page of one type of problem.
pub(super) fn problem(kind: &Kind, style: &str) -> String {
    let mut html = Html::default();
    begin(&mut html, &format!("{}: Chaski", kind.title), style);
    html.markup("<main id=\"content\" class=\"alone\">\n<p class=\"path\"><a href=\"/docs\">REST reference</a> / <a href=\"/problems\">Problems</a></p>\n<h1>")
        .text(kind.title)
        .markup("</h1>\n<p class=\"route\"><span class=\"status bad\">")
        .text(&kind.status.to_string())
        .markup("</span> <code>/problems/")
        .text(kind.name)
        .markup("</code></p>\n<h2>What it means</h2>\n")
        .paragraphs(kind.meaning)
        .markup("<h2>What to do</h2>\n")
        .paragraphs(kind.remedy)
        .markup("</main>\n");
    end(&mut html);
    html.finish()
}

fn begin(html: &mut Html, title: &str, style: &str) {
    html.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .markup("<meta name=\"color-scheme\" content=\"light dark\">\n<title>")
        .text(title)
        .markup("</title>\n<link rel=\"stylesheet\" href=\"")
        .text(style)
        .markup(
            "\">\n</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n",
        );
}

fn end(html: &mut Html) {
    html.markup("<footer>Chaski ")
        .text(env!("CARGO_PKG_VERSION"))
        .markup("</footer>\n</body>\n</html>\n");
}

fn contents(html: &mut Html, groups: &[Group]) {
    html.markup("<nav aria-label=\"Contents\">\n<p class=\"brand\"><a href=\"/docs\">Chaski</a></p>\n<ul>\n<li><a href=\"#basics\">Before you begin</a></li>\n");
    for group in groups {
        html.markup("<li><a href=\"#tag-")
            .text(&group.name)
            .markup("\">")
            .text(&capitalised(&group.name))
            .markup("</a>\n");
        list(html, &group.operations, false);
        html.markup("</li>\n");
    }
    html.markup("<li><a href=\"/problems\">Problems</a></li>\n</ul>\n</nav>\n");
}

fn list(html: &mut Html, operations: &[Operation], with_summaries: bool) {
    html.markup("<ul class=\"operations\">\n");
    for operation in operations {
        html.markup("<li><a href=\"#")
            .text(&operation.anchor())
            .markup("\">");
        method(html, operation.method);
        html.markup(" <code>")
            .breakable(&operation.path)
            .markup("</code>");
        if with_summaries {
            html.markup(" <span class=\"summary\">")
                .line(&operation.summary)
                .markup("</span>");
        }
        html.markup("</a></li>\n");
    }
    html.markup("</ul>\n");
}

fn method(html: &mut Html, method: &str) {
    html.markup("<span class=\"method ")
        .text(method)
        .markup("\">")
        .text(&method.to_uppercase())
        .markup("</span>");
}

fn write_group(html: &mut Html, group: &Group) {
    html.markup("<section class=\"group\" aria-labelledby=\"tag-")
        .text(&group.name)
        .markup("\">\n<h2 id=\"tag-")
        .text(&group.name)
        .markup("\">")
        .text(&capitalised(&group.name))
        .markup("</h2>\n")
        .paragraphs(&group.description);
    list(html, &group.operations, true);
    for operation in &group.operations {
        write_operation(html, operation);
    }
    html.markup("</section>\n");
}

fn write_operation(html: &mut Html, operation: &Operation) {
    let anchor = operation.anchor();
    html.markup("<article aria-labelledby=\"")
        .text(&anchor)
        .markup("\">\n<h3 id=\"")
        .text(&anchor)
        .markup("\"><a href=\"#")
        .text(&anchor)
        .markup("\">")
        .line(&operation.summary)
        .markup("</a></h3>\n<p class=\"route\">");
    method(html, operation.method);
    html.markup(" <code>")
        .text(&operation.path)
        .markup("</code>");
    if operation.is_open {
        html.markup(" <span class=\"note\">no login needed</span>");
    }
    if operation.is_deprecated {
        html.markup(" <span class=\"note\">deprecated</span>");
    }
    html.markup("</p>\n").paragraphs(&operation.description);
    if !operation.parameters.is_empty() {
        html.markup("<h4>Parameters</h4>\n");
        table(html, &operation.parameters);
    }
    if let Some(body) = &operation.body {
        html.markup("<h4>Body of the request</h4>\n");
        carried(html, body);
        if !body.fields.is_empty() {
            table(html, &body.fields);
        }
    }
    html.markup("<h4>Example</h4>\n<pre tabindex=\"0\"><code>")
        .text(&operation.curl)
        .markup("</code></pre>\n<h4>Answers</h4>\n");
    for answer in &operation.answers {
        write_answer(html, answer);
    }
    html.markup("</article>\n");
}

fn carried(html: &mut Html, content: &Content) {
    html.markup("<p class=\"carried\"><code>")
        .text(&content.media_type)
        .markup("</code>, ")
        .text(&content.kind);
    if content.description.is_empty() {
        html.markup("</p>\n");
    } else {
        html.markup(". ")
            .line(&content.description)
            .markup("</p>\n");
    }
}

fn write_answer(html: &mut Html, answer: &Answer) {
    let content = answer.content.as_ref();
    let fields = content.filter(|content| content.media_type != PROBLEM);
    match fields.filter(|content| !content.fields.is_empty()) {
        Some(content) => {
            html.markup("<details class=\"answer\"><summary>");
            status(html, answer);
            html.markup("</summary>\n<p class=\"carried\"><code>")
                .text(&content.media_type)
                .markup("</code>, ")
                .text(&content.kind)
                .markup("</p>\n");
            table(html, &content.fields);
            html.markup("</details>\n");
        }
        None => {
            html.markup("<p class=\"answer\">");
            status(html, answer);
            if content.is_some_and(|content| content.media_type == PROBLEM) {
                html.markup(" (<a href=\"/problems\">problem</a>)");
            }
            html.markup("</p>\n");
        }
    }
}

fn status(html: &mut Html, answer: &Answer) {
    let class = if answer.status.starts_with(['1', '2', '3']) {
        "<span class=\"status good\">"
    } else {
        "<span class=\"status bad\">"
    };
    html.markup(class)
        .text(&answer.status)
        .markup("</span> <span>")
        .line(&answer.description)
        .markup("</span>");
}

fn table(html: &mut Html, fields: &[Field]) {
    html.markup("<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Name</th><th scope=\"col\">Meaning</th></tr></thead>\n<tbody>\n");
    for field in fields {
        html.markup("<tr><th scope=\"row\"><code>")
            .breakable(&field.name)
            .markup("</code><span class=\"kind\">")
            .text(&field.kind);
        if !field.place.is_empty() {
            html.markup(" in ").text(&field.place);
        }
        html.markup("</span></th><td>");
        if field.is_required {
            html.markup("<span class=\"required\">required</span> ");
        }
        html.line(&field.description);
        if !field.rules.is_empty() {
            html.markup(" <span class=\"rules\">")
                .line(&field.rules.join("; "))
                .markup("</span>");
        }
        html.markup("</td></tr>\n");
    }
    html.markup("</tbody>\n</table></div>\n");
}

fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}
