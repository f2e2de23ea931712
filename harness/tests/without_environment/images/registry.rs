//! A registry on the loopback, as far as a pull goes: it serves what a test put into it, also what no registry should.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[derive(Default)]
struct Served {
    /// Kind and content, by path.
    paths: BTreeMap<String, (String, Vec<u8>)>,
    /// `user:password` that is wanted.
    login: Option<String>,
    asked: Vec<String>,
}

/// It ends with the test's process.
pub(super) struct Registry {
    pub(super) host: String,
    served: Arc<Mutex<Served>>,
}

impl Registry {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let served = Arc::new(Mutex::new(Served::default()));
        let shared = served.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = shared.clone();
                std::thread::spawn(move || answer_all(&stream, &served));
            }
        });
        Registry { host, served }
    }

    pub(super) fn wants(&self, login: &str) {
        self.served.lock().unwrap().login = Some(login.to_owned());
    }

    pub(super) fn blob(&self, repository: &str, digest: &str, content: &[u8]) {
        self.put(format!("/v2/{repository}/blobs/{digest}"), "application/octet-stream", content);
    }

    pub(super) fn manifest(&self, repository: &str, name: &str, kind: &str, content: &[u8]) {
        self.put(format!("/v2/{repository}/manifests/{name}"), kind, content);
    }

    pub(super) fn forget(&self, path: &str) {
        self.served.lock().unwrap().paths.retain(|known, _| !known.ends_with(path));
    }

    pub(super) fn asked(&self, for_what: &str) -> usize {
        self.served.lock().unwrap().asked.iter().filter(|path| path.contains(for_what)).count()
    }

    fn put(&self, path: String, kind: &str, content: &[u8]) {
        self.served.lock().unwrap().paths.insert(path, (kind.to_owned(), content.to_vec()));
    }
}

fn answer_all(stream: &TcpStream, served: &Mutex<Served>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut request = String::new();
        if reader.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut authorization = None;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("authorization")
            {
                authorization = Some(value.trim().to_owned());
            }
        }
        let mut words = request.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if write(stream, method, path, authorization, served).is_err() {
            return;
        }
    }
}

fn write(
    mut stream: &TcpStream,
    method: &str,
    path: &str,
    authorization: Option<String>,
    served: &Mutex<Served>,
) -> std::io::Result<()> {
    let mut served = served.lock().unwrap();
    served.asked.push(path.to_owned());
    let wanted = served.login.as_ref().map(|login| format!("Basic {}", STANDARD.encode(login)));
    let (status, more, kind, content) = if wanted.is_some() && wanted != authorization {
        ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"test\"\r\n", "text/plain", b"no".to_vec())
    } else if path == "/v2/" {
        ("200 OK", "", "text/plain", Vec::new())
    } else {
        match served.paths.get(path) {
            Some((kind, content)) => ("200 OK", "", kind.as_str(), content.clone()),
            None => ("404 Not Found", "", "text/plain", b"nothing here".to_vec()),
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\n{more}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes())?;
    if method == "HEAD" { Ok(()) } else { stream.write_all(&content) }
}
