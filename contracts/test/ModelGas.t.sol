// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IModels} from "../src/interfaces/IModels.sol";
import {ModelWorld} from "./lib/ModelWorld.sol";

/// @notice Gas of what Settlement reads and of what people pay for, kept in snapshots/: cold storage, whole transactions.
/// forge-config: default.isolate = true
contract ModelGasTest is ModelWorld {
    function payoutsWith(uint32 ancestors) private {
        uint64[] memory parents = new uint64[](ancestors);
        for (uint32 i; i < ancestors; ++i) {
            parents[i] = pair(derive(address(uint160(0xA0 + i)), 10, new uint64[](0)), 1000);
        }
        uint32 id = derive(developer, 100_000, parents);
        models.payouts(id);
        vm.snapshotGasLastCall("models", string.concat("payouts_ancestors_", vm.toString(ancestors)));
    }

    function testPayouts0() public {
        payoutsWith(0);
    }

    function testPayouts1() public {
        payoutsWith(1);
    }

    function testPayouts3() public {
        payoutsWith(3);
    }

    function testPayouts7() public {
        payoutsWith(7);
    }

    function testRegister() public {
        IModels.ModelInput memory input = inputOf(IModels.Kind.Quote, 0, 0);
        vm.prank(developer);
        models.register(input);
        vm.snapshotGasLastCall("models", "register_quote");
    }

    function testProposalToDeployment() public {
        contribute(trainNet, worker, one("text to train on"));
        IModels.ModelInput memory input = proposal();
        vm.prank(developer);
        uint32 id = models.propose(input, RECIPE, criteria());
        vm.snapshotGasLastCall("models", "propose");
        vm.prank(governance);
        models.approve(id, commitment(id));
        vm.snapshotGasLastCall("models", "approve");
        vm.startPrank(developer);
        models.train(id);
        models.submitArtifact(id, BASE, ADAPTER);
        vm.snapshotGasLastCall("models", "submit_artifact");
        vm.stopPrank();
        models.revealEvaluation(id, setOf(id), SALT, "ipfs://set");
        vm.prank(developer);
        judges.open{value: 5 * FEE}(id);
        vm.snapshotGasLastCall("models", "open_round");
        vm.roll(vm.getBlockNumber() + 2);
        judges.draw(id);
        vm.snapshotGasLastCall("models", "draw_5");
        for (uint256 i; i < 5; ++i) {
            bytes32 hidden = keccak256(abi.encode(id, 1, evaluators[i], int128(700_000), REPORT, SALT));
            vm.prank(evaluators[i]);
            judges.commitScore(id, hidden);
        }
        vm.snapshotGasLastCall("models", "commit_score");
        for (uint256 i; i < 5; ++i) {
            vm.prank(evaluators[i]);
            judges.revealScore(id, 700_000, REPORT, SALT);
        }
        vm.snapshotGasLastCall("models", "reveal_score");
        judges.close(id);
        vm.snapshotGasLastCall("models", "close_5");
        vm.prank(governance);
        models.deploy(id);
        vm.snapshotGasLastCall("models", "deploy");
    }
}
