// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Models} from "../../src/Models.sol";
import {IDatanets} from "../../src/interfaces/IDatanets.sol";
import {IModels} from "../../src/interfaces/IModels.sol";
import {Test} from "../lib/Vm.sol";

/// @notice Proofs about the real Models: three generations with any splits and royalties.
contract ModelsProof is Test {
    Models private models;

    function setUp() public {
        models = new Models(IDatanets(address(1)), address(2), address(3), 1, 1, 1);
    }

    function register(uint24 develop, uint32 parent, uint24 royalty) private returns (bool ok) {
        IModels.ModelInput memory input;
        input.terms.splits = IModels.Splits(1e6 - develop, 0, develop, 0, address(uint160(0xD0 + parent)));
        input.terms.spanPpm = 1e6;
        if (parent != 0) {
            input.terms.parents = new uint64[](1);
            input.terms.parents[0] = uint64(parent) << 32 | royalty;
        }
        (ok,) = address(models).call(abi.encodeCall(Models.register, (input)));
    }

    function sumOf(uint32 id) private view returns (uint256 sum) {
        IModels.Payout[] memory developers = models.payouts(id).developers;
        for (uint256 i; i < developers.length; ++i) {
            sum += developers[i].ppm;
        }
    }

    /// @dev Whatever is registered pays its developer and its ancestors together the developer's part, to the ppm, and no
    /// royalty exceeds that part.
    /// @custom:halmos --loop 4 --solver-timeout-branching 2000
    function check_royaltiesSumToTheDevelopersPart(uint24 a, uint24 b, uint24 c, uint24 toParent, uint24 toSecond) public {
        vm.assume(a <= 1e6 && b <= 1e6 && c <= 1e6);
        vm.assume(register(a, 0, 0));
        bool child = register(b, 1, toParent);
        assert(!child || toParent <= b);
        vm.assume(child);
        assert(sumOf(2) == b);
        bool grandchild = register(c, 2, toSecond);
        assert(!grandchild || toSecond <= c);
        vm.assume(grandchild);
        assert(sumOf(3) == c);
    }
}
