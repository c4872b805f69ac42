//! What contracts of several areas say, and the compiler. In the order of the errors' names.

use super::{Sentence, told};

pub(super) const SENTENCES: &[Sentence] = &[
    told(
        "CheckpointUnorderedInsertion",
        "the clock went backwards within a record of history: this should not happen, please report it",
        "o relógio andou para trás num registro histórico: isto não deveria acontecer, relate o problema",
    ),
    told(
        "CommitmentMismatch",
        "what was revealed does not open the commitment {commitment}: reveal from the machine and data directory that committed",
        "o revelado não abre o compromisso {commitment}: revele da máquina e do diretório de dados que o registraram",
    ),
    told("Error", "{message}", "recusado: {message}"),
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
        "NotAllowed",
        "{account} may not do this: it takes another key, or a vote (`fonte gov propose`)",
        "{account} não pode fazer isto: precisa de outra chave, ou de uma votação (`fonte gov propose`)",
    ),
    told(
        "NothingToDo",
        "there is nothing to do: the amount is zero, or nothing waits",
        "não há nada a fazer: o valor é zero, ou nada espera",
    ),
    told(
        "Panic",
        "the contract hit its own check {code}: this should not happen, please report it",
        "o contrato caiu na própria verificação {code}: isto não deveria acontecer, relate o problema",
    ),
    told(
        "ReentrancyGuardReentrantCall",
        "the contract was called from within its own call",
        "o contrato foi chamado de dentro da própria chamada",
    ),
    told(
        "SafeCastOverflowedUintDowncast",
        "{value} does not fit into {bits} bits: give less",
        "{value} não cabe em {bits} bits: informe menos",
    ),
    told(
        "TransferRefused",
        "{account} refused {amount:fnt}: use an account that takes coins",
        "{account} recusou {amount:fnt}: use uma conta que aceite moedas",
    ),
];
