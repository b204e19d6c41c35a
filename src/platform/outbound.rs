//! HTTP to addresses that customers give us. The name is resolved once, every address is checked, and the connection is
//! pinned to what was checked: a name that changes its mind between check and use leads nowhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use reqwest::{Client, Url};

/// One request, its answer included.
pub const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest silence within it.
const SILENCE: Duration = Duration::from_secs(5);

/// Why nothing is sent to a URL.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("give a whole URL that starts with https://")]
    NotHttps,
    #[error("a URL here carries no user name or password")]
    Credentials,
    #[error("write the address as four decimal numbers, or better as a name")]
    OddAddress,
    #[error("the host {0} cannot be found")]
    Unresolved(String),
    #[error("the host {0} is in a private network")]
    Private(String),
    #[error("no client could be made: {0}")]
    Client(String),
}

/// Checks the form of a URL, without the network.
///
/// # Errors
/// See [`Refused`].
pub fn parse(text: &str, allow_private: bool) -> Result<Url, Refused> {
    let url = Url::parse(text).map_err(|_| Refused::NotHttps)?;
    if url.scheme() != "https" && !(allow_private && url.scheme() == "http") || url.host_str().is_none() {
        return Err(Refused::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Refused::Credentials);
    }
    // `0x7f.1` and 2130706433 are addresses too; nobody writes them so who has nothing to hide.
    let odd = |address: Ipv4Addr| written_host(text) != address.to_string();
    if url.host_str().and_then(|host| host.parse().ok()).is_some_and(odd) {
        return Err(Refused::OddAddress);
    }
    Ok(url)
}

/// The host as it was written, before the parser made it regular.
fn written_host(text: &str) -> &str {
    let after = text.split_once("://").map_or("", |(_, after)| after);
    let authority = after.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.split(':').next().unwrap_or_default()
}

/// A client that can reach nothing but this URL's host, at addresses that are public. It follows no redirects: each target
/// is to be checked like the first URL.
///
/// # Errors
/// See [`Refused`].
pub async fn client_for(url: &Url, allow_private: bool) -> Result<Client, Refused> {
    // `parse` let only URLs with a host through; the form of an IPv6 host is `[::1]`.
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = url.port_or_known_default().unwrap_or(443);
    let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(|_| Refused::Unresolved(host.clone()))?;
    let all: Vec<_> = found.collect();
    let addresses: Vec<_> = all.iter().copied().filter(|address| allow_private || is_public(address.ip())).collect();
    if addresses.is_empty() {
        return Err(if all.is_empty() { Refused::Unresolved(host) } else { Refused::Private(host) });
    }
    Client::builder()
        .timeout(TIMEOUT)
        .read_timeout(SILENCE)
        .user_agent(concat!("Lensmeter/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .resolve_to_addrs(&host, &addresses)
        .build()
        .map_err(|error| Refused::Client(error.to_string()))
}

/// Whether an address is of the public internet: not of the special-purpose registries (RFC 6890 and its updates), and not
/// one that stands for another (mapped, NAT64, 6to4, Teredo), whatever it stands for.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Only 2000::/3 is assigned. Of it, 2001::/23 (Teredo, benchmarking, ORCHID), documentation and 6to4 are special.
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    let special = first == 0x2001 && (second < 0x0200 || second == 0x0db8) || first == 0x2002 || first & 0xfff0 == 0x3ff0;
    first & 0xe000 == 0x2000 && !special
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_of_a_private_network_is_public() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "192.88.99.1",
            "198.18.0.1",
            "240.0.0.1",
            "::1",
            "::",
            "::127.0.0.1",
            "::8.8.8.8",
            "::ffff:10.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::7f00:1",
            "64:ff9b::808:808",
            "64:ff9b:1::a00:1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "100::1",
            "5f00::1",
            "3fff::1",
            "fec0::1",
            "fe80::1",
            "fc00::1",
            "2001:db8::1",
            "2001::1",
            "2001:20::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in ["1.1.1.1", "8.8.8.8", "192.88.98.1", "2606:4700:4700::1111", "2001:4860:4860::8888"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn only_https_without_credentials() {
        assert!(parse("https://example.com/hook", false).is_ok());
        assert!(matches!(parse("http://example.com", false), Err(Refused::NotHttps)));
        assert!(matches!(parse("file:///etc/passwd", true), Err(Refused::NotHttps)));
        assert!(matches!(parse("https://user:pw@example.com", false), Err(Refused::Credentials)));
        assert!(parse("http://127.0.0.1:9/", true).is_ok());
    }

    #[test]
    fn addresses_are_written_plainly_or_refused() {
        for odd in ["2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0x08080808", "8.8.8.8.", "8.8.2056", "１２７.0.0.1"] {
            assert!(matches!(parse(&format!("https://{odd}/a.png"), true), Err(Refused::OddAddress)), "{odd}");
        }
        for plain in ["https://8.8.8.8", "https://8.8.8.8:443/x", "https://[2606:4700:4700::1111]/", "https://münchen.example/"] {
            assert!(parse(plain, false).is_ok(), "{plain}");
        }
    }

    #[tokio::test]
    async fn a_private_host_gets_no_client() {
        let url = parse("https://127.0.0.1:9/", false).unwrap();
        assert!(matches!(client_for(&url, false).await, Err(Refused::Private(_))));
    }
}
