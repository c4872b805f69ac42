// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {FonteToken} from "../src/FonteToken.sol";
import {IFonteToken} from "../src/interfaces/IFonteToken.sol";
import {Refuser} from "./lib/Doubles.sol";
import {World} from "./lib/World.sol";

contract FonteTokenTest is World {
    uint256 private constant KEY = 0x70CE;
    address private holder = vm.addr(KEY);

    function setUp() public override {
        super.setUp();
        vm.deal(holder, 10 ether);
        vm.prank(holder);
        token.deposit{value: 10 ether}();
    }

    function digest(bytes32 structHash) private view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), structHash));
    }

    function testWrapAndUnwrap() public {
        vm.assertEq(token.balanceOf(holder), 10 ether);
        vm.assertEq(token.totalSupply(), 10 ether);
        vm.prank(holder);
        token.withdraw(4 ether);
        vm.assertEq(holder.balance, 4 ether);
        vm.prank(holder);
        (bool ok,) = address(token).call{value: 1 ether}("");
        vm.assertTrue(ok);
        vm.prank(holder);
        token.depositTo{value: 1 ether}(payer);
        vm.assertEq(token.balanceOf(holder), 7 ether);
        vm.assertEq(token.balanceOf(payer), 1 ether);
        vm.assertEq(token.totalSupply(), address(token).balance);
        vm.prank(payer);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, payer, 1 ether, 2 ether)
        );
        token.withdraw(2 ether);
    }

    function testRefusedWithdrawal() public {
        Refuser refuser = new Refuser();
        vm.prank(holder);
        token.transfer(address(refuser), 1 ether);
        vm.prank(address(refuser));
        vm.expectRevert(abi.encodeWithSelector(IFonteToken.TransferRefused.selector, address(refuser), 1 ether));
        token.withdraw(1 ether);
        vm.assertEq(token.balanceOf(address(refuser)), 1 ether);
    }

    function testPermit() public {
        uint256 deadline = block.timestamp + 5;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                holder,
                payer,
                3 ether,
                token.nonces(holder),
                deadline
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest(structHash));
        token.permit(holder, payer, 3 ether, deadline, v, r, s);
        vm.prank(payer);
        token.transferFrom(holder, payer, 3 ether);
        vm.assertEq(token.balanceOf(payer), 3 ether);
        vm.expectRevert();
        token.permit(holder, payer, 3 ether, deadline, v, r, s);
    }

    function testTransferWithAuthorization() public {
        bytes32 nonce = keccak256("any nonce");
        uint256 before = block.timestamp + 60;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                holder,
                payer,
                2 ether,
                0,
                before,
                nonce
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, digest(structHash));
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        token.transferWithAuthorization(holder, gateway, 2 ether, 0, before, nonce, v, r, s);
        token.transferWithAuthorization(holder, payer, 2 ether, 0, before, nonce, v, r, s);
        vm.assertEq(token.balanceOf(payer), 2 ether);
        vm.assertTrue(token.authorizationState(holder, nonce));
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, holder, nonce));
        token.transferWithAuthorization(holder, payer, 2 ether, 0, before, nonce, v, r, s);
    }

    function testVotesByTimestamp() public {
        vm.assertEq(token.CLOCK_MODE(), "mode=timestamp");
        vm.assertEq(token.clock(), block.timestamp);
        vm.prank(holder);
        token.delegate(holder);
        uint256 then = block.timestamp;
        vm.warp(then + 10);
        vm.prank(holder);
        token.withdraw(4 ether);
        vm.assertEq(token.getVotes(holder), 6 ether);
        vm.assertEq(token.getPastVotes(holder, then), 10 ether);
        vm.assertEq(token.getPastTotalSupply(then), 10 ether);
    }

    function testFuzzSupplyIsHeld(uint96 wrapped, uint96 unwrapped) public {
        vm.deal(payer, wrapped);
        vm.startPrank(payer);
        token.deposit{value: wrapped}();
        token.withdraw(bound(unwrapped, 0, wrapped));
        vm.stopPrank();
        vm.assertEq(token.totalSupply(), address(token).balance);
        vm.assertEq(token.balanceOf(payer) + payer.balance, wrapped);
    }
}
