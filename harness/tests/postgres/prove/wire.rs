//! The way to a server, through which no more comes than a test lets through.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Condvar, Mutex};

use clonedrill::observe::data::Connect;
use clonedrill::observe::data::scratch::ScratchPostgres;

/// What becomes of a connection.
#[derive(Clone)]
pub(super) enum Fate {
    Whole,
    /// It breaks when the server has sent so many bytes.
    BreaksAfter(usize),
    /// After so many bytes of the server nothing more comes until the valve is open.
    StopsAfter(usize, Arc<Valve>),
}

#[derive(Default)]
pub(super) struct Valve {
    open: Mutex<bool>,
    turned: Condvar,
}

impl Valve {
    pub(super) fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.turned.notify_all();
    }

    fn wait(&self) {
        drop(self.turned.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }
}

/// A socket before the server's.
pub(super) struct Wire {
    folder: tempfile::TempDir,
    connect: Connect,
}

impl Wire {
    /// `fate` of each connection, counted from 0.
    pub(super) fn to(server: &ScratchPostgres, fate: impl Fn(usize) -> Fate + Send + 'static) -> Wire {
        let folder = tempfile::tempdir().unwrap();
        let connect = server.connect();
        let name = format!(".s.PGSQL.{}", connect.port);
        let listener = UnixListener::bind(folder.path().join(&name)).unwrap();
        let server = std::path::Path::new(&connect.host).join(name);
        std::thread::spawn(move || {
            for (number, client) in listener.incoming().flatten().enumerate() {
                // The server may have ended with the test.
                let Ok(upstream) = UnixStream::connect(&server) else { return };
                let (mut requests, mut to_server) =
                    (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut requests, &mut to_server);
                    let _ = to_server.shutdown(Shutdown::Both);
                });
                let fate = fate(number);
                std::thread::spawn(move || answers(&upstream, &client, &fate));
            }
        });
        Wire { folder, connect }
    }

    pub(super) fn connect(&self) -> Connect {
        Connect { host: self.folder.path().display().to_string(), ..self.connect.clone() }
    }
}

fn answers(mut server: &UnixStream, mut client: &UnixStream, fate: &Fate) {
    let (mut buffer, mut sent) = ([0; 8192], 0);
    loop {
        match fate {
            Fate::BreaksAfter(bytes) if sent >= *bytes => break,
            Fate::StopsAfter(bytes, valve) if sent >= *bytes => valve.wait(),
            _ => {}
        }
        let Ok(read @ 1..) = server.read(&mut buffer) else { break };
        if client.write_all(&buffer[..read]).is_err() {
            break;
        }
        sent += read;
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}
