//! A block as it travels: the Ethereum RLP, its hash, and the decoded parts, shared by `Arc`.

use std::sync::Arc;

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header, proofs};
use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, Encodable};

/// The largest encoded block that is proposed, sent or accepted.
pub(crate) const MAX_BLOCK_BYTES: usize = 2 * 1024 * 1024;
/// What is left for transactions below [`MAX_BLOCK_BYTES`] after header and list prefixes.
pub(crate) const MAX_TRANSACTION_BYTES_PER_BLOCK: usize = MAX_BLOCK_BYTES - 8 * 1024;

/// Why bytes are not a block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadBlock {
    #[error("not the RLP of a block")]
    Rlp(#[from] alloy_rlp::Error),
    #[error("not the canonical encoding of the block")]
    NotCanonical,
    #[error("the header does not commit to this body")]
    Body,
    #[error("{size} bytes exceed the limit of {MAX_BLOCK_BYTES}")]
    TooLarge { size: usize },
}

/// An immutable block; clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Block(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    hash: B256,
    encoded: Bytes,
    block: fonte_evm::Block,
}

impl Block {
    /// Seals a block that was built or loaded here.
    pub(crate) fn seal(block: fonte_evm::Block, hash: B256) -> Result<Self, BadBlock> {
        let mut encoded = Vec::with_capacity(block.length());
        block.encode(&mut encoded);
        if encoded.len() > MAX_BLOCK_BYTES {
            return Err(BadBlock::TooLarge { size: encoded.len() });
        }
        Ok(Self(Arc::new(Inner { hash, encoded: encoded.into(), block })))
    }

    /// Reads a block from a peer. The header must commit to the body, and the bytes must be the only
    /// ones that encode it.
    pub(crate) fn decode(encoded: Bytes) -> Result<Self, BadBlock> {
        if encoded.len() > MAX_BLOCK_BYTES {
            return Err(BadBlock::TooLarge { size: encoded.len() });
        }
        let block = alloy_rlp::decode_exact::<fonte_evm::Block>(&encoded)?;
        let mut again = Vec::with_capacity(encoded.len());
        block.encode(&mut again);
        if again != encoded {
            return Err(BadBlock::NotCanonical);
        }
        let header = &block.header;
        let withdrawals = block.body.withdrawals.as_ref().map(|list| proofs::calculate_withdrawals_root(list));
        let bound = block.body.ommers.is_empty()
            && header.ommers_hash == EMPTY_OMMER_ROOT_HASH
            && header.withdrawals_root == withdrawals
            && header.transactions_root == proofs::calculate_transaction_root(&block.body.transactions);
        if !bound {
            return Err(BadBlock::Body);
        }
        Ok(Self(Arc::new(Inner { hash: block.header.hash_slow(), encoded, block })))
    }

    /// Reads a block that this node checked before it stored it.
    pub(crate) fn load(encoded: Bytes) -> Result<Self, BadBlock> {
        let block = alloy_rlp::decode_exact::<fonte_evm::Block>(&encoded)?;
        let hash = block.header.hash_slow();
        Ok(Self(Arc::new(Inner { hash, encoded, block })))
    }

    pub(crate) fn hash(&self) -> B256 {
        self.0.hash
    }

    pub(crate) fn number(&self) -> u64 {
        self.0.block.header.number
    }

    pub(crate) fn parent(&self) -> B256 {
        self.0.block.header.parent_hash
    }

    pub(crate) fn header(&self) -> &Header {
        &self.0.block.header
    }

    pub(crate) fn inner(&self) -> &fonte_evm::Block {
        &self.0.block
    }

    pub(crate) fn encoded(&self) -> &Bytes {
        &self.0.encoded
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        // Both were checked to be the only encoding under their hash.
        self.0.hash == other.0.hash
    }
}

impl Eq for Block {}

/// Decodes a header that this program stored.
pub(crate) fn decode_header(mut bytes: &[u8]) -> Result<Header, alloy_rlp::Error> {
    let header = Header::decode(&mut bytes)?;
    if bytes.is_empty() { Ok(header) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}
