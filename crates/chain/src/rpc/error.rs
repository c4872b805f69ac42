//! Errors as Ethereum clients expect them: geth's codes and words.

use alloy_primitives::Bytes;
use jsonrpsee::types::{ErrorObjectOwned, error::INVALID_PARAMS_CODE};

use crate::{error::ChainError, mempool::PoolError};

/// geth's code for what it refuses.
const REJECTED: i32 = -32000;
/// geth's code for a revert, whose data clients decode.
const REVERTED: i32 = 3;
/// Over a limit of this node.
const LIMIT: i32 = -32005;

/// Refused for a reason that the caller can act on.
pub(super) fn rejected(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(REJECTED, message, None::<()>)
}

/// Over one of this node's bounds.
pub(super) fn over_limit(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(LIMIT, message, None::<()>)
}

/// Parameters that make no sense.
pub(super) fn invalid_params(message: impl Into<String>) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, None::<()>)
}

/// A revert, with the contract's data.
pub(super) fn reverted(data: Bytes) -> ErrorObjectOwned {
    let message = fonte_evm::revert_reason(&data)
        .map_or_else(|| "execution reverted".to_owned(), |reason| format!("execution reverted: {reason}"));
    ErrorObjectOwned::owned(REVERTED, message, Some(data))
}

impl From<ChainError> for ErrorObjectOwned {
    fn from(error: ChainError) -> Self {
        tracing::error!(%error, "a request failed on the store");
        ErrorObjectOwned::owned(jsonrpsee::types::error::INTERNAL_ERROR_CODE, error.to_string(), None::<()>)
    }
}

impl From<PoolError> for ErrorObjectOwned {
    fn from(error: PoolError) -> Self {
        rejected(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn reason_of_a_revert() {
        let data = hex!(
            "08c379a0"
            "0000000000000000000000000000000000000000000000000000000000000020"
            "0000000000000000000000000000000000000000000000000000000000000003"
            "6e6f210000000000000000000000000000000000000000000000000000000000"
        );
        let error = reverted(Bytes::copy_from_slice(&data));
        assert_eq!(error.message(), "execution reverted: no!");
        assert_eq!(error.code(), 3);
    }
}
