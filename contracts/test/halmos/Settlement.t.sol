// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Settlement} from "../../src/Settlement.sol";
import {IDatanets} from "../../src/interfaces/IDatanets.sol";
import {IModels} from "../../src/interfaces/IModels.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Test} from "../lib/Vm.sol";

/// @notice A model with any splits that Models would accept, contributions with one payee each, a payer that signs all.
contract AnyWorld {
    IModels.Splits private _splits;

    function set(uint32 worker, uint32 develop, uint32 data, address developer) external {
        _splits = IModels.Splits(1e6 - worker - develop - data, worker, develop, data, developer);
    }

    function splits(uint32) external view returns (IModels.Splits memory) {
        return _splits;
    }

    function payeesOf(uint64[] calldata, uint256[] calldata shares) external pure returns (address[] memory payees) {
        payees = new address[](shares.length);
        for (uint256 i; i < shares.length; ++i) {
            payees[i] = address(uint160(0xC0 + i));
        }
    }

    function payeeClock() external pure returns (uint96) {
        return 0;
    }

    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        return 0x1626ba7e;
    }
}

/// @notice Proofs about the real Settlement, for one row with two shares.
contract SettlementProof is Test {
    AnyWorld private world;
    Settlement private settlement;
    address private constant TREASURY = address(0x7EA5);
    address private constant WORKER = address(0x3043);
    address private constant DEVELOPER = address(0xDE70);

    function setUp() public {
        world = new AnyWorld();
        settlement = new Settlement(
            0, IDatanets(address(world)), IModels(address(world)), address(1), TREASURY, 3, 60, 3600, 2
        );
    }

    function settle(uint128 fee, uint32 first, uint32 second) private returns (bool ok) {
        vm.deal(address(this), 1 << 100);
        settlement.depositFor{value: 1 << 90}(address(world));
        settlement.bond{value: 1 << 90}();
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        tabs[0].payer = address(world);
        tabs[0].total = fee;
        tabs[0].rows = new ISettlement.Row[](1);
        uint256[] memory shares = new uint256[](2);
        (shares[0], shares[1]) = (1 << 32 | uint256(first), 2 << 32 | uint256(second));
        tabs[0].rows[0] = ISettlement.Row(bytes32(uint256(1)), 1, WORKER, fee, new uint64[](1), shares);
        (ok,) = address(settlement).call(abi.encodeCall(Settlement.settle, (tabs)));
    }

    /// @dev What is credited is the fee, to the wei.
    function check_creditsSumToTheFee(uint16 fee, uint32 worker, uint32 develop, uint32 data, uint32 first, uint32 second)
        public
    {
        vm.assume(worker <= 1e6 && develop <= 1e6 && data <= 1e6 && uint256(worker) + develop + data <= 1e6);
        world.set(worker, develop, data, DEVELOPER);
        vm.assume(settle(fee, first, second));
        uint256 sum = settlement.pendingOf(1, WORKER) + settlement.pendingOf(1, DEVELOPER)
            + settlement.pendingOf(1, address(0xC0)) + settlement.pendingOf(1, address(0xC1));
        assert(sum + settlement.pendingOf(1, TREASURY) == fee);
    }

    /// @dev Shares above 10^6 ppm are refused.
    function check_sharesNeverExceed(uint16 fee, uint32 first, uint32 second) public {
        world.set(200_000, 100_000, 600_000, DEVELOPER);
        bool ok = settle(fee, first, second);
        assert(!ok || uint256(first) + second <= 1e6);
    }

    /// @dev Credits of the shares never exceed the data pool.
    function check_creditsNeverExceedThePool(uint16 fee, uint32 first, uint32 second) public {
        world.set(200_000, 100_000, 600_000, DEVELOPER);
        vm.assume(settle(fee, first, second));
        uint256 pool = uint256(fee) * 600_000 / 1e6;
        assert(settlement.pendingOf(1, address(0xC0)) + settlement.pendingOf(1, address(0xC1)) <= pool);
    }
}
