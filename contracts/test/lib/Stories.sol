// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IChallenges} from "../../src/interfaces/IChallenges.sol";
import {ISettlement} from "../../src/interfaces/ISettlement.sol";
import {Openings} from "./Openings.sol";
import {World} from "./World.sol";

/// @notice Ana wrote first; Bia copied Ana's sentence with glue around it; the answer quotes it.
abstract contract Stories is World {
    using Openings for Openings.Text;

    bytes internal constant SENTENCE = "The river rises in March, when the mountains let go of their snow."; // 66 bytes
    bytes internal constant OTHER = " Coffee beans are dried on patios for two weeks before milling."; // 63 bytes
    uint128 internal constant FEE = 10 ether;
    uint256 internal constant POOL = 6 ether;

    address internal ana = address(0xA0A);
    address internal bia = address(0xB1A);
    uint64 internal first;
    uint64 internal second;
    bytes internal padding; // makes Ana's text span several chunks

    function setUp() public virtual override {
        super.setUp();
        padding = new bytes(1000);
        for (uint256 i; i < 1000; ++i) {
            padding[i] = bytes1(uint8(97 + i * i % 23));
        }
        bytes[] memory documents = new bytes[](3);
        documents[0] = "short";
        documents[1] = bytes.concat(padding, SENTENCE, padding, padding);
        documents[2] = "another";
        first = contribute(net, ana, documents);
        second = contribute(bia, bytes.concat("glue ", SENTENCE, OTHER));
        fund(100 ether, 1000 ether);
    }

    // ---------------------------------------------------------------- stories

    /// @dev The answer is the sentence and then Bia's own; 129 bytes.
    function base() internal view returns (Story memory story) {
        story.nonce = 1;
        story.fee = FEE;
        story.versions = named(net);
        story.prompt = "When does the river rise? Answer in one sentence, please, and quote.";
        story.answer = bytes.concat(SENTENCE, OTHER);
    }

    /// @dev What an honest worker says: the sentence is Ana's, the rest Bia's.
    function honest() internal view returns (Story memory story) {
        story = base();
        story.runs = new IChallenges.Run[](2);
        story.runs[0] = IChallenges.Run(0, 66, first, 1, 0, 66, 1000);
        story.runs[1] = IChallenges.Run(66, 129, second, 0, 0, 129, 5);
        story.shares = new IChallenges.Share[](2);
        story.shares[0] = IChallenges.Share(first, 511_627);
        story.shares[1] = IChallenges.Share(second, 488_372);
    }

    /// @dev One run over all, credited to Bia, who does have all of it, but later.
    function copied() internal view returns (Story memory story) {
        story = base();
        story.runs = new IChallenges.Run[](1);
        story.runs[0] = IChallenges.Run(0, 129, second, 0, 0, 129, 5);
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(second, 1_000_000);
    }

    /// @dev The sentence is credited to a document of Ana's that does not hold it.
    function invented() internal view returns (Story memory story) {
        story = honest();
        story.runs[0].offset = 900;
    }

    /// @dev Bia's part is hers, the sentence is said to be nobody's.
    function hidden() internal view returns (Story memory story) {
        story = honest();
        story.runs[0] = IChallenges.Run(0, 66, 0, 0, 0, 0, 0);
        story.shares = new IChallenges.Share[](1);
        story.shares[0] = IChallenges.Share(second, 488_372);
    }

    /// @dev The sentence is said to echo the prompt.
    function echoed(bool inPrompt) internal view returns (Story memory story) {
        story = hidden();
        story.prompt =
            inPrompt ? bytes.concat("Repeat: ", SENTENCE) : bytes("Say something about rivers and their seasons.");
        story.runs[0] = IChallenges.Run(0, 66, PROMPT, 0, 0, 66, 8);
    }

    // ---------------------------------------------------------------- openings

    function source(uint64 contribution, uint32 document, uint256 position, uint256 size)
        internal
        view
        returns (IChallenges.SourceOpening memory opening)
    {
        bytes[] memory documents = texts[contribution];
        opening.contribution = contribution;
        opening.document = document;
        opening.path = Openings.path(documentCommitments(documents), document);
        opening.text = documentText(documents[document], document).open(position, size);
    }

    function promptSource(Story memory story, uint256 position, uint256 size)
        internal
        pure
        returns (IChallenges.SourceOpening memory opening)
    {
        opening.contribution = PROMPT;
        opening.text = promptText(story).open(position, size);
    }

    function run(Story memory story, uint32 index) internal view returns (IChallenges.RunOpening memory) {
        return Openings.openRun(receiptOf(story), story.runs, index);
    }

    function row(uint64 batch, Story memory story) internal view returns (IChallenges.RowOpening memory) {
        return openRow(batch, rowOf(story));
    }

    function notThere(uint64 batch, Story memory story, uint32 index, uint32 position) internal {
        IChallenges.Run memory r = story.runs[index];
        uint256 place = r.offset + position - r.matchStart;
        IChallenges.SourceOpening memory from =
            r.contribution == PROMPT ? promptSource(story, place, 1) : source(r.contribution, r.document, place, 1);
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, index);
        IChallenges.TextOpening memory answer = answerText(story).open(position, 1);
        announced(
            address(challenges),
            challenger,
            abi.encodeCall(IChallenges.challengeNotThere, (opening, opened, position, answer, from))
        );
    }

    function earlier(
        uint64 batch,
        Story memory story,
        uint32 index,
        uint32 position,
        IChallenges.SourceOpening memory from,
        uint64 offset
    ) internal {
        IChallenges.RowOpening memory opening = row(batch, story);
        IChallenges.RunOpening memory opened = run(story, index);
        IChallenges.TextOpening memory answer = answerText(story).open(position, 32);
        announced(
            address(challenges),
            challenger,
            abi.encodeCall(IChallenges.challengeEarlier, (opening, opened, position, offset, answer, from))
        );
    }

    function earlierByAna(uint64 batch, Story memory story, uint32 index) internal {
        earlier(batch, story, index, 10, source(first, 1, 1010, 32), 1010);
    }

    function cut(uint256 amount) internal pure returns (uint256) {
        return amount * CUT / 1e6;
    }

    /// @dev The story's receipt, with the tokens of its answer and as many more as a fee of 10 ether costs under the terms of
    /// World.
    function priced(Story memory story) internal view returns (IChallenges.AnswerReceipt memory r) {
        r = receiptOf(story);
        withTokens(r, r.outputTokens);
    }

    /// @dev The same fee with other output tokens: one of them costs two of the prompt's.
    function withTokens(IChallenges.AnswerReceipt memory r, uint32 output) internal pure {
        (r.inputTokens, r.outputTokens) = (1e9 - 2 * output, output);
    }

    function rowFor(Story memory story, IChallenges.AnswerReceipt memory r)
        internal
        view
        returns (ISettlement.Row memory made)
    {
        made = rowOf(story);
        made.receipt = challenges.receiptId(r);
    }

    function settled(Story memory story, IChallenges.AnswerReceipt memory r)
        internal
        returns (IChallenges.RowOpening memory)
    {
        ISettlement.Row memory made = rowFor(story, r);
        return openRow(settle(made), made);
    }

    function held() internal view returns (uint256) {
        return address(settlement).balance;
    }
}
