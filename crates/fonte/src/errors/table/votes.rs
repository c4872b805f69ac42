//! `FonteGovernor`, `Timelock`, `FonteToken`, `Allowance`, `Concentration`. In the order of the errors' names.

use super::{Sentence, told};

pub(super) const SENTENCES: &[Sentence] = &[
    told(
        "AccessControlBadConfirmation",
        "a role is given up by its holder alone",
        "só quem tem um papel pode renunciar a ele",
    ),
    told(
        "AccessControlUnauthorizedAccount",
        "{account} does not have the role that this needs: propose it to a vote (`fonte gov propose`)",
        "{account} não tem o papel que isto exige: proponha uma votação (`fonte gov propose`)",
    ),
    told(
        "DelayOutOfRange",
        "a delay of {delay} seconds is not between {least} and {most}",
        "um prazo de {delay} segundos não está entre {least} e {most}",
    ),
    told(
        "ECDSAInvalidSignature",
        "the signature is malformed: sign again",
        "a assinatura está malformada: assine de novo",
    ),
    told(
        "ECDSAInvalidSignatureLength",
        "a signature of {length} bytes: 65 are needed",
        "assinatura de {length} bytes: são precisos 65",
    ),
    told(
        "ECDSAInvalidSignatureS",
        "the signature is in its second, malleable form: sign with a usual wallet",
        "a assinatura está na segunda forma, maleável: assine com uma carteira comum",
    ),
    told(
        "ERC20ExceededSafeSupply",
        "wrapping would make {increasedSupply:fnt}, and votes count up to {cap:fnt}",
        "embrulhar levaria a {increasedSupply:fnt}, e votos contam até {cap:fnt}",
    ),
    told(
        "ERC20InsufficientAllowance",
        "{spender} may spend {allowance:fnt} and {needed:fnt} are needed: approve more",
        "{spender} pode gastar {allowance:fnt} e são precisos {needed:fnt}: autorize mais",
    ),
    told(
        "ERC20InsufficientBalance",
        "{sender} holds {balance:fnt} wrapped and {needed:fnt} are needed: `fonte account wrap` wraps more",
        "{sender} tem {balance:fnt} embrulhados e são precisos {needed:fnt}: `fonte account wrap` embrulha mais",
    ),
    told(
        "ERC20InvalidApprover",
        "{approver} cannot approve: name an account",
        "{approver} não pode autorizar: informe uma conta",
    ),
    told(
        "ERC20InvalidReceiver",
        "{receiver} cannot receive: name an account",
        "{receiver} não pode receber: informe uma conta",
    ),
    told("ERC20InvalidSender", "{sender} cannot send: name an account", "{sender} não pode enviar: informe uma conta"),
    told(
        "ERC20InvalidSpender",
        "{spender} cannot be let spend: name an account",
        "{spender} não pode ser autorizado: informe uma conta",
    ),
    told(
        "ERC2612ExpiredSignature",
        "the permit ended at {deadline:time}: sign a new one",
        "a permissão venceu em {deadline:time}: assine outra",
    ),
    told(
        "ERC2612InvalidSigner",
        "the permit was signed by {signer}, and {owner} has to sign it",
        "a permissão foi assinada por {signer}, e quem deve assinar é {owner}",
    ),
    told(
        "ERC3009InvalidAuthorizationTime",
        "the authorization is good from {validAfter:time} to {validBefore:time}, which is not now",
        "a autorização vale de {validAfter:time} a {validBefore:time}, e não agora",
    ),
    told(
        "ERC3009InvalidSignature",
        "the authorization is not signed by who would pay",
        "a autorização não foi assinada por quem pagaria",
    ),
    told(
        "ERC3009UsedAuthorization",
        "{authorizer} has used authorization {nonce} already: sign another",
        "{authorizer} já usou a autorização {nonce}: assine outra",
    ),
    told(
        "ERC5805FutureLookup",
        "votes of second {timepoint} are asked for and it is {clock}: wait a moment",
        "pedem-se votos do segundo {timepoint} e são {clock}: espere um instante",
    ),
    told(
        "FailedCall",
        "a call of the proposal failed without a reason: see `fonte gov show`, and simulate its calls",
        "uma chamada da proposta falhou sem motivo: veja `fonte gov show` e simule as chamadas",
    ),
    told(
        "GovernorAlreadyCastVote",
        "{voter} has voted on this proposal already, and a vote is final",
        "{voter} já votou nesta proposta, e o voto é definitivo",
    ),
    told(
        "GovernorAlreadyQueuedProposal",
        "the proposal is in the timelock already: next is `fonte gov execute`",
        "a proposta já está no timelock: agora é `fonte gov execute`",
    ),
    told(
        "GovernorDisabledDeposit",
        "the governor holds no coins: send them to the timelock",
        "o governador não guarda moedas: envie ao timelock",
    ),
    told(
        "GovernorInsufficientProposerVotes",
        "{proposer} has {votes:fnt} of votes and {threshold:fnt} are needed to propose: `fonte gov delegate --wrap FNT` gives yourself votes, which count from the next block on",
        "{proposer} tem {votes:fnt} em votos e são precisos {threshold:fnt} para propor: `fonte gov delegate --wrap FNT` lhe dá votos, que contam a partir do bloco seguinte",
    ),
    told(
        "GovernorInvalidProposalLength",
        "a proposal of {targets} targets, {values} values and {calldatas} calls: they must be as many, and at least one",
        "uma proposta com {targets} alvos, {values} valores e {calldatas} chamadas: devem ser iguais em número, e ao menos um",
    ),
    told(
        "GovernorInvalidQuorumFraction",
        "a quorum of {quorumNumerator} of {quorumDenominator} is more than all",
        "um quórum de {quorumNumerator} em {quorumDenominator} é mais que tudo",
    ),
    told("GovernorInvalidSignature", "the ballot is not signed by {voter}", "a cédula não foi assinada por {voter}"),
    told("GovernorInvalidVoteParams", "this vote takes no parameters", "esta votação não recebe parâmetros"),
    told("GovernorInvalidVoteType", "a vote is for, against or abstain", "um voto é for, against ou abstain"),
    told(
        "GovernorInvalidVotingPeriod",
        "a vote of {votingPeriod} seconds is none",
        "uma votação de {votingPeriod} segundos não é votação",
    ),
    told(
        "GovernorNonexistentProposal",
        "there is no proposal {proposalId}: see `fonte gov list`",
        "não existe a proposta {proposalId}: veja `fonte gov list`",
    ),
    told(
        "GovernorOnlyExecutor",
        "{account} may not do this: only a vote may, through the timelock (`fonte gov propose`)",
        "{account} não pode fazer isto: só uma votação, pelo timelock (`fonte gov propose`)",
    ),
    told(
        "GovernorPreventLateQuorumVoteExtensionTooLarge",
        "an extension of {newVoteExtension} seconds is above {maxVoteExtension}",
        "uma extensão de {newVoteExtension} segundos passa de {maxVoteExtension}",
    ),
    told(
        "GovernorProposalQueueingFailed",
        "the timelock did not take proposal {proposalId}",
        "o timelock não aceitou a proposta {proposalId}",
    ),
    told(
        "GovernorProposalQueueingNotRequired",
        "proposal {proposalId} needs no queue",
        "a proposta {proposalId} não precisa de fila",
    ),
    told(
        "GovernorRestrictedProposer",
        "{proposer} may not make this proposal: its text reserves it for another account",
        "{proposer} não pode fazer esta proposta: o texto a reserva a outra conta",
    ),
    told(
        "GovernorUnableToCancel",
        "{account} cannot cancel proposal {proposalId}: its proposer can before the vote, the guardian while it waits in the timelock",
        "{account} não pode cancelar a proposta {proposalId}: o proponente pode antes da votação, o guardião enquanto ela espera no timelock",
    ),
    told(
        "GovernorUnexpectedProposalState",
        "the proposal is {current:proposal}, in which this cannot be done: `fonte gov show` says what can",
        "a proposta está {current:proposal}, e assim isto não pode ser feito: `fonte gov show` diz o que pode",
    ),
    told(
        "InvalidAccountNonce",
        "{account} is at nonce {currentNonce}: sign again with that one",
        "{account} está no número {currentNonce}: assine de novo com ele",
    ),
    told(
        "InvalidBudget",
        "a budget needs a gateway, a session key, an amount and a period",
        "um orçamento precisa de gateway, chave de sessão, valor e período",
    ),
    told("InvalidShortString", "a stored text is damaged", "um texto guardado está danificado"),
    told(
        "NoBudget",
        "gateway {gateway} has no budget of the free allowance: propose one (`fonte gov propose allowance-budget`)",
        "o gateway {gateway} não tem orçamento da cota gratuita: proponha um (`fonte gov propose allowance-budget`)",
    ),
    told("NoGovernor", "the timelock needs a governor", "o timelock precisa de um governador"),
    told("NoQuorum", "a governor needs a least quorum", "um governador precisa de um quórum mínimo"),
    told(
        "NotAscending",
        "the delegates must be in ascending order, and {delegate} is not",
        "os delegados devem vir em ordem crescente, e {delegate} não vem",
    ),
    told(
        "NotCancellable",
        "operation {id} replaces the guardian, and nobody may stop that",
        "a operação {id} substitui o guardião, e ninguém pode impedi-la",
    ),
    told(
        "Allowance.NotGovernance",
        "{account} may not do this: only a vote may (`fonte gov propose`)",
        "{account} não pode fazer isto: só uma votação (`fonte gov propose`)",
    ),
    told(
        "OneGuardian",
        "there is one guardian: a vote names another with Timelock.setGuardian",
        "há um só guardião: uma votação nomeia outro com Timelock.setGuardian",
    ),
    told(
        "ReclaimRunning",
        "{amount:fnt} wait to be collected from {availableAt:time} on",
        "{amount:fnt} esperam ser recolhidos a partir de {availableAt:time}",
    ),
    told(
        "StillSpending",
        "gateway {gateway} may still spend {amount:fnt} of the allowance: wait",
        "o gateway {gateway} ainda pode gastar {amount:fnt} da cota: espere",
    ),
    told("StringTooLong", "the text is too long to be kept: {str}", "o texto é longo demais para ser guardado: {str}"),
    told(
        "TimelockInsufficientDelay",
        "a delay of {delay} seconds is below the timelock's {minDelay}",
        "um prazo de {delay} segundos está abaixo dos {minDelay} do timelock",
    ),
    told(
        "TimelockInvalidOperationLength",
        "{targets} targets, {payloads} calls and {values} values: they must be as many",
        "{targets} alvos, {payloads} chamadas e {values} valores: devem ser iguais em número",
    ),
    told("TimelockIsFixed", "the timelock of a network is its only one", "o timelock de uma rede é o único"),
    told(
        "TimelockUnauthorizedCaller",
        "{caller} may not do this: only the timelock itself, after a vote (`fonte gov propose`)",
        "{caller} não pode fazer isto: só o próprio timelock, depois de uma votação (`fonte gov propose`)",
    ),
    told(
        "TimelockUnexecutedPredecessor",
        "operation {predecessorId} has to be executed first",
        "a operação {predecessorId} deve ser executada antes",
    ),
    told(
        "TimelockUnexpectedOperationState",
        "operation {operationId} is not ready, or is done: `fonte gov show` says when it can be executed",
        "a operação {operationId} não está pronta, ou já foi feita: `fonte gov show` diz quando pode ser executada",
    ),
    told(
        "TooManyGateways",
        "{most} gateways have budgets already: revoke one first",
        "{most} gateways já têm orçamento: revogue um antes",
    ),
    told("Allowance.TransferRefused", "the treasury refused {amount:fnt}", "o tesouro recusou {amount:fnt}"),
    told(
        "VotesExpiredSignature",
        "the signature was good until {expiry:time}: sign again",
        "a assinatura valia até {expiry:time}: assine de novo",
    ),
];
