// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ReceiptTypes} from "./ReceiptTypes.sol";

/// @title NetworkDomain
/// @notice The EIP-712 domain of Fonte (docs/spec/receipt.md, section 3). OpenZeppelin's EIP712 leaves out the salt, and
/// the salt is what keeps two networks with one chain id and one predeployed address apart.
abstract contract NetworkDomain is IERC5267 {
    bytes32 internal constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
    );
    bytes32 private constant NAME_HASH = keccak256("Fonte");
    bytes32 private constant VERSION_HASH = keccak256("1");

    /// @notice Identity of the network, fixed at genesis; the salt of the domain.
    bytes32 public immutable networkId;
    uint256 private immutable _chainId;
    bytes32 private immutable _separator;

    constructor(bytes32 networkId_) {
        networkId = networkId_;
        _chainId = block.chainid;
        _separator = _build(networkId_);
    }

    /// @notice Hash of the domain; follows the chain id if a fork changes it.
    function domainSeparator() public view virtual returns (bytes32) {
        return block.chainid == _chainId ? _separator : _build(networkId);
    }

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"1f", "Fonte", "1", block.chainid, address(this), networkId, new uint256[](0));
    }

    /// @dev H(1901 ‖ domain ‖ struct), which every signature of Fonte signs.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        return ReceiptTypes.digest(domainSeparator(), structHash);
    }

    function _build(bytes32 salt) private view returns (bytes32) {
        return keccak256(abi.encode(DOMAIN_TYPEHASH, NAME_HASH, VERSION_HASH, block.chainid, address(this), salt));
    }
}
