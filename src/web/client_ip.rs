//! Who is calling, as far as the socket tells. Forwarding headers are not believed: anyone can write them.

use poem::Request;

/// The peer's address without its port, or an empty text where there is no socket (tests in process).
pub fn of(request: &Request) -> String {
    request.remote_addr().as_socket_addr().map(|address| address.ip().to_string()).unwrap_or_default()
}

/// The browser's name for itself, cut to what a session row keeps.
pub fn user_agent(request: &Request) -> String {
    request.header("user-agent").unwrap_or_default().chars().take(200).collect()
}
