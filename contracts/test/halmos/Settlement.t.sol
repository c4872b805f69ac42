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

    function payouts(uint32) external view returns (IModels.Payouts memory p) {
        p.workerPpm = _splits.workerPpm;
        p.dataPpm = _splits.dataPpm;
        if (_splits.developerPpm != 0) {
            p.developers = new IModels.Payout[](1);
            p.developers[0] = IModels.Payout(_splits.developer, _splits.developerPpm);
        }
    }

    /// @dev Contribution i is a member of datanet 1 from version 1 on, and its payee is 0xBF + i.
    function membershipsOf(uint64[] calldata contributions) external pure returns (uint256[] memory words) {
        words = new uint256[](contributions.length);
        for (uint256 i; i < contributions.length; ++i) {
            words[i] = (0xBF + uint256(contributions[i])) << 96 | uint256(type(uint32).max) << 64 | 1 << 32 | 1;
        }
    }

    /// @dev Datanet 1 is at version 1 and has a curator, 0xCC, with a cut of 7 %.
    function headsOf(uint32[] calldata datanets) external pure returns (uint256[] memory heads) {
        heads = new uint256[](datanets.length);
        for (uint256 i; i < datanets.length; ++i) {
            heads[i] = uint256(0xCC) << 96 | 70_000 << 32 | 1;
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
            0, IDatanets(address(world)), IModels(address(world)), address(1), address(2), TREASURY, 3, 60, 3600, 2
        );
    }

    function settle(uint128 fee, uint24 first, uint24 second) private returns (bool ok) {
        vm.deal(address(this), 1 << 100);
        settlement.depositFor{value: 1 << 90}(address(world));
        settlement.bond{value: 1 << 90}();
        ISettlement.Tab[] memory tabs = new ISettlement.Tab[](1);
        tabs[0].payer = address(world);
        tabs[0].total = fee;
        tabs[0].count = 1;
        // One version and two shares; written out, so that the fee and the ppm stay symbols.
        tabs[0].rows = abi.encodePacked(
            bytes32(uint256(1)),
            fee,
            uint16(0),
            uint16(0),
            uint8(1),
            uint8(2),
            uint16(0),
            uint16(0),
            first,
            uint16(1),
            second
        );
        ISettlement.Tables memory tables = ISettlement.Tables(
            new uint64[](2), new uint64[](1), new uint32[](1), new address[](1)
        );
        (tables.sources[0], tables.sources[1]) = (1, 2);
        tables.versions[0] = 1 << 32 | 1;
        tables.models[0] = 1;
        tables.workers[0] = WORKER;
        (ok,) = address(settlement).call(abi.encodeCall(Settlement.settle, (tables, tabs)));
    }

    /// @dev What is credited is the fee, to the wei.
    function check_creditsSumToTheFee(uint16 fee, uint32 worker, uint32 develop, uint32 data, uint24 first, uint24 second)
        public
    {
        vm.assume(worker <= 1e6 && develop <= 1e6 && data <= 1e6 && uint256(worker) + develop + data <= 1e6);
        world.set(worker, develop, data, DEVELOPER);
        vm.assume(settle(fee, first, second));
        uint256 sum = settlement.pendingOf(1, WORKER) + settlement.pendingOf(1, DEVELOPER)
            + settlement.pendingOf(1, address(0xC0)) + settlement.pendingOf(1, address(0xC1))
            + settlement.pendingOf(1, address(0xCC));
        assert(sum + settlement.pendingOf(1, TREASURY) == fee);
    }

    /// @dev Shares above 10^6 ppm are refused.
    function check_sharesNeverExceed(uint16 fee, uint24 first, uint24 second) public {
        world.set(200_000, 100_000, 600_000, DEVELOPER);
        bool ok = settle(fee, first, second);
        assert(!ok || uint256(first) + second <= 1e6);
    }
}
