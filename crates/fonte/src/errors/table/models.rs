//! `Models` and `ModelReviews`. In the order of the errors' names.

use super::{Sentence, told};

pub(super) const SENTENCES: &[Sentence] = &[
    told(
        "AlreadyMarked",
        "a withdrawal is marked on model {model} already: it stops at {stopsAt:time}",
        "o modelo {model} já está marcado por uma retirada: ele para em {stopsAt:time}",
    ),
    told(
        "Models.AlreadyRevealed",
        "the evaluation set of model {model} is open already: next is `fonte model evaluate {model} open`",
        "o conjunto de avaliação do modelo {model} já está aberto: agora é `fonte model evaluate {model} open`",
    ),
    told(
        "BaseMismatch",
        "model {base} cannot be this model's base: it must be a base model, among the parents, with the weights that the adapter names",
        "o modelo {base} não pode ser a base: deve ser um modelo base, estar entre os antecessores e ter os pesos que o adaptador nomeia",
    ),
    told(
        "CommitmentUsed",
        "the commitment {commitment} is empty or another model's: seal the evaluation set anew, with a salt of its own",
        "o compromisso {commitment} está vazio ou é de outro modelo: sele o conjunto de avaliação de novo, com um sal próprio",
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
        "HashMismatch",
        "a {kind:kind} does not go with these hashes: a base model has an artifact only, an adapter both, a quote model no adapter, a proposal none yet",
        "um modelo {kind:kind} não combina com estes hashes: um modelo base só tem artefato, um adaptador tem os dois, um de citações não tem adaptador, uma proposta ainda não tem nenhum",
    ),
    told(
        "InvalidCommitment",
        "{commitment} cannot be committed: it is empty, or this seat has committed before",
        "{commitment} não pode ser registrado: está vazio, ou esta cadeira já registrou o seu",
    ),
    told(
        "InvalidCriteria",
        "{evaluators} evaluators, a quorum of {quorum} and {trainingSeconds} seconds to train cannot be voted: 1 to 15 evaluators, a quorum of more than half, and some time",
        "{evaluators} avaliadores, quórum {quorum} e {trainingSeconds} segundos de treino não podem ser votados: de 1 a 15 avaliadores, quórum de mais da metade, e algum tempo",
    ),
    told(
        "InvalidParent",
        "model {parent} cannot be a parent of model {model}: parents are named in order, come earlier, and have a developer to pay",
        "o modelo {parent} não pode ser antecessor do modelo {model}: antecessores vêm em ordem, são anteriores e têm um desenvolvedor a pagar",
    ),
    told(
        "InvalidVersion",
        "{version} names no datanet version that exists: datanet and version, such as coffee@7",
        "{version} não nomeia uma versão de datanet que exista: datanet e versão, como coffee@7",
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
        "NoDeveloper",
        "the developer's part needs a payee: give --developer ADDRESS",
        "a parte do desenvolvedor precisa de quem a receba: informe --developer ENDEREÇO",
    ),
    told(
        "NoNotice",
        "a notice and a step must last at least a second",
        "um aviso e uma etapa devem durar ao menos um segundo",
    ),
    told(
        "NoRoundLeft",
        "all rounds of evaluating model {model} are used up: propose it anew",
        "as rodadas de avaliação do modelo {model} acabaram: proponha-o de novo",
    ),
    told(
        "NotAffected",
        "model {model} was not trained on contribution {contribution}, or that is not withdrawn",
        "o modelo {model} não foi treinado com a contribuição {contribution}, ou ela não foi retirada",
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
        "NotInUse",
        "model {model} is {state:model_state}: there is nothing to suspend",
        "o modelo {model} está {state:model_state}: não há o que suspender",
    ),
    told(
        "NotOwner",
        "{account} does not own model {model}: use its owner's key",
        "{account} não é dono do modelo {model}: use a chave do dono",
    ),
    told(
        "NotReviews",
        "{account} may not do this: only the pool of reviewers may",
        "{account} não pode fazer isto: só o grupo de revisores",
    ),
    told("NothingToClaim", "nothing waits for {account}", "nada espera por {account}"),
    told(
        "NothingToPenalize",
        "{evaluator} agreed, said nothing, or has paid already: there is nothing to take",
        "{evaluator} concordou, nada disse, ou já pagou: não há o que tirar",
    ),
    told(
        "NothingToTrain",
        "a quote model has no weights: register it without base, training or evaluation",
        "um modelo de citações não tem pesos: registre-o sem base, treino ou avaliação",
    ),
    told(
        "PartsMismatch",
        "the parts sum to {sum} ppm, and they must sum to 1000000",
        "as partes somam {sum} ppm, e devem somar 1000000",
    ),
    told(
        "PriceBelowFloor",
        "datanet {datanet} asks for at least {floor:fnt} per 1,000 output tokens, and {price:fnt} were offered: raise --price-out or leave the datanet out",
        "o datanet {datanet} pede ao menos {floor:fnt} por 1.000 tokens de saída, e a oferta é {price:fnt}: aumente --price-out ou deixe o datanet de fora",
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
        "TermsPending",
        "announced terms apply from {since:time} on, and newer ones cannot overtake them: wait until then",
        "termos anunciados valem a partir de {since:time}, e novos não podem ultrapassá-los: espere até lá",
    ),
    told(
        "ModelReviews.TooEarly",
        "the evaluators follow from block {drawBlock}: try again after it",
        "os avaliadores resultam do bloco {drawBlock}: tente depois dele",
    ),
    told(
        "TooFewEvaluators",
        "{drawn} evaluators could be drawn, and {quorum} have to agree: wait until more have registered (`fonte review register`)",
        "só {drawn} avaliadores puderam ser sorteados, e {quorum} devem concordar: espere mais registros (`fonte review register`)",
    ),
    told(
        "ModelReviews.TooLate",
        "model {model} has until {deadline:time}, too short for another round: propose it anew",
        "o modelo {model} tem até {deadline:time}, pouco para outra rodada: proponha-o de novo",
    ),
    told(
        "TooManyDatanets",
        "{count} datanets are more than a model may name",
        "{count} datanets são mais do que um modelo pode nomear",
    ),
    told(
        "UnknownCase",
        "there is no open case {caseId}: see `fonte review list`",
        "não existe caso aberto {caseId}: veja `fonte review list`",
    ),
    told(
        "UnknownModel",
        "there is no model {model}: see `fonte model list`",
        "não existe o modelo {model}: veja `fonte model list`",
    ),
    told(
        "ModelReviews.WrongPayment",
        "{paid:fnt} were attached, and {asked:fnt} are asked for",
        "foram enviados {paid:fnt}, e pedem-se {asked:fnt}",
    ),
    told(
        "WrongPhase",
        "round {round} of evaluating model {model} is {phase:evaluation_phase}, in which this cannot be done",
        "a rodada {round} da avaliação do modelo {model} está {phase:evaluation_phase}, e assim isto não pode ser feito",
    ),
    told(
        "WrongState",
        "model {model} is {state:model_state}, in which this cannot be done: `fonte model show {model}` says where it stands",
        "o modelo {model} está {state:model_state}, e assim isto não pode ser feito: `fonte model show {model}` diz como está",
    ),
];
