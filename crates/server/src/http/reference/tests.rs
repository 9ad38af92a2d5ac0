use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::asset::Asset;
use super::operation::groups;
use super::problems::KINDS;
use super::schema::Schemas;
use super::{STYLE, page};

/// A document with everything that schemas do here.
fn document() -> Value {
    json!({
        "info": {"title": "Test", "version": "1", "description": "First.\n\nSecond."},
        "security": [{"basic": []}],
        "tags": [{"name": "things", "description": "What things are."}],
        "paths": {
            "/v1/things/{thing}": {
                "put": {
                    "tags": ["things"],
                    "summary": "Make a <thing> & `more`",
                    "parameters": [
                        {"name": "dry", "in": "query", "schema": {"type": ["boolean", "null"]}, "description": "Only look."},
                        {"name": "thing", "in": "path", "required": true, "schema": {"type": "string"}, "description": "The thing"}
                    ],
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                    "responses": {
                        "201": {"description": "It is new", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                        "4XX": {"description": "Refused", "content": {"application/problem+json": {"schema": {"type": "object"}}}}
                    }
                },
                "get": {"tags": ["things"], "security": [{}], "responses": {"200": {"description": "It"}}}
            }
        },
        "components": {"schemas": {
            "Thing": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "description": "It's name", "maxLength": 255},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Part"}, "maxItems": 10000},
                    "settings": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Settings"}], "description": "More"},
                    "size": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 43200000, "default": 30000}
                }
            },
            "Part": {"type": "object", "properties": {"thing": {"$ref": "#/components/schemas/Thing"}}},
            "Settings": {"type": "object", "properties": {
                "color": {"$ref": "#/components/schemas/Color"},
                "count": {"type": ["integer", "null"], "minimum": 0}
            }},
            "Color": {"type": "string", "enum": ["red", "green"], "description": "The colour"}
        }}
    })
}

fn row<'a>(fields: &'a [super::schema::Field], name: &str) -> &'a super::schema::Field {
    let found = fields.iter().find(|field| field.name == name);
    found.unwrap_or_else(|| panic!("no field {name} in {fields:#?}"))
}

#[test]
fn fields_are_shown_with_those_inside_required_ones_first() {
    let document = document();
    let schemas = Schemas::new(&document);
    let fields = schemas.fields(&json!({"$ref": "#/components/schemas/Thing"}));
    assert_eq!(fields[0].name, "name");
    assert!(fields[0].is_required);
    assert_eq!(fields[0].rules, ["at most 255 characters"]);
    let size = row(&fields, "size");
    assert_eq!((size.kind.as_str(), size.is_required), ("integer", false));
    assert_eq!(size.rules, ["1 to 43,200,000", "default 30,000"]);
    let color = row(&fields, "settings.color");
    assert_eq!(color.kind, "string");
    assert_eq!(color.description, "The colour");
    assert_eq!(color.rules, ["one of `red`, `green`"]);
    let count = row(&fields, "settings.count");
    assert_eq!((count.kind.as_str(), count.rules.len()), ("integer", 0));
    assert_eq!(row(&fields, "parts").kind, "array of object");
    // A schema that holds itself comes to an end.
    let deep = row(&fields, "parts[].thing.name");
    assert!(deep.is_required);
    assert!(fields.len() < 100, "{}", fields.len());
}

