// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IDatanets} from "../src/interfaces/IDatanets.sol";
import {Panels} from "./lib/Panels.sol";

/// @notice Gas of a case from draw to reversed appeal, with a pool of a hundred, kept in snapshots/: whole transactions.
/// forge-config: default.isolate = true
contract ReviewsGasTest is Panels {
    function setUp() public override {
        super.setUp();
        enlist(100);
    }

    function testCase3() public {
        measure(3, "3");
    }

    function testCase15() public {
        measure(15, "15");
    }

    function measure(uint8 n, string memory name) private {
        uint64 id = open(n, n / 2 + 1, address(0), uint256(n) * 0.05 ether);
        skip(2, 2);
        reviews.seat(id);
        vm.snapshotGasLastCall("reviews", string.concat("seat_", name));
        address[] memory first = seated(id);
        bytes32 commitment = reviews.commitmentHash(id, first[0], true, keccak256(abi.encode(first[0], id)));
        vm.prank(first[0]);
        reviews.commit(id, commitment);
        vm.snapshotGasLastCall("reviews", "commit");
        for (uint256 i = 1; i < n; ++i) {
            commit(id, first[i], true);
        }
        for (uint256 i; i < n; ++i) {
            reveal(id, first[i], true);
        }
        vm.snapshotGasLastCall("reviews", "reveal");
        reviews.close(id);
        vm.snapshotGasLastCall("reviews", string.concat("close_", name));
        appeal(id, address(0xA99E));
        drawPanel(id);
        vm.snapshotGasLastCall("reviews", string.concat("seat_appeal_of_", name));
        address[] memory second = seated(id);
        for (uint256 i; i < second.length; ++i) {
            commit(id, second[i], false);
        }
        for (uint256 i; i < second.length; ++i) {
            reveal(id, second[i], false);
        }
        reviews.close(id);
        vm.snapshotGasLastCall("reviews", string.concat("close_appeal_reversing_", name));
    }

    function testRegister() public {
        vm.deal(address(0xE7), STAKE);
        vm.prank(address(0xE7));
        reviews.register{value: STAKE}();
        vm.snapshotGasLastCall("reviews", "register");
    }

    function testRevealIntoReview() public {
        uint32 reviewed = createDatanet(IDatanets.ReviewRule.Reviewers);
        address ana = address(0xA0A);
        contribute(reviewed, ana, one("first"));
        IDatanets.Reveal memory o = openingOf(reviewed, ana, ana, one("second"));
        uint64 id = datanets.commit(datanets.commitmentHash(o));
        vm.prank(ana);
        datanets.reveal(id, o, "");
        vm.snapshotGasLastCall("reviews", "reveal_that_opens_a_case");
    }

    function testOrigin() public {
        origins.register("https://ana.substack.com/");
        vm.snapshotGasLastCall("reviews", "origin_register");
    }
}
