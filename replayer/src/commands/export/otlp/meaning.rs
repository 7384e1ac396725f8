//! What a message says in terms of OpenTelemetry's semantic conventions.

use opentelemetry::KeyValue;
use opentelemetry_semantic_conventions::attribute as names;
use reenact_wire::Node;

use crate::commands::show::line::{Line, What};

/// Characters of a value.
const TEXT_MAX: usize = 1_000;
/// Words of a Redis command that name the operation, as in `CONFIG GET`.
const CONTAINERS: [&str; 12] = [
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "FUNCTION", "LATENCY", "MEMORY", "OBJECT",
    "PUBSUB", "SCRIPT", "XINFO",
];

/// Of a request: how its span is called, and what is known. Of a reply: what it adds, and whether it
/// says that something failed.
#[derive(Debug, Default)]
pub struct Meaning {
    /// Without values that differ from request to request.
    pub name: Option<String>,
    pub attributes: Vec<KeyValue>,
    pub failure: Option<Failure>,
}

#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// As `error.type` has it.
    pub kind: String,
    pub text: String,
    /// The server did what it should: only for the client is this an error.
    pub of_client: bool,
}

impl Meaning {
    pub fn of(line: &Line) -> Meaning {
        let (What::Message { protocol, text, .. }, Some(body)) = (&line.what, &line.body) else {
            return Meaning::default();
        };
        match *protocol {
            "http/1" | "http/2" => http(protocol, body),
            "grpc" => grpc(body),
            "redis" => redis(body, text),
            "postgresql" => postgresql(body),
            _ => Meaning::default(),
        }
    }
}

fn text(node: Option<&Node>) -> Option<String> {
    match node? {
        Node::Text(text) => Some(cut(text)),
        _ => None,
    }
}

