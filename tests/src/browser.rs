//! A browser without a screen, to look at pages that lie on the disk.

use std::io::{BufRead, BufReader, Lines};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{json, Value};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use url::{ParseError, Url};

use crate::{need, until};

/// What chromium is started with: nothing that it does by itself over a network, and no host but this one.
const OPTIONS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    "--window-size=1500,900",
];

/// Chromium, driven by chromedriver. Both end when this is dropped.
pub struct Browser {
    runtime: Runtime,
    client: Option<Client>,
    _driver: Driver,
    _profile: TempDir,
}

/// Chromedriver, with all that it starts.
struct Driver {
    child: Child,
    port: u16,
    /// Held open, so that it can go on writing.
    _said: Option<Lines<BufReader<ChildStdout>>>,
}

impl Driver {
    fn start() -> Driver {
        let child = Command::new(need("chromedriver", "chromium-driver"))
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        let mut driver = Driver {
            child: child.expect("chromedriver starts"),
            port: 0,
            _said: None,
        };
        let said = driver.child.stdout.take().expect("a pipe");
        let mut lines = BufReader::new(said).lines();
        let port = lines.find_map(|line| {
            let line = line.expect("chromedriver says where it listens");
            let (_, port) = line.rsplit_once("successfully on port ")?;
            port.trim_end_matches('.').parse().ok()
        });
        driver.port = port.expect("chromedriver listens");
        driver._said = Some(lines);
        driver
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // SAFETY: the group is the driver's own, which has not been waited for.
        unsafe { libc::killpg(self.child.id() as i32, libc::SIGKILL) };
        let _ = self.child.wait();
    }
}

/// A command of chromedriver's own: the entries of a log since they were last asked for.
#[derive(Debug)]
struct Log(&'static str);

impl WebDriverCompatibleCommand for Log {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(json!({ "type": self.0 }).to_string()))
    }
}

impl Browser {
    pub fn start() -> Browser {
        need("chromium", "chromium");
        let driver = Driver::start();
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut options: Vec<String> = OPTIONS.map(str::to_owned).to_vec();
        options.push(format!("--user-data-dir={}", profile.path().display()));
        let capabilities = json!({
            "goog:chromeOptions": { "args": options },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let capabilities = capabilities.as_object().expect("an object").clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(capabilities);
        let address = format!("http://127.0.0.1:{}", driver.port);
        let client = runtime.block_on(builder.connect(&address));
        Browser {
            runtime,
            client: Some(client.expect("a session with chromium")),
            _driver: driver,
            _profile: profile,
        }
    }

    fn ask<T>(&self, ask: impl AsyncFnOnce(&Client) -> Result<T, CmdError>) -> T {
        let client = self.client.as_ref().expect("a session");
        let answered = self.runtime.block_on(ask(client));
        answered.expect("the browser does as it is told")
    }

    /// Opens a file.
    pub fn open(&self, page: &Path) {
        self.go_to(&format!("file://{}", page.display()));
    }

    /// Opens what a server on this host gives.
    pub fn go_to(&self, url: &str) {
        self.ask(async |client| client.goto(url).await);
    }

    /// Runs a function's body in the page, and gives what it returns.
    pub fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.ask(async |client| client.execute(script, arguments).await)
    }

    /// Waits until an expression is true.
    pub fn until(&self, expression: &str) {
        let script = format!("return Boolean({expression})");
        until(expression, || {
            (self.run(&script, Vec::new()) == true).then_some(())
        });
    }

    /// A command of the browser's own protocol.
    fn command(&self, name: &str, parameters: Value) {
        #[derive(Debug)]
        struct Own(String);
        impl WebDriverCompatibleCommand for Own {
            fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
                let session = session.unwrap_or_default();
                base.join(&format!("session/{session}/goog/cdp/execute"))
            }

            fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
                (Method::POST, Some(self.0.clone()))
            }
        }
        let body = json!({ "cmd": name, "params": parameters }).to_string();
        self.ask(async |client| client.issue_cmd(Own(body)).await);
    }

    fn mouse(&self, kind: &str, (x, y): (f64, f64), button: &str) {
        let parameters = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.command("Input.dispatchMouseEvent", parameters);
    }

    /// Moves the pointer to a place in the window.
    pub fn hover(&self, place: (f64, f64)) {
        self.mouse("mouseMoved", place, "none");
    }

    pub fn click(&self, place: (f64, f64)) {
        self.hover(place);
        self.mouse("mousePressed", place, "left");
        self.mouse("mouseReleased", place, "left");
    }

    /// Types into whatever has the focus.
    pub fn key(&self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let parameters = json!({ "type": kind, "key": key, "text": text });
            self.command("Input.dispatchKeyEvent", parameters);
        }
    }

    /// What the page's console has said, and what the browser has said of the page.
    pub fn console(&self) -> Vec<String> {
        self.log("browser")
    }

    /// The addresses of all that has been asked for, the pages themselves among them.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.log("performance").into_iter().filter_map(|entry| {
            let entry: Value = serde_json::from_str(&entry).expect("a log is JSON");
            let message = &entry["message"];
            let is_request = message["method"] == "Network.requestWillBeSent";
            let url = message["params"]["request"]["url"].as_str()?.to_owned();
            is_request.then_some(url)
        });
        sent.collect()
    }

    fn log(&self, which: &'static str) -> Vec<String> {
        let entries = self.ask(async |client| client.issue_cmd(Log(which)).await);
        let entries = entries.as_array().expect("a list of entries").iter();
        let told = entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        told.collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            // A browser that has gone has no session to close.
            let closing = async {
                let _ = tokio::time::timeout(Duration::from_secs(10), client.close()).await;
            };
            self.runtime.block_on(closing);
        }
    }
}
