//! The numbers by which sticks are told apart.

use crate::WriteError;
use livestick_handoff::Identity;
use rustix::rand::{GetRandomFlags, getrandom};

/// Where a stick's identity, its volume's serial number and its partition table's signature come
/// from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identities {
    /// Random: every stick is another.
    Random,
    /// The root image's digest: the same input gives the same bytes.
    FromDigest,
}

/// The numbers of one stick.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) identity: Identity,
    pub(crate) serial: u32,
    pub(crate) mbr_signature: u32,
}

impl Identities {
    pub(crate) fn numbers(self, root_sha256: [u8; 32]) -> Result<Numbers, WriteError> {
        match self {
            Self::FromDigest => Ok(Numbers::from_bytes(root_sha256)),
            Self::Random => {
                let mut bytes = [0; 32];
                // Up to 256 bytes come at once or not at all: getrandom(2).
                getrandom(&mut bytes, GetRandomFlags::empty()).map_err(|error| {
                    WriteError::Random {
                        source: error.into(),
                    }
                })?;
                Ok(Numbers::from_bytes(bytes))
            }
        }
    }
}

impl Numbers {
    fn from_bytes(bytes: [u8; 32]) -> Self {
        let mut identity = [0; 16];
        identity.copy_from_slice(&bytes[..16]);
        let number = |at: usize| {
            let number = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
            // Zero stands for "none" in both places.
            u32::from_le_bytes(number).max(1)
        };
        Self {
            identity: Identity(identity),
            serial: number(16),
            mbr_signature: number(20),
        }
    }
}
