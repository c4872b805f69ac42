//! Whose stake answers for what: `Reviews`, `Workers`, `Validators`. In the order of the errors' names.

use super::{Sentence, told};

pub(super) const SENTENCES: &[Sentence] = &[
    told(
        "AlreadyListed",
        "{operator} is a candidate already: stake more with `fonte chain stake`",
        "{operator} já é candidato: aposte mais com `fonte chain stake`",
    ),
    told(
        "AlreadyRegistered",
        "{operator} has registered its keys before, and an operator has one pair for ever",
        "{operator} já registrou suas chaves, e cada operador tem um só par para sempre",
    ),
    told(
        "BadVote",
        "vote {vote} of the evidence was not signed by {operator}'s key on this network",
        "o voto {vote} da prova não foi assinado pela chave de {operator} nesta rede",
    ),
    told(
        "EpochNotOver",
        "the epoch lasts until block {untilBlock} and {untilTime:time}: elect then",
        "a época dura até o bloco {untilBlock} e {untilTime:time}: eleja depois disso",
    ),
    told(
        "EvidenceTooOld",
        "{operator} has had no seat since {unseatedAt:time}: evidence no longer counts",
        "{operator} não tem cadeira desde {unseatedAt:time}: a prova já não conta",
    ),
    told(
        "FeesTooHigh",
        "fees of {fees:fnt} are above {most:fnt}, one stake for each seat: offer less",
        "{fees:fnt} passam de {most:fnt}, uma caução por cadeira: ofereça menos",
    ),
    told(
        "Reviews.GasTooLow",
        "{gasLeft} gas is left, and the decision needs {gasNeeded} to be delivered: send with more gas",
        "restam {gasLeft} de gás, e entregar a decisão exige {gasNeeded}: envie com mais gás",
    ),
    told(
        "InvalidConsensusKey",
        "{key} is no compressed point of secp256r1 (33 bytes, 02 or 03 first)",
        "{key} não é um ponto comprimido de secp256r1 (33 bytes, começando por 02 ou 03)",
    ),
    told(
        "InvalidJurisdiction",
        "{jurisdiction:text} is no ISO 3166-1 alpha-2 code: two capital letters",
        "{jurisdiction:text} não é um código ISO 3166-1 alfa-2: duas letras maiúsculas",
    ),
    told(
        "InvalidNetworkAddress",
        "a network address of {length} bytes: give host:port",
        "um endereço de rede de {length} bytes: informe host:porta",
    ),
    told("InvalidNetworkKey", "{key} is no ed25519 key", "{key} não é uma chave ed25519"),
    told(
        "InvalidSlots",
        "{slots} slots: name at least one, and no more than the contract's limit",
        "{slots} vagas: informe ao menos uma, e não mais que o limite do contrato",
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
        "ListFull",
        "the list of candidates is full, and its lowest has {lowest:fnt}: stake more than that",
        "a lista de candidatos está cheia, e o menor tem {lowest:fnt}: aposte mais que isso",
    ),
    told(
        "NoConflict",
        "the two votes do not contradict each other: there is nothing to punish",
        "os dois votos não se contradizem: não há o que punir",
    ),
    told(
        "NotANullify",
        "a nullify vote has neither parent nor payload",
        "um voto de anulação não tem antecessor nem conteúdo",
    ),
    told(
        "NotBonded",
        "{bonded:fnt} are staked there, and {amount:fnt} were asked for: take off at most what is there",
        "há {bonded:fnt} apostados ali, e pediram-se {amount:fnt}: retire no máximo o que há",
    ),
    told(
        "Workers.NotGovernance",
        "{caller} may not do this: only a vote may (`fonte gov propose`)",
        "{caller} não pode fazer isto: só uma votação (`fonte gov propose`)",
    ),
    told("NotListed", "{operator} is no candidate", "{operator} não é candidato"),
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
        "NotYet",
        "the stake comes back from {leavesAt:time} on, without open seats ({seats} are open): leave first, then wait",
        "a caução volta a partir de {leavesAt:time}, sem cadeiras abertas (há {seats}): saia primeiro e espere",
    ),
    told("NothingSent", "no coins were attached: give an amount", "nenhuma moeda foi enviada: informe um valor"),
    told(
        "PageTooLarge",
        "{limit} workers at once are too many: ask in smaller pages",
        "{limit} máquinas de uma vez são demais: peça em páginas menores",
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
        "TextTooLong",
        "a text of {length} bytes: at most {max} are kept",
        "um texto de {length} bytes: guardam-se no máximo {max}",
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
        "Reviews.TooLate",
        "the time for this ended at {deadline:time}",
        "o prazo para isto acabou em {deadline:time}",
    ),
    told("TooSoon", "this may be done after {deadline:time}", "isto pode ser feito depois de {deadline:time}"),
    told(
        "Workers.TransferRefused",
        "{worker} refused {amount:fnt}: use an account that takes coins",
        "{worker} recusou {amount:fnt}: use uma conta que aceite moedas",
    ),
    told("UnknownEpoch", "epoch {epoch} has not begun", "a época {epoch} não começou"),
    told(
        "UnknownValidator",
        "nobody registered as {operator}: see `fonte chain validators`",
        "ninguém se registrou como {operator}: veja `fonte chain validators`",
    ),
    told(
        "Reviews.WrongPayment",
        "{paid:fnt} were attached, and {asked:fnt} are asked for",
        "foram enviados {paid:fnt}, e pedem-se {asked:fnt}",
    ),
    told(
        "WrongStage",
        "case {caseId} is {stage:review_stage}, in which this cannot be done: `fonte review show {caseId}` says what can",
        "o caso {caseId} está {stage:review_stage}, e assim isto não pode ser feito: `fonte review show {caseId}` diz o que pode",
    ),
    told(
        "Workers.WrongStatus",
        "{worker} is {status:worker_status}, in which this cannot be done",
        "{worker} está {status:worker_status}, e assim isto não pode ser feito",
    ),
    told(
        "WrongVote",
        "the seat of {account} is {vote:review_vote}, in which this cannot be done",
        "a cadeira de {account} está {vote:review_vote}, e assim isto não pode ser feito",
    ),
];
