//! Addresses that may connect: one host, or a network by its prefix.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network, or a single host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Network {
    address: IpAddr,
    prefix_bits: u32,
}

/// A text is no address and no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address, nor a network such as 10.2.0.0/16 whose host bits are zero")]
pub(crate) struct NetworkError;

impl Network {
    /// This host only.
    pub(crate) fn loopback() -> Vec<Self> {
        vec![
            Self { address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix_bits: 8 },
            Self { address: IpAddr::V6(Ipv6Addr::LOCALHOST), prefix_bits: 128 },
        ]
    }

    /// Whether an address lies within; an IPv4 address that came in as IPv6 is meant as IPv4.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        let (peer, bits) = number(peer.to_canonical());
        let (network, own_bits) = number(self.address);
        bits == own_bits && (peer ^ network).checked_shr(bits - self.prefix_bits).unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let (value, bits) = number(address);
        let prefix_bits = match prefix {
            None => bits,
            Some(prefix) => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or(NetworkError)?,
        };
        if value.trailing_zeros() < bits - prefix_bits {
            return Err(NetworkError);
        }
        Ok(Self { address, prefix_bits })
    }
}

/// An address as a number, and how many bits it has.
fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32),
        IpAddr::V6(address) => (address.into(), 128),
    }
}
