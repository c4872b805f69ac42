//! The sentences, in the order of the errors' names.

use super::{Sentence, Words};

pub(super) const WORDS: &[Words] = &[
    Words {
        list: "proposal",
        english: &["pending", "in vote", "cancelled", "defeated", "passed", "in the timelock", "expired", "executed"],
        portuguese: &["à espera", "em votação", "cancelada", "rejeitada", "aprovada", "no timelock", "vencida", "executada"],
    },
    Words {
        list: "kind",
        english: &["quote model", "base model", "adapter"],
        portuguese: &["de citações", "base", "adaptador"],
    },
    Words {
        list: "direction",
        english: &["at least", "at most"],
        portuguese: &["ao menos", "no máximo"],
    },
    Words {
        list: "model_state",
        english: &["unknown", "registered", "independent", "proposed", "approved", "in training", "in evaluation", "evaluated", "deployed", "suspended", "retired", "expired"],
        portuguese: &["desconhecido", "registrado", "independente", "proposto", "aprovado", "em treino", "em avaliação", "avaliado", "implantado", "suspenso", "aposentado", "vencido"],
    },
    Words {
        list: "model_reason",
        english: &["nothing", "no such model", "not deployed", "its deadline passed", "suspended for a breach of its acceptable use", "retired", "trained on texts that were withdrawn", "its base is suspended", "its base was trained on texts that were withdrawn"],
        portuguese: &["nada", "não existe", "não implantado", "prazo vencido", "suspenso por uso indevido", "aposentado", "treinado com textos retirados", "a base está suspensa", "a base foi treinada com textos retirados"],
    },
    Words {
        list: "contribution",
        english: &["not revealed", "pending", "accepted", "withdrawn", "rejected"],
        portuguese: &["não revelada", "pendente", "aceita", "retirada", "recusada"],
    },
    Words {
        list: "worker_status",
        english: &["not registered", "active", "paused", "leaving"],
        portuguese: &["não registrada", "ativa", "em pausa", "de saída"],
    },
    Words {
        list: "review_stage",
        english: &["unknown", "waiting for its panel", "in vote", "decided, and open to appeal", "undecided by any panel", "closed"],
        portuguese: &["desconhecido", "à espera do painel", "em votação", "decidido, e cabe recurso", "sem decisão de painel", "encerrado"],
    },
    Words {
        list: "review_vote",
        english: &["no seat", "seated", "committed", "approved", "rejected"],
        portuguese: &["sem cadeira", "sentada", "registrada", "aprovou", "recusou"],
    },
    Words {
        list: "evaluation_phase",
        english: &["unknown", "waiting for its draw", "committing", "revealing", "counting", "closed with a score", "failed"],
        portuguese: &["desconhecida", "à espera do sorteio", "registrando notas", "revelando notas", "em contagem", "encerrada com nota", "sem resultado"],
    },
    Words {
        list: "demand",
        english: &["unknown", "open", "answered", "judged"],
        portuguese: &["desconhecida", "aberta", "atendida", "julgada"],
    },
    Words {
        list: "wanted",
        english: &["a receipt", "evidence", "an answer", "a prompt", "a source"],
        portuguese: &["recibo", "evidência", "resposta", "pergunta", "fonte"],
    },
    Words {
        list: "licence",
        english: &["nothing", "indexing", "training", "indexing and training", "quoting", "indexing and quoting", "training and quoting", "indexing, training and quoting"],
        portuguese: &["nada", "indexar", "treinar", "indexar e treinar", "citar", "indexar e citar", "treinar e citar", "indexar, treinar e citar"],
    },
];

