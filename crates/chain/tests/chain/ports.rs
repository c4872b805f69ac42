//! Ports for nodes that know each other's before they start.

use std::{
    fs::{self, File},
    net::TcpListener,
    sync::Mutex,
};

/// Below what systems give to whom asks for any port, for a connection out or a listener: those would take one between a
/// node's end and its next start.
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Free TCP ports of this machine, which no other test gets as long as this process lives, whatever binary it is in.
pub fn free_ports(n: usize) -> Vec<u16> {
    static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let mut held = HELD.lock().unwrap();
    let folder = std::env::temp_dir().join("fonte-test-ports");
    fs::create_dir_all(&folder).unwrap();
    // Not where the last process began: nodes of others may still be looking for theirs there.
    let begin = FIRST + u16::try_from(std::process::id() % u32::from((LAST - FIRST) / 16)).unwrap() * 16;
    let mut ports = Vec::new();
    for port in (begin..LAST).chain(FIRST..begin) {
        if ports.len() == n {
            break;
        }
        // Held until the process ends, however it ends.
        let Ok(claim) = File::create(folder.join(port.to_string())) else { continue };
        if claim.try_lock().is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            held.push(claim);
            ports.push(port);
        }
    }
    assert_eq!(ports.len(), n, "no ports are left between {FIRST} and {LAST}");
    ports
}

#[test]
fn no_port_is_given_twice() {
    let (a, b) = (free_ports(3), free_ports(3));
    assert!(a.iter().all(|port| !b.contains(port)), "{a:?} {b:?}");
    let taken = File::options().write(true).open(std::env::temp_dir().join("fonte-test-ports").join(a[0].to_string()));
    assert!(taken.unwrap().try_lock().is_err(), "another process would get {}", a[0]);
}
