//! Texts and whose they are: `Datanets`, `Origins`, `Vault`, `Splitter`. In the order of the errors' names.

use super::{Sentence, told};

pub(super) const SENTENCES: &[Sentence] = &[
    told(
        "Datanets.AlreadyRevealed",
        "contribution {contribution} has been revealed already: see `fonte datanet show`",
        "a contribuição {contribution} já foi revelada: veja `fonte datanet show`",
    ),
    told(
        "BatchMismatch",
        "there are {reveals} contributions and {signatures} signatures: send one signature for each",
        "há {reveals} contribuições e {signatures} assinaturas: envie uma assinatura para cada",
    ),
    told(
        "CommittedAs",
        "the commitment is held by contribution {contribution}, which came earlier: reveal that one",
        "o compromisso pertence à contribuição {contribution}, que veio antes: revele aquela",
    ),
    told(
        "EmptyContribution",
        "a contribution needs documents, a contributor and a payee",
        "uma contribuição precisa de documentos, autor e recebedor",
    ),
    told(
        "InvalidAuthor",
        "{author} cannot be made the author: it must be an account other than the present author",
        "{author} não pode ser o autor: deve ser uma conta diferente do autor atual",
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
        "InvalidSignature",
        "the signature is not {contributor}'s: sign with the contributor's key on this network",
        "a assinatura não é de {contributor}: assine com a chave do autor nesta rede",
    ),
    told(
        "NotCanonical",
        "the address is not in canonical form; the fault is at byte {position}: write it as https://host/path/, without query or fragment",
        "o endereço não está na forma canônica; a falha está no byte {position}: escreva https://host/caminho/, sem consulta nem fragmento",
    ),
    told(
        "NotCommitted",
        "nobody has committed {commitment}: publish again, the commit comes first",
        "ninguém registrou {commitment}: publique de novo, o compromisso vem antes",
    ),
    told(
        "NotGranted",
        "case {caseId} is not decided for good in the claim's favour: `fonte review show {caseId}` says how it stands",
        "o caso {caseId} não está decidido em definitivo a favor do pedido: `fonte review show {caseId}` diz como está",
    ),
    told(
        "NotOrigins",
        "{account} may not do this: only the contract of the origins may",
        "{account} não pode fazer isto: só o contrato das origens",
    ),
    told("NothingDue", "nothing is due to {payee} yet", "ainda nada é devido a {payee}"),
    told(
        "NothingToRelease",
        "origin {origin} has no verified author, or its vault holds nothing",
        "a origem {origin} não tem autor verificado, ou o cofre está vazio",
    ),
    told(
        "Overtaken",
        "another claim was granted after case {caseId} was asked ({granted} by now): claim again with --ask, before a larger panel",
        "outro pedido foi aceito depois do caso {caseId} (já são {granted}): peça de novo com --ask, diante de um painel maior",
    ),
    told(
        "PayeeHeld",
        "what contribution {contribution} earns is held for its author in {vault}: nobody can redirect it",
        "o que a contribuição {contribution} ganha está guardado para o autor em {vault}: ninguém pode desviar",
    ),
    told(
        "RevealExpired",
        "the commit of contribution {contribution} lapsed at block {revealBy}: publish again",
        "o compromisso da contribuição {contribution} venceu no bloco {revealBy}: publique de novo",
    ),
    told(
        "SignatureExpired",
        "the signature was good until {deadline:time}: sign again",
        "a assinatura valia até {deadline:time}: assine de novo",
    ),
    told(
        "StringsInsufficientHexLength",
        "{value} does not fit into {length} hexadecimal digits",
        "{value} não cabe em {length} dígitos hexadecimais",
    ),
    told(
        "Splitter.TransferRefused",
        "{payee} refused {amount:fnt}: use an account that takes coins",
        "{payee} recusou {amount:fnt}: use uma conta que aceite moedas",
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
        "UnknownOrigin",
        "origin {origin} has not been registered: publish from it or claim it first",
        "a origem {origin} não foi registrada: publique a partir dela ou reivindique antes",
    ),
    told(
        "Origins.WrongPayment",
        "{paid:fnt} were attached, and {least:fnt} are asked for at least (nothing while there are no reviewers)",
        "foram enviados {paid:fnt}, e pedem-se ao menos {least:fnt} (nada enquanto não há revisores)",
    ),
    told(
        "Datanets.WrongStatus",
        "contribution {contribution} is {status:contribution}, in which this cannot be done",
        "a contribuição {contribution} está {status:contribution}, e assim isto não pode ser feito",
    ),
];
