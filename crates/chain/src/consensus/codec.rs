//! [`Block`] as commonware sees it: opaque bytes under a digest that is the Ethereum block hash.

use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error as CodecError, RangeCfg, Read, Write};
use commonware_consensus::{BoundedBlock, Heightable, types::Height};
use commonware_cryptography::{Digestible, sha256};

use crate::block::{Block, MAX_BLOCK_BYTES};

/// The digest type is only a 32-byte container: what it carries is the keccak256 of the header.
pub(super) type Digest = sha256::Digest;

/// A block on its way through consensus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wire(pub(super) Block);

pub(super) fn digest(hash: alloy_primitives::B256) -> Digest {
    sha256::Digest(hash.0)
}

impl Write for Wire {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.encoded().to_vec().write(buf);
    }
}

impl EncodeSize for Wire {
    fn encode_size(&self) -> usize {
        let n = self.0.encoded().len();
        n.encode_size() + n
    }
}

impl Read for Wire {
    type Cfg = ();

    /// Refuses everything but the one encoding of a block whose body matches its header: the digest
    /// commits to the header alone, so a body that the header does not commit to would be a second
    /// block under the same digest.
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, CodecError> {
        let bytes = Vec::<u8>::read_cfg(buf, &(RangeCfg::from(0..=MAX_BLOCK_BYTES), ()))?;
        Block::decode(bytes.into()).map(Wire).map_err(|error| CodecError::Wrapped("block", Box::new(error)))
    }
}

impl Digestible for Wire {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        digest(self.0.hash())
    }
}

impl Heightable for Wire {
    fn height(&self) -> Height {
        Height::new(self.0.number())
    }
}

impl commonware_consensus::Block for Wire {
    fn parent(&self) -> Digest {
        digest(self.0.parent())
    }
}

impl BoundedBlock for Wire {
    fn max_encode_size(_: &()) -> usize {
        // The length prefix is a varint of at most five bytes for a u32.
        5 + MAX_BLOCK_BYTES
    }
}