#[test]
fn every_operation_has_a_command_to_copy() {
    let groups = groups(&document(), &["/v1/things/{thing}"]);
    assert_eq!((groups.len(), groups[0].name.as_str()), (1, "things"));
    let [get, put] = groups[0].operations.as_slice() else {
        panic!("two operations, not {:#?}", groups[0].operations);
    };
    assert!(get.is_open && !put.is_open);
    assert_eq!(get.curl, r#"curl "$CHASKI/v1/things/{thing}""#);
    assert_eq!(
        put.curl,
        "curl -u \"$LOGIN\" -X PUT \"$CHASKI/v1/things/THING\" \\\n  -H 'Content-Type: application/json' -d '{\"name\":\"NAME\",\"size\":30000}'"
    );
    assert_eq!(put.anchor(), "put-v1-things-thing");
    assert_eq!(put.parameters[0].name, "thing");
}

#[test]
fn what_is_written_is_escaped() {
    let mut hostile = document();
    let bad = "\"><script>alert('1')</script>&";
    hostile["info"]["title"] = bad.into();
    hostile["tags"] = json!([{"name": bad, "description": bad}]);
    let paths = hostile["paths"].as_object_mut().expect("paths");
    let mut item = paths["/v1/things/{thing}"].clone();
    for field in ["summary", "description"] {
        item["put"][field] = bad.into();
    }
    item["put"]["tags"] = json!([bad]);
    item["put"]["parameters"][0]["name"] = bad.into();
    item["put"]["parameters"][0]["description"] = bad.into();
    item["put"]["responses"]["201"]["description"] = bad.into();
    paths.insert(format!("/v1/{bad}"), item);
    let order = ["/v1/things/{thing}", &format!("/v1/{bad}")];
    let html = page::reference(&hostile, &order, "/docs/style.css");
    assert!(html.contains("&quot;&gt;&lt;script&gt;"), "it is shown");
    assert!(!html.contains("<script"), "a script came through");
    assert!(!html.contains("\"><script"));
}

#[test]
fn a_page_needs_no_script_and_its_headings_are_in_order() {
    let html = page::reference(&document(), &["/v1/things/{thing}"], "/docs/style.css?v=1");
    for absent in [
        "<script",
        "<style",
        " style=",
        "onclick",
        "http://www",
        "https://",
    ] {
        assert!(!html.contains(absent), "{absent}");
    }
    for present in [
        "<html lang=\"en\">",
        "<main id=\"content\">",
        "<nav aria-label=",
        "name=\"viewport\"",
        "<footer>",
    ] {
        assert!(html.contains(present), "{present}");
    }
    let mut before = 0;
    for rest in html.split("<h").skip(1) {
        let Some(level) = rest.chars().next().and_then(|level| level.to_digit(10)) else {
            continue;
        };
        assert!(level <= before + 1, "h{level} comes after h{before}");
        before = level;
    }
    assert_eq!(html.matches("<h1").count(), 1);
    // Every address inside the page leads somewhere.
    for link in html.split("href=\"#").skip(1) {
        let anchor = link.split('"').next().unwrap_or_default();
        assert!(html.contains(&format!("id=\"{anchor}\"")), "#{anchor}");
    }
}

#[test]
fn the_real_reference_names_everything_that_is_served() {
    let (_, document) = crate::http::described_routes();
    let order: Vec<_> = document.paths.paths.keys().map(String::as_str).collect();
    assert_eq!(
        order[0], "/v1/accounts",
        "what was described first is shown first"
    );
    let described = serde_json::to_value(&document).expect("it has a JSON form");
    let html = page::reference(&described, &order, "/docs/style.css");
    assert!(order.contains(&"/v1/queues/{queue}/pull"));
    for operation in groups(&described, &order)
        .iter()
        .flat_map(|group| &group.operations)
    {
        let anchor = format!("<h3 id=\"{}\"", operation.anchor());
        assert!(html.contains(&anchor), "{} is missing", operation.path);
    }
    let mut anchors: Vec<_> = html
        .split("<h3 id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let count = anchors.len();
    anchors.sort_unstable();
    anchors.dedup();
    assert_eq!(anchors.len(), count, "two operations have one anchor");
    assert!(html.contains("30,000"), "bounds and defaults are shown");
    assert!(html.contains("settings.<wbr>dead_<wbr>letter_<wbr>exchange"));
}

#[test]
fn every_type_of_problem_has_a_page() {
    // The names are the first literal of each call that makes a problem.
    let source = include_str!("../problem.rs").replace("Problem::new(", "Self::new(");
    let made: Vec<_> = source
        .split("Self::new(")
        .skip(1)
        .filter_map(|call| call.split(';').next()?.split('}').next()?.split('"').nth(1))
        .collect();
    assert!(made.len() >= 13, "{made:?}");
    for name in made {
        assert!(
            KINDS.iter().any(|kind| kind.name == name),
            "/problems/{name} has no page"
        );
    }
    let mut statuses: Vec<_> = KINDS.iter().map(|kind| kind.status).collect();
    statuses.dedup();
    assert!(statuses.is_sorted(), "they are listed by status");
    for kind in &KINDS {
        let html = page::problem(kind, "/docs/style.css");
        assert!(html.contains(kind.title) && html.contains("What to do"));
    }
}

#[test]
fn an_asset_is_sent_once() {
    let asset = Asset::lasting("text/css", STYLE.to_owned());
    let first = asset.answer(&HeaderMap::new());
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(
        first.headers()[header::CACHE_CONTROL],
        "public, max-age=31536000, immutable"
    );
    let policy = first.headers()[header::CONTENT_SECURITY_POLICY].to_str();
    assert!(policy.is_ok_and(|policy| policy.starts_with("default-src 'none'; style-src 'self';")));
    let tag = first.headers()[header::ETAG].clone();
    let mut asked = HeaderMap::new();
    asked.insert(header::IF_NONE_MATCH, tag);
    assert_eq!(asset.answer(&asked).status(), StatusCode::NOT_MODIFIED);
    asked.insert(
        header::IF_NONE_MATCH,
        HeaderValue::from_static("\"another\""),
    );
    assert_eq!(asset.answer(&asked).status(), StatusCode::OK);
    assert_ne!(
        Asset::new("text/css", "x".into()).version(),
        asset.version()
    );
}
