//! Who is calling: what the socket tells, or what a balancer of ours that stands in front says. Nobody else's forwarding
//! header is believed: anyone can write one.

use std::net::IpAddr;

use poem::Request;

use super::page::app_of;

/// The client's address, or an empty text where there is no socket (tests in process).
pub fn of(request: &Request) -> String {
    address(request).map(|address| address.to_string()).unwrap_or_default()
}

/// The client's address; none where there is no socket.
pub fn address(request: &Request) -> Option<IpAddr> {
    let peer = request.remote_addr().as_socket_addr().map(|address| address.ip());
    let trusted = &app_of(request).config.server.trusted_proxies;
    // A proxy may add a line of its own rather than append to the one that came.
    let lines: Vec<&str> = request.headers().get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    client(peer, Some(&lines.join(",")), trusted)
}

/// The nearest address that is not ours: each proxy appends who called it, so the list is read from its end. IPv4 in the
/// clothes of IPv6, as a socket for both gives it, is IPv4.
fn client(peer: Option<IpAddr>, forwarded: Option<&str>, trusted: &[IpAddr]) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    if !trusted.contains(&peer) {
        return Some(peer);
    }
    let named = forwarded.unwrap_or_default().rsplit(',').map(|part| part.trim().parse::<IpAddr>().map(|named| named.to_canonical()));
    // What a trusted proxy wrote is an address; nonsense behind it was written by the client.
    named.map_while(Result::ok).find(|address| !trusted.contains(address)).or(Some(peer))
}

/// The browser's name for itself, cut to what a session row keeps.
pub fn user_agent(request: &Request) -> String {
    request.header("user-agent").unwrap_or_default().chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_balancer_of_ours_is_believed() {
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        let ours = [ip("10.0.0.1").unwrap(), ip("10.0.0.2").unwrap()];
        assert_eq!(client(ip("203.0.113.9"), Some("198.51.100.1"), &ours), ip("203.0.113.9"), "a stranger's header");
        assert_eq!(client(ip("10.0.0.1"), Some("198.51.100.1, 203.0.113.9, 10.0.0.2"), &ours), ip("203.0.113.9"));
        assert_eq!(client(ip("10.0.0.1"), Some("nonsense"), &ours), ip("10.0.0.1"));
        assert_eq!(client(ip("10.0.0.1"), None, &ours), ip("10.0.0.1"));
        assert_eq!(client(None, Some("203.0.113.9"), &ours), None);
        assert_eq!(client(ip("::ffff:10.0.0.1"), Some("::ffff:203.0.113.9"), &ours), ip("203.0.113.9"), "IPv4 written as IPv6");
        assert_eq!(client(ip("10.0.0.1"), Some("198.51.100.1,203.0.113.9"), &ours), ip("203.0.113.9"), "what the client wrote itself");
    }
}
