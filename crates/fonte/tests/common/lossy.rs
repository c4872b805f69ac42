//! A way to the gateway on which an answer is lost, or a request.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

/// Passes everything on, but for the answer to a request that names some path: the gateway has done what it was asked, and
/// who asked never hears of it.
pub(crate) struct Lossy {
    address: SocketAddr,
    lost: Receiver<()>,
    stopped: Arc<AtomicBool>,
}

impl Lossy {
    pub(crate) fn start(gateway: &str, path: &'static str) -> Self {
        Self::losing(gateway, path, Lost::Answer)
    }

    /// The gateway never hears of a request that names the path, and who asks finds the connection closed.
    pub(crate) fn cut(gateway: &str, path: &'static str) -> Self {
        Self::losing(gateway, path, Lost::Request)
    }

    fn losing(gateway: &str, path: &'static str, what: Lost) -> Self {
        let gateway = gateway.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (loses, lost) = channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = stopped.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&gateway)) else { return };
                pass(client, server, path, what, loses.clone());
            }
        });
        Self { address, lost, stopped }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Until an answer was lost.
    pub(crate) fn wait(&self) {
        self.lost.recv_timeout(Duration::from_secs(60)).expect("the request came, and its answer");
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // It waits for connections: this is its last.
        let _ = TcpStream::connect(self.address);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lost {
    Request,
    Answer,
}

/// Both ways of one connection, until either side closes it.
fn pass(client: TcpStream, server: TcpStream, path: &'static str, what: Lost, loses: Sender<()>) {
    let asked = Arc::new(AtomicBool::new(false));
    let (mut to_client, mut from_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let named = asked.clone();
    thread::spawn(move || {
        each_piece(&mut from_server, |piece| {
            if named.load(Ordering::SeqCst) {
                return loses.send(()).is_ok();
            }
            to_client.write_all(piece).is_ok()
        });
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let (mut from_client, mut to_server) = (client, server);
    thread::spawn(move || {
        each_piece(&mut from_client, |piece| {
            // A client writes the head of a request at once.
            if piece.windows(path.len()).any(|bytes| bytes == path.as_bytes()) {
                if what == Lost::Request {
                    return false;
                }
                asked.store(true, Ordering::SeqCst);
            }
            to_server.write_all(piece).is_ok()
        });
        let _ = to_server.shutdown(Shutdown::Both);
    });
}

fn each_piece(stream: &mut TcpStream, mut go_on: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        if !go_on(&buffer[..read]) {
            return;
        }
    }
}