fn int(node: Option<&Node>) -> Option<i64> {
    match node? {
        Node::Int(value) => Some(*value),
        _ => None,
    }
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

fn put(attributes: &mut Vec<KeyValue>, name: &'static str, value: Option<String>) {
    attributes.extend(value.map(|value| KeyValue::new(name, value)));
}

fn http(protocol: &str, body: &Node) -> Meaning {
    let mut meaning = Meaning::default();
    let own = &mut meaning.attributes;
    let version = text(body.get("version")).unwrap_or_else(|| protocol[5..].to_owned());
    if let Some(status) = int(body.get("status")) {
        own.push(KeyValue::new(names::HTTP_RESPONSE_STATUS_CODE, status));
        meaning.failure = (status >= 400).then(|| Failure {
            kind: status.to_string(),
            text: text(body.get("reason")).unwrap_or_default(),
            of_client: status < 500,
        });
        return meaning;
    }
    let Some(method) = text(body.get("method")) else {
        return meaning;
    };
    let target = text(body.get("target")).unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    own.push(KeyValue::new(names::HTTP_REQUEST_METHOD, method.clone()));
    own.push(KeyValue::new(names::NETWORK_PROTOCOL_NAME, "http"));
    own.push(KeyValue::new(names::NETWORK_PROTOCOL_VERSION, version));
    own.push(KeyValue::new(names::URL_PATH, path.to_owned()));
    put(
        own,
        names::URL_QUERY,
        (!query.is_empty()).then(|| query.to_owned()),
    );
    let headers = body.get("headers");
    let header = |name: &str| text(headers.and_then(|headers| headers.get(name)));
    put(own, names::USER_AGENT_ORIGINAL, header("user-agent"));
    let scheme = header(":scheme").unwrap_or_else(|| "http".to_owned());
    if let Some(host) = header("host").or_else(|| header(":authority")) {
        own.push(KeyValue::new(
            names::URL_FULL,
            format!("{scheme}://{host}{target}"),
        ));
    }
    own.push(KeyValue::new(names::URL_SCHEME, scheme));
    // The conventions want no more than the method where the route is not known.
    meaning.name = Some(method);
    meaning
}

fn grpc(body: &Node) -> Meaning {
    let mut meaning = Meaning::default();
    let own = &mut meaning.attributes;
    if let Some(status) = body.get("status") {
        let code = int(status.get("code")).unwrap_or(2);
        let name = text(status.get("name")).unwrap_or_else(|| code.to_string());
        own.push(KeyValue::new(names::RPC_RESPONSE_STATUS_CODE, name.clone()));
        // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, DATA_LOSS.
        let of_server = matches!(code, 2 | 4 | 12 | 13 | 14 | 15);
        meaning.failure = (code != 0).then(|| Failure {
            kind: name,
            text: text(status.get("message")).unwrap_or_default(),
            of_client: !of_server,
        });
        return meaning;
    }
    let Some(path) = text(body.get("path")) else {
        return meaning;
    };
    let method = path.trim_start_matches('/').to_owned();
    own.push(KeyValue::new(names::RPC_SYSTEM_NAME, "grpc"));
    own.push(KeyValue::new(names::RPC_METHOD, method.clone()));
    own.push(KeyValue::new(names::NETWORK_PROTOCOL_NAME, "http"));
    own.push(KeyValue::new(names::NETWORK_PROTOCOL_VERSION, "2"));
    meaning.name = Some(method);
    meaning
}

fn redis(body: &Node, summary: &str) -> Meaning {
    let mut meaning = Meaning::default();
    if let Some(error) = text(body.get("error")) {
        let kind = error.split(' ').next().unwrap_or_default().to_owned();
        let own = &mut meaning.attributes;
        own.push(KeyValue::new(names::DB_RESPONSE_STATUS_CODE, kind.clone()));
        meaning.failure = Some(Failure {
            kind,
            text: error,
            of_client: true,
        });
        return meaning;
    }
    let Node::List(words) = body else {
        return meaning;
    };
    let word = |at: usize| text(words.get(at)).map(|word| word.to_uppercase());
    let Some(mut operation) = word(0) else {
        return meaning;
    };
    if let Some(second) = word(1).filter(|_| CONTAINERS.contains(&&*operation)) {
        operation = format!("{operation} {second}");
    }
    let own = &mut meaning.attributes;
    own.push(KeyValue::new(names::DB_SYSTEM_NAME, "redis"));
    own.push(KeyValue::new(names::DB_OPERATION_NAME, operation.clone()));
    own.push(KeyValue::new(names::DB_QUERY_TEXT, cut(summary)));
    meaning.name = Some(operation);
    meaning
}

fn postgresql(body: &Node) -> Meaning {
    let mut meaning = Meaning::default();
    let own = &mut meaning.attributes;
    if let Some(error) = body.get("error") {
        let code = text(error.get("code")).unwrap_or_default();
        own.push(KeyValue::new(names::DB_RESPONSE_STATUS_CODE, code.clone()));
        meaning.failure = Some(Failure {
            kind: code,
            text: text(error.get("message")).unwrap_or_default(),
            of_client: true,
        });
        return meaning;
    }
    own.push(KeyValue::new(names::DB_SYSTEM_NAME, "postgresql"));
    put(own, names::DB_NAMESPACE, text(body.get("database")));
    let Some(sql) = text(body.get("sql")) else {
        return meaning;
    };
    let operation = sql
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_uppercase();
    own.push(KeyValue::new(names::DB_OPERATION_NAME, operation.clone()));
    own.push(KeyValue::new(names::DB_QUERY_TEXT, sql));
    meaning.name = Some(operation);
    meaning
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        Node::from_json(json.as_bytes()).expect("a test's own JSON")
    }

    fn value(meaning: &Meaning, name: &str) -> Option<String> {
        let mut all = meaning.attributes.iter();
        let found = all.find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.as_str().into_owned())
    }

    #[test]
    fn requests_and_replies_by_the_conventions() {
        let body =
            node(r#"{"method":"GET","target":"/a?b=1","version":"1.1","headers":{"host":"h:80"}}"#);
        let request = http("http/1", &body);
        assert_eq!(request.name.as_deref(), Some("GET"));
        assert_eq!(
            value(&request, "url.full").as_deref(),
            Some("http://h:80/a?b=1")
        );
        assert_eq!(value(&request, "url.query").as_deref(), Some("b=1"));
        let reply = http("http/1", &node(r#"{"status":404,"reason":"Not Found"}"#));
        assert!(reply
            .failure
            .is_some_and(|failure| failure.of_client && failure.kind == "404"));
        assert!(http("http/2", &node(r#"{"status":204}"#)).failure.is_none());
        let reply = grpc(&node(
            r#"{"status":{"code":13,"name":"INTERNAL","message":"no"}}"#,
        ));
        assert!(reply.failure.is_some_and(|failure| !failure.of_client));
        let request = redis(&node(r#"["config","get","x"]"#), "config get x");
        assert_eq!(request.name.as_deref(), Some("CONFIG GET"));
        let reply = redis(&node(r#"{"error":"WRONGTYPE of key"}"#), "");
        assert_eq!(
            value(&reply, "db.response.status_code").as_deref(),
            Some("WRONGTYPE")
        );
        let request = postgresql(&node(r#"{"sql":"select 1"}"#));
        assert_eq!(request.name.as_deref(), Some("SELECT"));
    }
}
