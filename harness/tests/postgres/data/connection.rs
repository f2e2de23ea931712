//! Reaching a cluster: TLS with a certificate that nobody signed, and what a refusal says.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use clonedrill::observe::data::scratch::Origin;
use clonedrill::observe::data::{Connect, Options, observe};
use clonedrill::secret::Secret;

use super::start;

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_servers_own_is_enough_but_a_wrong_password_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["nobody-knows-this-name".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("crt"), folder.path().join("key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let settings = [
        ("ssl", "on"),
        ("ssl_cert_file", certificate.to_str().unwrap()),
        ("ssl_key_file", key.to_str().unwrap()),
        ("listen_addresses", "127.0.0.1"),
        ("port", &port.to_string()),
    ];
    let server = start(Origin::Initdb, &settings).await;

    let connect = Connect { host: "127.0.0.1".to_owned(), port, ..server.connect() };
    let client = connect.open("postgres").await.unwrap();
    let row =
        client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
    assert!(row.get::<_, bool>(0), "the connection is not encrypted");
    observe(&connect, &Options::default(), None).await.unwrap();

    let refused = Connect { password: Secret::new("wrong-and-secret"), ..connect };
    let error = observe(&refused, &Options::default(), None).await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(error.to_string().contains("password authentication failed for user \"postgres\""), "{text}");
    assert!(!text.contains("wrong-and-secret"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_limit_of_the_clusters_own_cuts_a_long_look_short() {
    let server = start(Origin::Initdb, &[]).await;
    let limits = ["statement_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout"];
    let client = server.connect().open("postgres").await.unwrap();
    for limit in limits {
        client.batch_execute(&format!("ALTER ROLE postgres SET {limit} = '10min'")).await.unwrap();
    }
    let client = server.connect().open("postgres").await.unwrap();
    for limit in limits {
        let row = client.query_one(&format!("SHOW {limit}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), "0", "{limit}");
    }
}
