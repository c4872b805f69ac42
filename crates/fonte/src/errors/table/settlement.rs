//! Money and what disputes it: `Settlement`, `Challenges`, `Demands`. In the order of the errors' names.

use super::{Sentence, told};

pub(super) const SENTENCES: &[Sentence] = &[
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
        "AnswerMismatch",
        "what was shown hashes to {shown}, and {expected} was demanded: show what the receipt commits to",
        "o mostrado tem o hash {shown}, e foi exigido {expected}: mostre aquilo com que o recibo se compromete",
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
        "DebitMismatch",
        "the voucher of {payer} debits {debit:fnt} and its rows cost {fees:fnt}: they must be the same",
        "o vale de {payer} debita {debit:fnt} e suas linhas custam {fees:fnt}: devem ser iguais",
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
        "EvidenceMismatch",
        "the opened evidence is {opened}, the receipt commits to {expected}: use that receipt's evidence",
        "a evidência aberta é {opened}, o recibo se compromete com {expected}: use a evidência daquele recibo",
    ),
    told(
        "Demands.GasTooLow",
        "{have} gas is left, and judging needs {need}: send with more gas",
        "restam {have} de gás, e julgar exige {need}: envie com mais gás",
    ),
    told(
        "Settlement.GasTooLow",
        "{have} gas is left, and paying needs {need}: send with more gas or pay fewer at once",
        "restam {have} de gás, e pagar exige {need}: envie com mais gás ou pague menos de uma vez",
    ),
    told("InvalidRow", "row {row} of the batch is malformed", "a linha {row} do lote está malformada"),
    told(
        "InvalidTable",
        "entry {index} of the batch's tables is out of order, or names nobody",
        "a entrada {index} das tabelas do lote está fora de ordem, ou não nomeia ninguém",
    ),
    told(
        "NoSuchChunk",
        "there is no chunk {chunk} in that text, or the run quotes nothing of it",
        "não há pedaço {chunk} naquele texto, ou o trecho nada cita dele",
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
        "NotJudge",
        "{account} may not do this: only a contract that judges may",
        "{account} não pode fazer isto: só um contrato que julga",
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
        "NothingCredited",
        "the row credits nothing there: there is nothing to challenge",
        "a linha não credita nada ali: não há o que contestar",
    ),
    told(
        "NoticeRunning",
        "the notice runs until {availableAt:time}: come back then",
        "o aviso corre até {availableAt:time}: volte depois",
    ),
    told(
        "OutsideRun",
        "position {position} is outside of the challenged run",
        "a posição {position} está fora do trecho contestado",
    ),
    told(
        "PartsExceed",
        "the parts of a fee sum to {ppm} ppm, more than all",
        "as partes de uma taxa somam {ppm} ppm, mais que tudo",
    ),
    told(
        "PathInvalid",
        "a Merkle path of {siblings} steps does not open leaf {index} of {leaves}",
        "um caminho de Merkle com {siblings} passos não abre a folha {index} de {leaves}",
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
        "ResponseTime",
        "demand {demand} is to be answered until block {dueBlock} and {dueTime:time}, and judged after that",
        "a exigência {demand} deve ser atendida até o bloco {dueBlock} e {dueTime:time}, e julgada depois disso",
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
        "ShareFollows",
        "the share of contribution {contribution} is {ppm} ppm, as the evidence says: there is nothing to prove",
        "a parte da contribuição {contribution} é de {ppm} ppm, como diz a evidência: não há o que provar",
    ),
    told("ShareInvalid", "share {share} of the row is malformed", "a parte {share} da linha está malformada"),
    told(
        "SharesExceed",
        "the shares of row {row} sum to {ppm} ppm, more than all",
        "as partes da linha {row} somam {ppm} ppm, mais que tudo",
    ),
    told(
        "SourceMismatch",
        "the opened text is not document {document} of contribution {contribution}",
        "o texto aberto não é o documento {document} da contribuição {contribution}",
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
    told("Demands.TooLate", "demands for batch {batch} are over", "as exigências sobre o lote {batch} acabaram"),
    told("UnknownBatch", "there is no batch {batch}", "não existe o lote {batch}"),
    told(
        "UnknownVersion",
        "datanet {datanet} is at version {latest}, there is no {version} yet",
        "o datanet {datanet} está na versão {latest}, ainda não existe a {version}",
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
        "WrongTerms",
        "version {version} of the terms is not the latest that was in force at {time:time}",
        "a versão {version} dos termos não é a última em vigor em {time:time}",
    ),
];
