//! The sentences, by what the contracts are about, and the words of enumerations.

mod data;
mod models;
mod people;
mod settlement;
mod shared;
mod votes;

use super::{Sentence, Words};

/// All sentences.
pub(super) fn sentences() -> impl Iterator<Item = &'static Sentence> {
    [data::SENTENCES, models::SENTENCES, people::SENTENCES, settlement::SENTENCES, votes::SENTENCES, shared::SENTENCES]
        .into_iter()
        .flatten()
}

const fn told(error: &'static str, english: &'static str, portuguese: &'static str) -> Sentence {
    Sentence { error, english, portuguese }
}

pub(super) const WORDS: &[Words] = &[
    Words {
        list: "proposal",
        english: &["pending", "in vote", "cancelled", "defeated", "passed", "in the timelock", "expired", "executed"],
        portuguese: &[
            "à espera",
            "em votação",
            "cancelada",
            "rejeitada",
            "aprovada",
            "no timelock",
            "vencida",
            "executada",
        ],
    },
    Words {
        list: "kind",
        english: &["quote model", "base model", "adapter"],
        portuguese: &["de citações", "base", "adaptador"],
    },
    Words { list: "direction", english: &["at least", "at most"], portuguese: &["ao menos", "no máximo"] },
    Words {
        list: "model_state",
        english: &[
            "unknown",
            "registered",
            "independent",
            "proposed",
            "approved",
            "in training",
            "in evaluation",
            "evaluated",
            "deployed",
            "suspended",
            "retired",
            "expired",
        ],
        portuguese: &[
            "desconhecido",
            "registrado",
            "independente",
            "proposto",
            "aprovado",
            "em treino",
            "em avaliação",
            "avaliado",
            "implantado",
            "suspenso",
            "aposentado",
            "vencido",
        ],
    },
    Words {
        list: "model_reason",
        english: &[
            "nothing",
            "no such model",
            "not deployed",
            "its deadline passed",
            "suspended for a breach of its acceptable use",
            "retired",
            "trained on texts that were withdrawn",
            "its base is suspended",
            "its base was trained on texts that were withdrawn",
        ],
        portuguese: &[
            "nada",
            "não existe",
            "não implantado",
            "prazo vencido",
            "suspenso por uso indevido",
            "aposentado",
            "treinado com textos retirados",
            "a base está suspensa",
            "a base foi treinada com textos retirados",
        ],
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
        english: &[
            "unknown",
            "waiting for its panel",
            "in vote",
            "decided, and open to appeal",
            "undecided by any panel",
            "closed",
        ],
        portuguese: &[
            "desconhecido",
            "à espera do painel",
            "em votação",
            "decidido, e cabe recurso",
            "sem decisão de painel",
            "encerrado",
        ],
    },
    Words {
        list: "review_vote",
        english: &["no seat", "seated", "committed", "approved", "rejected"],
        portuguese: &["sem cadeira", "sentada", "registrada", "aprovou", "recusou"],
    },
    Words {
        list: "evaluation_phase",
        english: &[
            "unknown",
            "waiting for its draw",
            "committing",
            "revealing",
            "counting",
            "closed with a score",
            "failed",
        ],
        portuguese: &[
            "desconhecida",
            "à espera do sorteio",
            "registrando notas",
            "revelando notas",
            "em contagem",
            "encerrada com nota",
            "sem resultado",
        ],
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
        english: &[
            "nothing",
            "indexing",
            "training",
            "indexing and training",
            "quoting",
            "indexing and quoting",
            "training and quoting",
            "indexing, training and quoting",
        ],
        portuguese: &[
            "nada",
            "indexar",
            "treinar",
            "indexar e treinar",
            "citar",
            "indexar e citar",
            "treinar e citar",
            "indexar, treinar e citar",
        ],
    },
];