const fn told(error: &'static str, english: &'static str, portuguese: &'static str) -> Sentence {
    Sentence { error, english, portuguese }
}

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
        "AlreadyChallenged",
        "run {run} of row {row} in batch {batch} has been challenged already: its gateway has paid",
        "o trecho {run} da linha {row} do lote {batch} já foi contestado: o gateway já pagou",
    ),
    told(
        "AlreadyDemanded",
        "the same was demanded before, as demand {demand}: see how that one ends",
        "o mesmo já foi exigido, na exigência {demand}: veja como ela termina",
    ),
    told(
        "AlreadyJudged",
        "the share of contribution {contribution} in row {row} of batch {batch} has been challenged already",
        "a parte da contribuição {contribution} na linha {row} do lote {batch} já foi contestada",
    ),
    told(
        "AlreadyListed",
        "{operator} is a candidate already: stake more with `fonte chain stake`",
        "{operator} já é candidato: aposte mais com `fonte chain stake`",
    ),
    told(
        "AlreadyMarked",
        "a withdrawal is marked on model {model} already: it stops at {stopsAt:time}",
        "o modelo {model} já está marcado por uma retirada: ele para em {stopsAt:time}",
    ),
    told(
        "AlreadyRegistered",
        "{operator} has registered its keys before, and an operator has one pair for ever",
        "{operator} já registrou suas chaves, e cada operador tem um só par para sempre",
    ),
    told(
        "Datanets.AlreadyRevealed",
        "contribution {contribution} has been revealed already: see `fonte datanet show`",
        "a contribuição {contribution} já foi revelada: veja `fonte datanet show`",
    ),
    told(
        "Models.AlreadyRevealed",
        "the evaluation set of model {model} is open already: next is `fonte model evaluate {model} open`",
        "o conjunto de avaliação do modelo {model} já está aberto: agora é `fonte model evaluate {model} open`",
    ),
    told(
        "AnswerMismatch",
        "what was shown hashes to {shown}, and {expected} was demanded: show what the receipt commits to",
        "o mostrado tem o hash {shown}, e foi exigido {expected}: mostre aquilo com que o recibo se compromete",
    ),
    told(
        "BadVote",
        "vote {vote} of the evidence was not signed by {operator}'s key on this network",
        "o voto {vote} da prova não foi assinado pela chave de {operator} nesta rede",
    ),
    told(
        "BaseMismatch",
        "model {base} cannot be this model's base: it must be a base model, among the parents, with the weights that the adapter names",
        "o modelo {base} não pode ser a base: deve ser um modelo base, estar entre os antecessores e ter os pesos que o adaptador nomeia",
    ),
    told(
        "BatchMismatch",
        "there are {reveals} contributions and {signatures} signatures: send one signature for each",
        "há {reveals} contribuições e {signatures} assinaturas: envie uma assinatura para cada",
    ),
    told(
        "BondShort",
        "the gateway's free bond is {have:fnt} and {need:fnt} are needed: bond more, or wait until open batches are paid out",
        "a caução livre do gateway é {have:fnt} e são precisos {need:fnt}: aumente a caução ou espere os lotes abertos serem pagos",
    ),
    told(
        "ByteIsThere",
        "the byte at {position} is where the receipt says: there is nothing to prove",
        "o byte em {position} está onde o recibo diz: não há o que provar",
    ),
    told(
        "ByteNotOpened",
        "the proof does not open byte {position}: open the chunk that holds it",
        "a prova não abre o byte {position}: abra o pedaço que o contém",
    ),
    told(
        "CheckpointUnorderedInsertion",
        "the clock went backwards within a record of history: this should not happen, please report it",
        "o relógio andou para trás num registro histórico: isto não deveria acontecer, relate o problema",
    ),
    told(
        "ChunkCount",
        "{chunks} chunks were opened: a proof opens one or two neighbouring ones",
        "{chunks} pedaços foram abertos: uma prova abre um ou dois vizinhos",
    ),
    told(
        "ChunkLength",
        "chunk {index} has {length} bytes, which its text does not allow",
        "o pedaço {index} tem {length} bytes, o que seu texto não permite",
    ),
    told(
        "ChunksDiffer",
        "the two chunks are not neighbours in one text",
        "os dois pedaços não são vizinhos num mesmo texto",
    ),
    told(
        "CommitmentMismatch",
        "what was revealed does not open the commitment {commitment}: reveal from the machine and data directory that committed",
        "o revelado não abre o compromisso {commitment}: revele da máquina e do diretório de dados que o registraram",
    ),
    told(
        "CommittedAs",
        "the commitment is held by contribution {contribution}, which came earlier: reveal that one",
        "o compromisso pertence à contribuição {contribution}, que veio antes: revele aquela",
    ),
    told(
        "CriteriaMissed",
        "model {model} scored {score}, and {direction:direction} {threshold} was voted: it cannot be deployed; train again and propose anew",
        "o modelo {model} teve nota {score}, e foi votado {direction:direction} {threshold}: não pode ser implantado; treine de novo e faça outra proposta",
    ),
    told(
        "DeadlinePassed",
        "the time of model {model} for this ended at {deadline:time}: `fonte model expire {model}` ends it, then propose anew",
        "o prazo do modelo {model} para isto acabou em {deadline:time}: `fonte model expire {model}` o encerra, depois proponha outra vez",
    ),
    told(
        "DeadlineRunning",
        "model {model} has until {deadline:time}: wait until then",
        "o modelo {model} tem até {deadline:time}: espere até lá",
    ),
    told(
        "DebitMismatch",
        "the voucher of {payer} debits {debit:fnt} and its rows cost {fees:fnt}: they must be the same",
        "o vale de {payer} debita {debit:fnt} e suas linhas custam {fees:fnt}: devem ser iguais",
    ),
    told(
        "DelayOutOfRange",
        "a delay of {delay} seconds is not between {least} and {most}",
        "um prazo de {delay} segundos não está entre {least} e {most}",
    ),
    told(
        "Demands.DepositShort",
        "a deposit of {need:fnt} is needed, and {have:fnt} were attached",
        "é preciso um depósito de {need:fnt}, e foram enviados {have:fnt}",
    ),
    told(
        "Settlement.DepositShort",
        "the deposit holds {have:fnt} and {need:fnt} are needed: `fonte account deposit` adds to it",
        "o depósito tem {have:fnt} e são precisos {need:fnt}: `fonte account deposit` acrescenta",
    ),
    told(
        "DifferentRequests",
        "the two rows do not settle one request of one gateway: there is no double settlement",
        "as duas linhas não são do mesmo pedido do mesmo gateway: não há pagamento em dobro",
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
    told(
        "ERC20InvalidSender",
        "{sender} cannot send: name an account",
        "{sender} não pode enviar: informe uma conta",
    ),
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
        "EmptyContribution",
        "a contribution needs documents, a contributor and a payee",
        "uma contribuição precisa de documentos, autor e recebedor",
    ),
    told(
        "EpochNotOver",
        "the epoch lasts until block {untilBlock} and {untilTime:time}: elect then",
        "a época dura até o bloco {untilBlock} e {untilTime:time}: eleja depois disso",
    ),
    told(
        "Error",
        "{message}",
        "recusado: {message}",
    ),
    told(
        "EvidenceMismatch",
        "the opened evidence is {opened}, the receipt commits to {expected}: use that receipt's evidence",
        "a evidência aberta é {opened}, o recibo se compromete com {expected}: use a evidência daquele recibo",
    ),
    told(
        "EvidenceTooOld",
        "{operator} has had no seat since {unseatedAt:time}: evidence no longer counts",
        "{operator} não tem cadeira desde {unseatedAt:time}: a prova já não conta",
    ),
    told(
        "FailedCall",
        "a call of the proposal failed without a reason: see `fonte gov show`, and simulate its calls",
        "uma chamada da proposta falhou sem motivo: veja `fonte gov show` e simule as chamadas",
    ),
    told(
        "FeesTooHigh",
        "fees of {fees:fnt} are above {most:fnt}, one stake for each seat: offer less",
        "{fees:fnt} passam de {most:fnt}, uma caução por cadeira: ofereça menos",
    ),
    told(
        "Demands.GasTooLow",
        "{have} gas is left, and judging needs {need}: send with more gas",
        "restam {have} de gás, e julgar exige {need}: envie com mais gás",
    ),
    told(
        "Reviews.GasTooLow",
        "{gasLeft} gas is left, and the decision needs {gasNeeded} to be delivered: send with more gas",
        "restam {gasLeft} de gás, e entregar a decisão exige {gasNeeded}: envie com mais gás",
    ),
    told(
        "Settlement.GasTooLow",
        "{have} gas is left, and paying needs {need}: send with more gas or pay fewer at once",
        "restam {have} de gás, e pagar exige {need}: envie com mais gás ou pague menos de uma vez",
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
        "{proposer} has {votes:fnt} of votes and {threshold:fnt} are needed to propose: `fonte gov delegate --wrap FNT` gives yourself votes",
        "{proposer} tem {votes:fnt} em votos e são precisos {threshold:fnt} para propor: `fonte gov delegate --wrap FNT` lhe dá votos",
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
    told(
        "GovernorInvalidSignature",
        "the ballot is not signed by {voter}",
        "a cédula não foi assinada por {voter}",
    ),
    told(
        "GovernorInvalidVoteParams",
        "this vote takes no parameters",
        "esta votação não recebe parâmetros",
    ),
    told(
        "GovernorInvalidVoteType",
        "a vote is for, against or abstain",
        "um voto é for, against ou abstain",
    ),
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
        "HashMismatch",
        "a {kind:kind} does not go with these hashes: a base model has an artifact only, an adapter both, a quote model no adapter, a proposal none yet",
        "um modelo {kind:kind} não combina com estes hashes: um modelo base só tem artefato, um adaptador tem os dois, um de citações não tem adaptador, uma proposta ainda não tem nenhum",
    ),
    told(
        "InvalidAccountNonce",
        "{account} is at nonce {currentNonce}: sign again with that one",
        "{account} está no número {currentNonce}: assine de novo com ele",
    ),
    told(
        "InvalidAuthor",
        "{author} cannot be made the author: it must be an account other than the present author",
        "{author} não pode ser o autor: deve ser uma conta diferente do autor atual",
    ),
    told(
        "InvalidBudget",
        "a budget needs a gateway, a session key, an amount and a period",
        "um orçamento precisa de gateway, chave de sessão, valor e período",
    ),
    told(
        "InvalidCommitment",
        "{commitment} cannot be committed: it is empty, or this seat has committed before",
        "{commitment} não pode ser registrado: está vazio, ou esta cadeira já registrou o seu",
    ),
    told(
        "InvalidConsensusKey",
        "{key} is no compressed point of secp256r1 (33 bytes, 02 or 03 first)",
        "{key} não é um ponto comprimido de secp256r1 (33 bytes, começando por 02 ou 03)",
    ),
    told(
        "InvalidCriteria",
        "{evaluators} evaluators, a quorum of {quorum} and {trainingSeconds} seconds to train cannot be voted: 1 to 15 evaluators, a quorum of more than half, and some time",
        "{evaluators} avaliadores, quórum {quorum} e {trainingSeconds} segundos de treino não podem ser votados: de 1 a 15 avaliadores, quórum de mais da metade, e algum tempo",
    ),
    told(
        "InvalidJurisdiction",
        "{jurisdiction:text} is no ISO 3166-1 alpha-2 code, such as BR",
        "{jurisdiction:text} não é um código ISO 3166-1 alfa-2, como BR",
    ),
    told(
        "InvalidNetworkAddress",
        "a network address of {length} bytes: give host:port",
        "um endereço de rede de {length} bytes: informe host:porta",
    ),
    told(
        "InvalidNetworkKey",
        "{key} is no ed25519 key",
        "{key} não é uma chave ed25519",
    ),
    told(
        "InvalidPanel",
        "{approvals} of {reviewers} reviewers is no panel: 1 to 15 reviewers, and 1 approval up to all of them",
        "{approvals} de {reviewers} revisores não formam um painel: de 1 a 15 revisores, e de 1 a todas as aprovações",
    ),
    told(
        "InvalidParameter",
        "a parameter of the contract is out of its range",
        "um parâmetro do contrato está fora da faixa",
    ),
    told(
        "InvalidParent",
        "model {parent} cannot be a parent of model {model}: parents are named in order, come earlier, and have a developer to pay",
        "o modelo {parent} não pode ser antecessor do modelo {model}: antecessores vêm em ordem, são anteriores e têm um desenvolvedor a pagar",
    ),
    told(
        "InvalidParts",
        "a splitter has 1 to 16 parts of distinct payees that sum to 1000000 ppm",
        "um divisor tem de 1 a 16 partes de recebedores distintos, que somam 1000000 ppm",
    ),
    told(
        "InvalidPolicy",
        "a policy with flags {flags} and a curator's cut of {curatorPpm:ppm} is none: the cut is at most 100 %",
        "uma política com opções {flags} e parte do curador de {curatorPpm:ppm} não existe: a parte é de no máximo 100 %",
    ),
    told(
        "InvalidRow",
        "row {row} of the batch is malformed",
        "a linha {row} do lote está malformada",
    ),
    told(
        "InvalidShortString",
        "a stored text is damaged",
        "um texto guardado está danificado",
    ),
    told(
        "InvalidSignature",
        "the signature is not {contributor}'s: sign with the contributor's key on this network",
        "a assinatura não é de {contributor}: assine com a chave do autor nesta rede",
    ),
    told(
        "InvalidSlots",
        "{slots} slots: name at least one, and no more than the contract's limit",
        "{slots} vagas: informe ao menos uma, e não mais que o limite do contrato",
    ),
    told(
        "InvalidTable",
        "entry {index} of the batch's tables is out of order, or names nobody",
        "a entrada {index} das tabelas do lote está fora de ordem, ou não nomeia ninguém",
    ),
    told(
        "InvalidVersion",
        "{version} names no datanet version that exists: datanet and version, such as coffee@7",
        "{version} não nomeia uma versão de datanet que exista: datanet e versão, como coffee@7",
    ),
    told(
        "IsJailed",
        "{operator} signed conflicting votes, and is out for ever: stake on another",
        "{operator} assinou votos conflitantes e está fora para sempre: aposte em outro",
    ),
    told(
        "KeyTaken",
        "{operator} has registered this key: each key has one seat",
        "{operator} já registrou esta chave: cada chave tem uma só cadeira",
    ),
    told(
        "LicenceForbids",
        "the licence of datanet {datanet} does not allow {flags:licence}: leave that datanet out",
        "a licença do datanet {datanet} não permite {flags:licence}: deixe esse datanet de fora",
    ),
    told(
        "LicenceKeeps",
        "the licence of datanet {datanet} keeps trained models lawful after a withdrawal: there is nothing to mark",
        "a licença do datanet {datanet} mantém lícitos os modelos treinados após uma retirada: não há o que marcar",
    ),
    told(
        "LineageTooLarge",
        "{generations} generations and {ancestors} ancestors to pay: at most 4 generations and 7 ancestors",
        "{generations} gerações e {ancestors} antecessores a pagar: no máximo 4 gerações e 7 antecessores",
    ),
    told(
        "ListFull",
        "the list of candidates is full, and its lowest has {lowest:fnt}: stake more than that",
        "a lista de candidatos está cheia, e o menor tem {lowest:fnt}: aposte mais que isso",
    ),
    told(
        "NoBudget",
        "gateway {gateway} has no budget of the free allowance: propose one (`fonte gov propose allowance-budget`)",
        "o gateway {gateway} não tem orçamento da cota gratuita: proponha um (`fonte gov propose allowance-budget`)",
    ),
    told(
        "NoConflict",
        "the two votes do not contradict each other: there is nothing to punish",
        "os dois votos não se contradizem: não há o que punir",
    ),
    told(
        "NoDeveloper",
        "the developer's part needs a payee: give --developer ADDRESS",
        "a parte do desenvolvedor precisa de quem a receba: informe --developer ENDEREÇO",
    ),
    told(
        "NoGovernor",
        "the timelock needs a governor",
        "o timelock precisa de um governador",
    ),
    told(
        "NoNotice",
        "a notice and a step must last at least a second",
        "um aviso e uma etapa devem durar ao menos um segundo",
    ),
    told(
        "NoQuorum",
        "a governor needs a least quorum",
        "um governador precisa de um quórum mínimo",
    ),
    told(
        "NoRoundLeft",
        "all rounds of evaluating model {model} are used up: propose it anew",
        "as rodadas de avaliação do modelo {model} acabaram: proponha-o de novo",
    ),
    told(
        "NoSuchChunk",
        "there is no chunk {chunk} in that text, or the run quotes nothing of it",
        "não há pedaço {chunk} naquele texto, ou o trecho nada cita dele",
    ),
    told(
        "NotANullify",
        "a nullify vote has neither parent nor payload",
        "um voto de anulação não tem antecessor nem conteúdo",
    ),
    told(
        "NotAffected",
        "model {model} was not trained on contribution {contribution}, or that is not withdrawn",
        "o modelo {model} não foi treinado com a contribuição {contribution}, ou ela não foi retirada",
    ),
    told(
        "NotAllowed",
        "{account} may not do this: it takes another key, or a vote (`fonte gov propose`)",
        "{account} não pode fazer isto: precisa de outra chave, ou de uma votação (`fonte gov propose`)",
    ),
    told(
        "NotAscending",
        "the delegates must be in ascending order, and {delegate} is not",
        "os delegados devem vir em ordem crescente, e {delegate} não vem",
    ),
    told(
        "NotBonded",
        "{bonded:fnt} are staked there, and {amount:fnt} were asked for: take off at most what is there",
        "há {bonded:fnt} apostados ali, e pediram-se {amount:fnt}: retire no máximo o que há",
    ),
    told(
        "NotCancellable",
        "operation {id} replaces the guardian, and nobody may stop that",
        "a operação {id} substitui o guardião, e ninguém pode impedi-la",
    ),
    told(
        "NotCanonical",
        "the address is not in canonical form; the fault is at byte {position}: write it as https://host/path, in lower case, without query or fragment",
        "o endereço não está na forma canônica; a falha está no byte {position}: escreva https://host/caminho, em minúsculas, sem consulta nem fragmento",
    ),
    told(
        "NotCommitted",
        "nobody has committed {commitment}: publish again, the commit comes first",
        "ninguém registrou {commitment}: publique de novo, o compromisso vem antes",
    ),
    told(
        "NotDemands",
        "{account} may not do this: only the contract of the demands may",
        "{account} não pode fazer isto: só o contrato das exigências",
    ),
    told(
        "NotEarlier",
        "contribution {contribution} is not earlier than {credited}, which was credited: there is nothing to prove",
        "a contribuição {contribution} não é anterior a {credited}, que foi creditada: não há o que provar",
    ),
    told(
        "NotEvaluating",
        "model {model} is not being evaluated: `fonte model show {model}` says where it stands",
        "o modelo {model} não está em avaliação: `fonte model show {model}` diz como está",
    ),
    told(
        "NotEvaluator",
        "{account} has no seat in round {round} of evaluating model {model}: `fonte model evaluate {model} status` names them",
        "{account} não tem cadeira na rodada {round} da avaliação do modelo {model}: `fonte model evaluate {model} status` diz quem tem",
    ),
    told(
        "Allowance.NotGovernance",
        "{account} may not do this: only a vote may (`fonte gov propose`)",
        "{account} não pode fazer isto: só uma votação (`fonte gov propose`)",
    ),
    told(
        "Workers.NotGovernance",
        "{caller} may not do this: only a vote may (`fonte gov propose`)",
        "{caller} não pode fazer isto: só uma votação (`fonte gov propose`)",
    ),
    told(
        "NotGranted",
        "case {caseId} is not decided for good in the claim's favour: `fonte review show {caseId}` says how it stands",
        "o caso {caseId} não está decidido em definitivo a favor do pedido: `fonte review show {caseId}` diz como está",
    ),
    told(
        "NotInUse",
        "model {model} is {state:model_state}: there is nothing to suspend",
        "o modelo {model} está {state:model_state}: não há o que suspender",
    ),
    told(
        "NotJudge",
        "{account} may not do this: only a contract that judges may",
        "{account} não pode fazer isto: só um contrato que julga",
    ),
    told(
        "NotListed",
        "{operator} is no candidate",
        "{operator} não é candidato",
    ),
    told(
        "NotMember",
        "contribution {contribution} is in none of the named versions",
        "a contribuição {contribution} não está em nenhuma das versões nomeadas",
    ),
    told(
        "NotNamed",
        "contribution {contribution} is in none of the versions that the receipt names",
        "a contribuição {contribution} não está em nenhuma das versões que o recibo nomeia",
    ),
    told(
        "NotOpen",
        "demand {demand} is {status:demand}, in which this cannot be done",
        "a exigência {demand} está {status:demand}, e assim isto não pode ser feito",
    ),
    told(
        "NotOrigins",
        "{account} may not do this: only the contract of the origins may",
        "{account} não pode fazer isto: só o contrato das origens",
    ),
    told(
        "NotOwner",
        "{account} does not own model {model}: use its owner's key",
        "{account} não é dono do modelo {model}: use a chave do dono",
    ),
    told(
        "NotProved",
        "the consensus key did not sign this registration: sign it with the node's key",
        "a chave de consenso não assinou este registro: assine com a chave do nó",
    ),
    told(
        "NotRegistered",
        "{account} is no reviewer in the pool: `fonte review register` enters it",
        "{account} não é revisor do grupo: `fonte review register` entra nele",
    ),
    told(
        "NotReviews",
        "{account} may not do this: only the pool of reviewers may",
        "{account} não pode fazer isto: só o grupo de revisores",
    ),
    told(
        "NotYet",
        "the stake comes back from {leavesAt:time} on, without open seats ({seats} are open): leave first, then wait",
        "a caução volta a partir de {leavesAt:time}, sem cadeiras abertas (há {seats}): saia primeiro e espere",
    ),
    told(
        "NothingCredited",
        "the row credits nothing there: there is nothing to challenge",
        "a linha não credita nada ali: não há o que contestar",
    ),
    told(
        "NothingDue",
        "nothing is due to {payee} yet",
        "ainda nada é devido a {payee}",
    ),
    told(
        "NothingSent",
        "no coins were attached: give an amount",
        "nenhuma moeda foi enviada: informe um valor",
    ),
    told(
        "NothingToClaim",
        "nothing waits for {account}",
        "nada espera por {account}",
    ),
    told(
        "NothingToDo",
        "there is nothing to do: the amount is zero, or nothing waits",
        "não há nada a fazer: o valor é zero, ou nada espera",
    ),
    told(
        "NothingToPenalize",
        "{evaluator} agreed, said nothing, or has paid already: there is nothing to take",
        "{evaluator} concordou, nada disse, ou já pagou: não há o que tirar",
    ),
    told(
        "NothingToRelease",
        "origin {origin} has no verified author, or its vault holds nothing",
        "a origem {origin} não tem autor verificado, ou o cofre está vazio",
    ),
    told(
        "NothingToTrain",
        "a quote model has no weights: register it without base, training or evaluation",
        "um modelo de citações não tem pesos: registre-o sem base, treino ou avaliação",
    ),
    told(
        "NoticeRunning",
        "the notice runs until {availableAt:time}: come back then",
        "o aviso corre até {availableAt:time}: volte depois",
    ),
    told(
        "OneGuardian",
        "there is one guardian: a vote names another with Timelock.setGuardian",
        "há um só guardião: uma votação nomeia outro com Timelock.setGuardian",
    ),
    told(
        "OutsideRun",
        "position {position} is outside of the challenged run",
        "a posição {position} está fora do trecho contestado",
    ),
    told(
        "Overtaken",
        "another claim was granted after case {caseId} was asked ({granted} by now): claim again with --ask, before a larger panel",
        "outro pedido foi aceito depois do caso {caseId} (já são {granted}): peça de novo com --ask, diante de um painel maior",
    ),
    told(
        "PageTooLarge",
        "{limit} workers at once are too many: ask in smaller pages",
        "{limit} máquinas de uma vez são demais: peça em páginas menores",
    ),
    told(
        "Panic",
        "the contract hit its own check {code}: this should not happen, please report it",
        "o contrato caiu na própria verificação {code}: isto não deveria acontecer, relate o problema",
    ),
    told(
        "PartsExceed",
        "the parts of a fee sum to {ppm} ppm, more than all",
        "as partes de uma taxa somam {ppm} ppm, mais que tudo",
    ),
    told(
        "PartsMismatch",
        "the parts sum to {sum} ppm, and they must sum to 1000000",
        "as partes somam {sum} ppm, e devem somar 1000000",
    ),
    told(
        "PathInvalid",
        "a Merkle path of {siblings} steps does not open leaf {index} of {leaves}",
        "um caminho de Merkle com {siblings} passos não abre a folha {index} de {leaves}",
    ),
    told(
        "PayeeHeld",
        "what contribution {contribution} earns is held for its author in {vault}: nobody can redirect it",
        "o que a contribuição {contribution} ganha está guardado para o autor em {vault}: ninguém pode desviar",
    ),
    told(
        "PriceBelowFloor",
        "datanet {datanet} asks for at least {floor:fnt} per 1,000 output tokens, and {price:fnt} were offered: raise --price-out or leave the datanet out",
        "o datanet {datanet} pede ao menos {floor:fnt} por 1.000 tokens de saída, e a oferta é {price:fnt}: aumente --price-out ou deixe o datanet de fora",
    ),
    told(
        "PrivateReceipt",
        "the receipt is private: its payer {payer} alone may demand",
        "o recibo é privado: só quem pagou, {payer}, pode exigir",
    ),
    told(
        "ReceiptMismatch",
        "the opened receipt is {opened}, the row settles {expected}: use that receipt",
        "o recibo aberto é {opened}, a linha paga {expected}: use aquele recibo",
    ),
    told(
        "ReclaimRunning",
        "{amount:fnt} wait to be collected from {availableAt:time} on",
        "{amount:fnt} esperam ser recolhidos a partir de {availableAt:time}",
    ),
    told(
        "ReentrancyGuardReentrantCall",
        "the contract was called from within its own call",
        "o contrato foi chamado de dentro da própria chamada",
    ),
    told(
        "ResponseTime",
        "demand {demand} is to be answered until block {dueBlock} and {dueTime:time}, and judged after that",
        "a exigência {demand} deve ser atendida até o bloco {dueBlock} e {dueTime:time}, e julgada depois disso",
    ),
    told(
        "RevealExpired",
        "the commit of contribution {contribution} lapsed at block {revealBy}: publish again",
        "o compromisso da contribuição {contribution} venceu no bloco {revealBy}: publique de novo",
    ),
    told(
        "RowFollows",
        "the row follows from its receipt, and its fee from prices that were in force: there is nothing to prove",
        "a linha decorre do recibo, e a taxa de preços em vigor: não há o que provar",
    ),
    told(
        "RowMismatch",
        "the opened row is not row {index} of batch {batch}",
        "a linha aberta não é a linha {index} do lote {batch}",
    ),
    told(
        "RowReversed",
        "row {row} of batch {batch} has been reversed already",
        "a linha {row} do lote {batch} já foi revertida",
    ),
    told(
        "RoyaltiesExceed",
        "royalties of {royaltyPpm:ppm} exceed {limitPpm:ppm}: raise the developer's part or grant less",
        "royalties de {royaltyPpm:ppm} passam de {limitPpm:ppm}: aumente a parte do desenvolvedor ou conceda menos",
    ),
    told(
        "RoyaltyTooLow",
        "model {parent} asks for a royalty of at least {least:ppm}, and {granted:ppm} was granted: give --parent {parent}:{least}",
        "o modelo {parent} pede royalty de ao menos {least:ppm}, e a oferta é {granted:ppm}: informe --parent {parent}:{least}",
    ),
    told(
        "SafeCastOverflowedUintDowncast",
        "{value} does not fit into {bits} bits: give less",
        "{value} não cabe em {bits} bits: informe menos",
    ),
    told(
        "ShareFollows",
        "the share of contribution {contribution} is {ppm} ppm, as the evidence says: there is nothing to prove",
        "a parte da contribuição {contribution} é de {ppm} ppm, como diz a evidência: não há o que provar",
    ),
    told(
        "ShareInvalid",
        "share {share} of the row is malformed",
        "a parte {share} da linha está malformada",
    ),
    told(
        "SharesExceed",
        "the shares of row {row} sum to {ppm} ppm, more than all",
        "as partes da linha {row} somam {ppm} ppm, mais que tudo",
    ),
    told(
        "SignatureExpired",
        "the signature was good until {deadline:time}: sign again",
        "a assinatura valia até {deadline:time}: assine de novo",
    ),
    told(
        "SourceMismatch",
        "the opened text is not document {document} of contribution {contribution}",
        "o texto aberto não é o documento {document} da contribuição {contribution}",
    ),
    told(
        "StakeTooLow",
        "a stake of {stake:fnt} is below {minimum:fnt}: stake more",
        "a caução de {stake:fnt} está abaixo de {minimum:fnt}: aposte mais",
    ),
    told(
        "StakeTooSmall",
        "{needed:fnt} of stake are needed, and {staked:fnt} are there: stake more",
        "são precisos {needed:fnt} de caução, e há {staked:fnt}: aposte mais",
    ),
    told(
        "StillSeated",
        "{operator} has a seat, and its own stake waits until it has none",
        "{operator} tem cadeira, e sua aposta espera até não ter",
    ),
    told(
        "StillSpending",
        "gateway {gateway} may still spend {amount:fnt} of the allowance: wait",
        "o gateway {gateway} ainda pode gastar {amount:fnt} da cota: espere",
    ),
    told(
        "StringTooLong",
        "the text is too long to be kept: {str}",
        "o texto é longo demais para ser guardado: {str}",
    ),
    told(
        "StringsInsufficientHexLength",
        "{value} does not fit into {length} hexadecimal digits",
        "{value} não cabe em {length} dígitos hexadecimais",
    ),
    told(
        "TermsPending",
        "announced terms apply from {since:time} on, and newer ones cannot overtake them: wait until then",
        "termos anunciados valem a partir de {since:time}, e novos não podem ultrapassá-los: espere até lá",
    ),
    told(
        "TermsUndecided",
        "the model's terms changed too often around that time to judge the fee",
        "os termos do modelo mudaram demais naquele momento para julgar a taxa",
    ),
    told(
        "TextMismatch",
        "the opened chunk is of {opened}, and {expected} was committed: use the text that was committed",
        "o pedaço aberto é de {opened}, e o compromisso é com {expected}: use o texto registrado",
    ),
    told(
        "TextTooLong",
        "a text of {length} bytes: at most {max} are kept",
        "um texto de {length} bytes: guardam-se no máximo {max}",
    ),
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
    told(
        "TimelockIsFixed",
        "the timelock of a network is its only one",
        "o timelock de uma rede é o único",
    ),
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
        "ModelReviews.TooEarly",
        "the evaluators follow from block {drawBlock}: try again after it",
        "os avaliadores resultam do bloco {drawBlock}: tente depois dele",
    ),
    told(
        "Reviews.TooEarly",
        "the panel follows from block {seedBlock}: try again after it",
        "o painel resulta do bloco {seedBlock}: tente depois dele",
    ),
    told(
        "Validators.TooEarly",
        "the stake can be taken out from {claimableAt:time} on; 1970 means that the epoch has to end first",
        "a aposta pode ser retirada a partir de {claimableAt:time}; 1970 quer dizer que a época precisa acabar antes",
    ),
    told(
        "Workers.TooEarly",
        "the stake can be withdrawn from {withdrawableAt:time} on",
        "a caução pode ser retirada a partir de {withdrawableAt:time}",
    ),
    told(
        "TooFewEvaluators",
        "{drawn} evaluators could be drawn, and {quorum} have to agree: wait until more have registered (`fonte review register`)",
        "só {drawn} avaliadores puderam ser sorteados, e {quorum} devem concordar: espere mais registros (`fonte review register`)",
    ),
    told(
        "Demands.TooLate",
        "demands for batch {batch} are over",
        "as exigências sobre o lote {batch} acabaram",
    ),
    told(
        "ModelReviews.TooLate",
        "model {model} has until {deadline:time}, too short for another round: propose it anew",
        "o modelo {model} tem até {deadline:time}, pouco para outra rodada: proponha-o de novo",
    ),
    told(
        "Reviews.TooLate",
        "the time for this ended at {deadline:time}",
        "o prazo para isto acabou em {deadline:time}",
    ),
    told(
        "TooManyDatanets",
        "{count} datanets are more than a model may name",
        "{count} datanets são mais do que um modelo pode nomear",
    ),
    told(
        "TooManyGateways",
        "{most} gateways have budgets already: revoke one first",
        "{most} gateways já têm orçamento: revogue um antes",
    ),
    told(
        "TooSoon",
        "this may be done after {deadline:time}",
        "isto pode ser feito depois de {deadline:time}",
    ),
    told(
        "Allowance.TransferRefused",
        "the treasury refused {amount:fnt}",
        "o tesouro recusou {amount:fnt}",
    ),
    told(
        "TransferRefused",
        "{account} refused {amount:fnt}: use an account that takes coins",
        "{account} recusou {amount:fnt}: use uma conta que aceite moedas",
    ),
    told(
        "Workers.TransferRefused",
        "{worker} refused {amount:fnt}: use an account that takes coins",
        "{worker} recusou {amount:fnt}: use uma conta que aceite moedas",
    ),
    told(
        "UnknownBatch",
        "there is no batch {batch}",
        "não existe o lote {batch}",
    ),
    told(
        "UnknownCase",
        "there is no open case {caseId}: see `fonte review list`",
        "não existe caso aberto {caseId}: veja `fonte review list`",
    ),
    told(
        "UnknownClaim",
        "case {caseId} is no open claim: see `fonte datanet claim URL`",
        "o caso {caseId} não é um pedido aberto: veja `fonte datanet claim URL`",
    ),
    told(
        "UnknownContribution",
        "contribution {contribution} has not been revealed: see `fonte datanet show`",
        "a contribuição {contribution} não foi revelada: veja `fonte datanet show`",
    ),
    told(
        "UnknownDatanet",
        "there is no datanet {datanet}: see `fonte datanet list`",
        "não existe o datanet {datanet}: veja `fonte datanet list`",
    ),
    told(
        "UnknownEpoch",
        "epoch {epoch} has not begun",
        "a época {epoch} não começou",
    ),
    told(
        "UnknownModel",
        "there is no model {model}: see `fonte model list`",
        "não existe o modelo {model}: veja `fonte model list`",
    ),
    told(
        "UnknownOrigin",
        "origin {origin} has not been registered: publish from it or claim it first",
        "a origem {origin} não foi registrada: publique a partir dela ou reivindique antes",
    ),
    told(
        "UnknownValidator",
        "nobody registered as {operator}: see `fonte chain validators`",
        "ninguém se registrou como {operator}: veja `fonte chain validators`",
    ),
    told(
        "UnknownVersion",
        "datanet {datanet} is at version {latest}, there is no {version} yet",
        "o datanet {datanet} está na versão {latest}, ainda não existe a {version}",
    ),
    told(
        "VotesExpiredSignature",
        "the signature was good until {expiry:time}: sign again",
        "a assinatura valia até {expiry:time}: assine de novo",
    ),
    told(
        "VoucherBehind",
        "the voucher of {payer} is for {total:fnt} in all, and {spent:fnt} are spent: it is an old one",
        "o vale de {payer} é de {total:fnt} ao todo, e {spent:fnt} já foram gastos: ele é antigo",
    ),
    told(
        "VoucherInvalid",
        "the voucher of {payer} over {total:fnt} is signed by {signer}, which may sign up to {cap:fnt}: raise the limit with `fonte account limit`",
        "o vale de {payer} de {total:fnt} foi assinado por {signer}, que pode assinar até {cap:fnt}: aumente o limite com `fonte account limit`",
    ),
    told(
        "WindowOpen",
        "batch {batch} can be challenged until block {untilBlock} and {untilTime:time}: it is paid after that",
        "o lote {batch} pode ser contestado até o bloco {untilBlock} e {untilTime:time}: é pago depois disso",
    ),
    told(
        "WindowOver",
        "the challenge window of batch {batch} is over",
        "a janela de contestação do lote {batch} acabou",
    ),
    told(
        "WindowsDiffer",
        "the window of the answer ({answer}) is not that of the source ({source}): there is nothing to prove",
        "a janela da resposta ({answer}) não é a da fonte ({source}): não há o que provar",
    ),
    told(
        "WrongKind",
        "a demand for {wanted:wanted} is made and answered by another function",
        "uma exigência de {wanted:wanted} é feita e atendida por outra função",
    ),
    told(
        "ModelReviews.WrongPayment",
        "{paid:fnt} were attached, and {asked:fnt} are asked for",
        "foram enviados {paid:fnt}, e pedem-se {asked:fnt}",
    ),
    told(
        "Origins.WrongPayment",
        "{paid:fnt} were attached, and {least:fnt} are asked for at least (nothing while there are no reviewers)",
        "foram enviados {paid:fnt}, e pedem-se ao menos {least:fnt} (nada enquanto não há revisores)",
    ),
    told(
        "Reviews.WrongPayment",
        "{paid:fnt} were attached, and {asked:fnt} are asked for",
        "foram enviados {paid:fnt}, e pedem-se {asked:fnt}",
    ),
    told(
        "WrongPhase",
        "round {round} of evaluating model {model} is {phase:evaluation_phase}, in which this cannot be done",
        "a rodada {round} da avaliação do modelo {model} está {phase:evaluation_phase}, e assim isto não pode ser feito",
    ),
    told(
        "WrongStage",
        "case {caseId} is {stage:review_stage}, in which this cannot be done: `fonte review show {caseId}` says what can",
        "o caso {caseId} está {stage:review_stage}, e assim isto não pode ser feito: `fonte review show {caseId}` diz o que pode",
    ),
    told(
        "WrongState",
        "model {model} is {state:model_state}, in which this cannot be done: `fonte model show {model}` says where it stands",
        "o modelo {model} está {state:model_state}, e assim isto não pode ser feito: `fonte model show {model}` diz como está",
    ),
    told(
        "Datanets.WrongStatus",
        "contribution {contribution} is {status:contribution}, in which this cannot be done",
        "a contribuição {contribution} está {status:contribution}, e assim isto não pode ser feito",
    ),
    told(
        "Workers.WrongStatus",
        "{worker} is {status:worker_status}, in which this cannot be done",
        "{worker} está {status:worker_status}, e assim isto não pode ser feito",
    ),
    told(
        "WrongTerms",
        "version {version} of the terms is not the latest that was in force at {time:time}",
        "a versão {version} dos termos não é a última em vigor em {time:time}",
    ),
    told(
        "WrongVote",
        "the seat of {account} is {vote:review_vote}, in which this cannot be done",
        "a cadeira de {account} está {vote:review_vote}, e assim isto não pode ser feito",
    ),
];
