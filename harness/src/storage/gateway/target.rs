//! Which account, container and blob a request is about.

use hyper::header::HOST;
use hyper::http::request::Parts;
use hyper::http::uri::Uri;
use percent_encoding::percent_decode_str;

use super::operation::{Asked, Level, Operation};

/// Azure reads a geographic copy under this name of the account.
const SECONDARY: &str = "-secondary";

pub(super) struct Target {
    pub(super) account: String,
    pub(super) container: Option<String>,
    pub(super) blob: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) operation: Operation,
}

/// Where a copy within Azure takes its content from.
const COPY_SOURCE: &str = "x-ms-copy-source";

impl Target {
    /// The blob that a copy reads, which may be in another account; none for what is no copy.
    pub(super) fn copied_by(request: &Parts) -> Option<Target> {
        let source: Uri = request.headers.get(COPY_SOURCE)?.to_str().ok()?.parse().ok()?;
        let mut reading = hyper::Request::new(()).into_parts().0;
        // Its query may hold a signature and says nothing of the blob.
        reading.uri = Uri::builder()
            .scheme("https")
            .authority(source.authority()?.clone())
            .path_and_query(source.path())
            .build()
            .ok()?;
        Some(Target::of(&reading))
    }

    pub(super) fn of(request: &Parts) -> Target {
        let host = request.headers.get(HOST).and_then(|value| value.to_str().ok());
        let host = host.or_else(|| request.uri.host()).unwrap_or_default();
        let label = host.split(['.', ':']).next().unwrap_or_default().to_ascii_lowercase();
        let account = label.strip_suffix(SECONDARY).unwrap_or(&label).to_owned();
        let path = request.uri.path().trim_start_matches('/');
        let (container, blob) = path.split_once('/').unwrap_or((path, ""));
        let level = match (container, blob) {
            ("", _) => Level::Account,
            (_, "") => Level::Container,
            _ => Level::Blob,
        };
        let operation = Operation::of(&Asked {
            method: &request.method,
            level,
            comp: query(request, "comp"),
            restype: query(request, "restype"),
            copies: request.headers.contains_key(COPY_SOURCE),
        });
        let present = |text: &str| {
            (!text.is_empty()).then(|| percent_decode_str(text).decode_utf8_lossy().into_owned())
        };
        // In a query a plus sign stands for a space; one that is meant comes as %2B.
        let prefix = present(&query(request, "prefix").replace('+', " "));
        Target { account, container: present(container), blob: present(blob), prefix, operation }
    }
}

/// The value of one query parameter; the rest of the query, with what may be a signature, is looked at by nobody.
fn query<'a>(request: &'a Parts, name: &str) -> &'a str {
    let pairs = request.uri.query().unwrap_or_default().split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map_or("", |(_, value)| value)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn target(host: &str, path: &str) -> Target {
        let request = Request::builder().uri(path).header(HOST, host).body(()).unwrap();
        Target::of(&request.into_parts().0)
    }

    #[test]
    fn the_account_is_the_first_label_of_the_host() {
        assert_eq!(target("prodbackups.blob.core.windows.net", "/").account, "prodbackups");
        assert_eq!(target("ProdBackups.blob.core.windows.net:443", "/").account, "prodbackups");
        assert_eq!(target("prodbackups-secondary.blob.core.windows.net", "/").account, "prodbackups");
    }

    #[test]
    fn a_blob_keeps_the_slashes_of_its_name() {
        let target = target(
            "a.blob.core.windows.net",
            "/backups/spilo/acid%20x/wal/15/000000010000000000000001.br?sig=x",
        );
        assert_eq!(target.container.unwrap(), "backups");
        assert_eq!(target.blob.unwrap(), "spilo/acid x/wal/15/000000010000000000000001.br");
        assert_eq!(target.operation, Operation::ReadBlob);
    }

    #[test]
    fn a_listing_tells_its_prefix_and_nothing_else_of_the_query() {
        let query = "restype=container&comp=list&prefix=spilo%2Facid+x%2F&sig=c2VjcmV0";
        let target = target("a.blob.core.windows.net", &format!("/backups?{query}"));
        assert_eq!(target.operation, Operation::ListBlobs);
        assert_eq!((target.prefix.unwrap().as_str(), target.blob), ("spilo/acid x/", None));
    }

    #[test]
    fn a_stray_percent_sign_stands_for_itself() {
        assert_eq!(target("a.blob.core.windows.net", "/c/50%25%zz%").blob.unwrap(), "50%%zz%");
    }
}
