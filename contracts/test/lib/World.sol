// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Challenges} from "../../src/Challenges.sol";
import {Concentration} from "../../src/Concentration.sol";
import {Datanets} from "../../src/Datanets.sol";
import {Demands} from "../../src/Demands.sol";
import {FonteToken} from "../../src/FonteToken.sol";
import {Models} from "../../src/Models.sol";
import {Origins} from "../../src/Origins.sol";
import {Reviews} from "../../src/Reviews.sol";
import {Settlement} from "../../src/Settlement.sol";
import {Validators} from "../../src/Validators.sol";
import {Workers} from "../../src/Workers.sol";
import {IChallenges} from "../../src/interfaces/IChallenges.sol";
import {IDatanets} from "../../src/interfaces/IDatanets.sol";
import {IModels} from "../../src/interfaces/IModels.sol";
import {ISeals} from "../../src/interfaces/ISeals.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Batches} from "./Batches.sol";
import {NodeKeys} from "./NodeKeys.sol";
import {Openings} from "./Openings.sol";
import {Test} from "./Vm.sol";

/// @notice The protocol as genesis deploys it (init code run at fixed addresses), people, and one model.
abstract contract World is Test {
    using Openings for Openings.Text;

    bytes32 internal constant NETWORK = keccak256("a network");
    uint64 internal constant REVEAL_BLOCKS = 20;
    uint64 internal constant WINDOW_BLOCKS = 3;
    uint64 internal constant WINDOW_SECONDS = 60;
    uint64 internal constant NOTICE = 3600;
    uint64 internal constant GRACE = 600;
    uint64 internal constant STEP = 7 days;
    uint32 internal constant K = 2;
    uint128 internal constant STAKE = 10 ether;
    uint64 internal constant REVIEW_PERIOD = 600;
    uint64 internal constant REVIEW_PATIENCE = 14 days;
    uint64 internal constant UNBONDING = 21 days;
    uint8 internal constant CLAIM_REVIEWERS = 3;
    uint64 internal constant PROMPT = type(uint64).max;
    /// @dev The curator's cut of the datanets made here.
    uint256 internal constant CUT = 50_000;

    FonteToken internal token = FonteToken(payable(0xf017E00000000000000000000000000000000001));
    Datanets internal datanets = Datanets(0xf017e00000000000000000000000000000000002);
    Models internal models = Models(0xF017e00000000000000000000000000000000003);
    Settlement internal settlement = Settlement(0xF017E00000000000000000000000000000000004);
    Challenges internal challenges = Challenges(0xF017E00000000000000000000000000000000005);
    Demands internal demands = Demands(0xF017E0000000000000000000000000000000000f);
    Reviews internal reviews = Reviews(0xf017E00000000000000000000000000000000006);
    Origins internal origins = Origins(0xf017E00000000000000000000000000000000007);
    Workers internal workers = Workers(0xF017E00000000000000000000000000000000008);
    Validators internal validators = Validators(0xF017E00000000000000000000000000000000009);
    Concentration internal concentration = Concentration(0xF017e0000000000000000000000000000000000D);

    address internal modelReviews = 0xf017e0000000000000000000000000000000000E;
    address internal governance = 0xf017E0000000000000000000000000000000000a;
    address internal treasury = address(0x7EA5);
    address internal registrar = address(0x4E61);
    address internal evaluations = modelReviews;
    address internal curator = address(0xC04A);
    address internal developer = address(0xDE70);
    address internal worker = address(0x3043);
    address internal challenger = address(0xC4A1);
    uint256 internal constant PAYER_KEY = 0xA11CE;
    uint256 internal constant GATEWAY_KEY = 0x6A7E;
    address internal payer = vm.addr(PAYER_KEY);
    address internal gateway = vm.addr(GATEWAY_KEY);

    uint32 internal net;
    uint32 internal model;

    /// @notice An answer from which receipt, row and evidence follow.
    struct Story {
        uint64 nonce;
        uint128 fee;
        uint64[] versions;
        IChallenges.Share[] shares;
        IChallenges.Run[] runs;
        bytes prompt;
        bytes answer;
    }

    /// @dev Documents of the contributions made here.
    mapping(uint64 contribution => bytes[]) internal texts;

    function setUp() public virtual {
        vm.roll(1000);
        vm.warp(1_790_000_000);
        genesis(address(token), type(FonteToken).creationCode, "");
        genesis(
            address(datanets),
            type(Datanets).creationCode,
            abi.encode(NETWORK, registrar, treasury, REVEAL_BLOCKS, reviews, origins)
        );
        genesis(
            address(models),
            type(Models).creationCode,
            abi.encode(datanets, modelReviews, governance, NOTICE, GRACE, STEP)
        );
        genesis(
            address(reviews),
            type(Reviews).creationCode,
            abi.encode(
                governance, treasury, datanets, origins, modelReviews, STAKE, REVIEW_PERIOD, REVIEW_PATIENCE, UNBONDING
            )
        );
        genesis(address(origins), type(Origins).creationCode, abi.encode(NETWORK, reviews, CLAIM_REVIEWERS));
        genesis(address(challenges), type(Challenges).creationCode, abi.encode(settlement, demands));
        genesis(address(demands), type(Demands).creationCode, abi.encode(settlement, challenges));
        genesis(
            address(settlement),
            type(Settlement).creationCode,
            abi.encode(
                NETWORK,
                datanets,
                models,
                challenges,
                demands,
                treasury,
                WINDOW_BLOCKS,
                WINDOW_SECONDS,
                NOTICE,
                K
            )
        );
        genesis(
            address(workers), type(Workers).creationCode, abi.encode(registrar, uint128(1 ether), uint64(1 days))
        );
        vm.deal(address(this), address(this).balance + 400 ether);
        genesis(
            address(validators),
            type(Validators).creationCode,
            abi.encode(NETWORK, NodeKeys.parameters(), NodeKeys.seatsOf(4)),
            400 ether
        );
        genesis(address(concentration), type(Concentration).creationCode, abi.encode(validators, token));
        net = createDatanet(IDatanets.ReviewRule.Open);
        model = registerModel(100_000, 200_000, 100_000, 600_000);
    }

    /// @dev Runs the init code at its address, as a genesis does.
    function genesis(address where, bytes memory creation, bytes memory args) internal {
        genesis(where, creation, args, 0);
    }

    function genesis(address where, bytes memory creation, bytes memory args, uint256 value) internal {
        vm.etch(where, bytes.concat(creation, args));
        (bool ok, bytes memory runtime) = where.call{value: value}("");
        require(ok, "init code reverted");
        vm.etch(where, runtime);
    }

    function createDatanet(IDatanets.ReviewRule review) internal returns (uint32) {
        bytes2[] memory jurisdictions = new bytes2[](2);
        (jurisdictions[0], jurisdictions[1]) = (bytes2("BR"), bytes2("PT"));
        vm.prank(curator);
        (uint8 n, uint8 k) = review == IDatanets.ReviewRule.Reviewers ? (3, 2) : (0, 0);
        return datanets.create(
            "coffee", IDatanets.Policy("CC-BY-4.0", 13, review, n, k, uint32(CUT), 7, jurisdictions)
        );
    }

    function termsOf(uint32 protocol, uint32 work, uint32 develop, uint32 data)
        internal
        view
        returns (IModels.Terms memory)
    {
        uint32[] memory nets = new uint32[](1);
        nets[0] = net;
        return IModels.Terms(
            1e13, 2e13, IModels.Splits(protocol, work, develop, data, developer), nets, 10, 1e6, 0, 0, 0, new uint64[](0), 0, ""
        );
    }

    function registerModel(uint32 protocol, uint32 work, uint32 develop, uint32 data) internal returns (uint32) {
        IModels.ModelInput memory input = IModels.ModelInput(
            "fonte-quote", IModels.Kind.Quote, 0, 0, termsOf(protocol, work, develop, data), 0, new uint64[](0)
        );
        vm.prank(developer);
        return models.register(input);
    }

    // ---------------------------------------------------------------- contributions

    function documentText(bytes memory data, uint256 index) internal pure returns (Openings.Text memory) {
        return Openings.Text(2, data, keccak256("metadata"), keccak256(abi.encode(data, index)));
    }

    function documentCommitments(bytes[] memory documents) internal pure returns (bytes32[] memory list) {
        list = new bytes32[](documents.length);
        for (uint256 i; i < list.length; ++i) {
            list[i] = documentText(documents[i], i).commitment();
        }
    }

    function openingOf(uint32 datanet, address contributor, address payee, bytes[] memory documents)
        internal
        view
        returns (IDatanets.Reveal memory)
    {
        uint64 size;
        for (uint256 i; i < documents.length; ++i) {
            size += uint64(documents[i].length);
        }
        return IDatanets.Reveal(
            datanet,
            Openings.contributionRoot(documentCommitments(documents)),
            uint32(documents.length),
            size,
            contributor,
            payee,
            keccak256(abi.encode(contributor, documents)),
            uint64(vm.getBlockTimestamp() + 600)
        );
    }

    /// @dev Commits and reveals; contributor and payee are `who`.
    function contribute(uint32 datanet, address who, bytes[] memory documents) internal returns (uint64 id) {
        IDatanets.Reveal memory opening = openingOf(datanet, who, who, documents);
        id = datanets.commit(datanets.commitmentHash(opening));
        vm.prank(who);
        datanets.reveal(id, opening, "");
        texts[id] = documents;
    }

    function contribute(address who, bytes memory document) internal returns (uint64) {
        return contribute(net, who, one(document));
    }

    function one(bytes memory document) internal pure returns (bytes[] memory list) {
        list = new bytes[](1);
        list[0] = document;
    }

    function named(uint32 datanet) internal view returns (uint64[] memory list) {
        list = new uint64[](1);
        list[0] = uint64(datanet) << 32 | datanets.version(datanet);
    }

    // ---------------------------------------------------------------- answers

    function promptText(Story memory story) internal pure returns (Openings.Text memory) {
        return Openings.Text(5, story.prompt, 0, keccak256(abi.encode("prompt", story.nonce)));
    }

    function answerText(Story memory story) internal pure returns (Openings.Text memory) {
        return Openings.Text(4, story.answer, 0, keccak256(abi.encode("answer", story.nonce)));
    }

    function receiptOf(Story memory story) internal view virtual returns (IChallenges.AnswerReceipt memory r) {
        r.requestId = keccak256(abi.encode(payer, gateway, story.nonce));
        (r.payer, r.gateway, r.nonce, r.worker, r.model) = (payer, gateway, story.nonce, worker, model);
        r.versions = new IChallenges.DatanetVersion[](story.versions.length);
        for (uint256 i; i < r.versions.length; ++i) {
            r.versions[i] =
                IChallenges.DatanetVersion(uint32(story.versions[i] >> 32), uint32(story.versions[i]));
        }
        r.promptRoot = promptText(story).commitment();
        r.answerRoot = answerText(story).commitment();
        r.answerBytes = uint32(story.answer.length);
        (r.inputTokens, r.seed, r.fee, r.methodVersion) = (10, 3, story.fee, 1);
        r.outputTokens = uint32((story.answer.length + 3) / 4);
        r.shares = story.shares;
        r.evidenceHash = Openings.evidenceHash(story.runs);
        r.issuedAt = 1_790_000_000;
    }

    function rowOf(Story memory story) internal view returns (ISettlement.Row memory) {
        uint256[] memory shares = new uint256[](story.shares.length);
        for (uint256 i; i < shares.length; ++i) {
            shares[i] = uint256(story.shares[i].contribution) << 32 | story.shares[i].ppm;
        }
        return ISettlement.Row(
            challenges.receiptId(receiptOf(story)), model, worker, story.fee, story.versions, shares
        );
    }

    // ---------------------------------------------------------------- batches

    function fund(uint256 deposit, uint256 bond) internal {
        vm.deal(address(this), address(this).balance + deposit);
        settlement.depositFor{value: deposit}(payer);
        vm.deal(gateway, gateway.balance + bond);
        vm.prank(gateway);
        settlement.bond{value: bond}();
    }

    function tabOf(uint256 key, ISettlement.Row[] memory rows) internal view returns (ISettlement.Tab memory tab) {
        return tabOf(key, Batches.tables(rows), rows);
    }

    function tabOf(uint256 key, ISettlement.Tables memory tables, ISettlement.Row[] memory rows)
        internal
        view
        returns (ISettlement.Tab memory tab)
    {
        tab.payer = vm.addr(key);
        tab.count = uint32(rows.length);
        tab.rows = Batches.pack(tables, rows);
        tab.total = settlement.spent(tab.payer, gateway);
        for (uint256 i; i < rows.length; ++i) {
            tab.total += rows[i].fee;
        }
        tab.nonce = 1;
        tab.signature = sign(key, settlement.voucherDigest(tab.payer, gateway, tab.total, tab.nonce));
    }

    function tabsOf(ISettlement.Row[] memory rows) internal view returns (ISettlement.Tab[] memory tabs) {
        tabs = new ISettlement.Tab[](1);
        tabs[0] = tabOf(PAYER_KEY, rows);
    }

    function settle(ISettlement.Row[] memory rows) internal returns (uint64) {
        ISettlement.Tab[] memory tabs = tabsOf(rows);
        ISettlement.Tables memory tables = Batches.tables(rows);
        vm.prank(gateway);
        return settlement.settle(tables, tabs);
    }

    function settle(ISettlement.Row memory row) internal returns (uint64) {
        ISettlement.Row[] memory rows = new ISettlement.Row[](1);
        rows[0] = row;
        return settle(rows);
    }

    function openRow(uint64 batch, ISettlement.Row[] memory rows, uint32 index)
        internal
        view
        returns (IChallenges.RowOpening memory)
    {
        bytes32[] memory leaves = new bytes32[](rows.length);
        for (uint256 i; i < rows.length; ++i) {
            leaves[i] = Openings.rowLeaf(payer, rows[i]);
        }
        return IChallenges.RowOpening(batch, index, payer, rows[index], Openings.path(leaves, index));
    }

    function openRow(uint64 batch, ISettlement.Row memory row) internal view returns (IChallenges.RowOpening memory) {
        ISettlement.Row[] memory rows = new ISettlement.Row[](1);
        rows[0] = row;
        return openRow(batch, rows, 0);
    }

    /// @dev Calls a contract that takes seals, as `who`, who announced the call a block ago.
    function announced(address where, address who, bytes memory data) internal returns (bytes memory result) {
        vm.roll(vm.getBlockNumber() - 1);
        vm.prank(who);
        ISeals(where).announce(keccak256(abi.encode(who, keccak256(data))));
        vm.roll(vm.getBlockNumber() + 1);
        vm.prank(who);
        bool ok;
        (ok, result) = where.call(data);
        if (!ok) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }

    function closeWindow() internal {
        skip(WINDOW_BLOCKS + 1, WINDOW_SECONDS);
    }

    function only(address a) internal pure returns (address[] memory all) {
        all = new address[](1);
        all[0] = a;
    }
}
