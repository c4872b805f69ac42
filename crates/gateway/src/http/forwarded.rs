//! Who calls, directly or through a reverse proxy on this machine.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;

/// What proxies add the address of who called them to.
const HEADER: &str = "x-forwarded-for";

/// The caller that a proxy on loopback names, else the peer of the connection. Of a list the last address counts: the proxy
/// wrote that one, and those before it are whatever its client sent. From elsewhere the header is anybody's claim.
pub(super) fn caller(peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
    if !peer.ip().to_canonical().is_loopback() {
        return peer;
    }
    let last = headers.get_all(HEADER).iter().next_back().and_then(|value| value.to_str().ok());
    let named = last.and_then(|list| list.rsplit(',').next()).and_then(|address| parse(address.trim()));
    named.map_or(peer, |address| SocketAddr::new(address.to_canonical(), peer.port()))
}

/// An address, perhaps with a port, as some proxies write it.
fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

/// Whom a request is counted for: one address, or the network that one subscriber of IPv6 has.
pub(super) fn client_of(caller: IpAddr) -> IpAddr {
    match caller.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(peer: &str, lists: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        lists.iter().for_each(|list| _ = headers.append(HEADER, list.parse().unwrap()));
        caller(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn a_proxy_on_loopback_names_the_caller() {
        for peer in ["127.0.0.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
            assert_eq!(called(peer, &["192.0.2.7"]), "192.0.2.7:5");
        }
        assert_eq!(called("127.0.0.1:5", &["192.0.2.7:8080"]), "192.0.2.7:5");
        assert_eq!(called("127.0.0.1:5", &["2001:db8::1"]), "[2001:db8::1]:5");
        assert_eq!(called("127.0.0.1:5", &["[2001:db8::1]:9"]), "[2001:db8::1]:5");
        assert_eq!(called("127.0.0.1:5", &["::ffff:192.0.2.7"]), "192.0.2.7:5");
    }

    #[test]
    fn what_a_client_claims_does_not_count() {
        // The proxy's own word is the last, in one line or in several.
        assert_eq!(called("127.0.0.1:5", &["198.51.100.1, 192.0.2.7"]), "192.0.2.7:5");
        assert_eq!(called("127.0.0.1:5", &["198.51.100.1", "192.0.2.7"]), "192.0.2.7:5");
        assert_eq!(called("203.0.113.9:5", &["192.0.2.7"]), "203.0.113.9:5");
        for nothing in [&[][..], &[""], &["unknown"], &["192.0.2.7, "], &["192.0.2.7, unknown"]] {
            assert_eq!(called("127.0.0.1:5", nothing), "127.0.0.1:5");
        }
    }

    #[test]
    fn one_subscriber_is_one_client() {
        let caller = |text: &str| client_of(text.parse().unwrap());
        assert_eq!(caller("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::".parse::<IpAddr>().unwrap());
        assert_eq!(caller("::ffff:10.0.0.1"), caller("10.0.0.1"));
        assert_ne!(caller("10.0.0.1"), caller("10.0.0.2"));
    }
}
