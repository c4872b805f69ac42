// What the page says, in English and in Brazilian Portuguese.
import type { Text } from "../verify/bytes.ts";

export type Language = keyof Text;

/** The reader's language until they choose one. */
export function preferred(): Language {
  const first = navigator.languages?.[0] ?? navigator.language ?? "en";
  return first.toLowerCase().startsWith("pt") ? "pt" : "en";
}

const t = (en: string, pt: string): Text => ({ en, pt });

export const WORDS = {
  title: t("Receipt", "Recibo"),
  tagline: t("where an answer came from, and who was paid for it", "de onde veio uma resposta, e quem recebeu por ela"),
  language: t("Language", "Idioma"),
  holds: t("This receipt holds", "Este recibo confere"),
  fails: t("This receipt does not hold", "Este recibo não confere"),
  unreadable: t("This receipt cannot be read", "Este recibo não pode ser lido"),
  holdsWhy: t(
    "Your browser has just recomputed all that this file can prove: every hash, both signatures, every quotation, the shares and the fee. Nothing was sent anywhere.",
    "Seu navegador acabou de recalcular tudo o que este arquivo pode provar: cada hash, as duas assinaturas, cada citação, as frações e a taxa. Nada foi enviado a lugar algum.",
  ),
  holdsRest: t(
    "Which texts are registered, whom they pay and how the fee is split stand here as the gateway says, until you ask the chain.",
    "Quais textos estão registrados, a quem pagam e como a taxa se divide estão aqui como diz o gateway, até você perguntar à cadeia.",
  ),
  holdsAlone: t(
    "Your browser has just recomputed all that this file can prove: every hash, both signatures, every quotation, the shares and the fee.",
    "Seu navegador acabou de recalcular tudo o que este arquivo pode provar: cada hash, as duas assinaturas, cada citação, as frações e a taxa.",
  ),
  holdsInPart: t(
    "The chain was asked, and left open what is marked below,",
    "A cadeia foi consultada, e deixou em aberto o que está marcado abaixo,",
  ),
  holdsOnChain: t(
    "Your browser has just recomputed it: every hash, both signatures, every quotation and every amount. The chain agrees,",
    "Seu navegador acabou de recalculá-lo: cada hash, as duas assinaturas, cada citação e cada valor. A cadeia concorda,",
  ),
  failsWhy: t(
    "Something was changed after it was signed, or it was never right. Do not rely on the figures below.",
    "Algo foi mudado depois da assinatura, ou nunca esteve certo. Não confie nos números abaixo.",
  ),
  unreadableWhy: t(
    "It is damaged or was changed, so nothing of it could be checked.",
    "Está danificado ou foi mudado, e nada dele pôde ser verificado.",
  ),
  firstDifference: t("First thing that differs", "Primeira coisa que difere"),
  checksPassed: t("checks passed", "verificações aprovadas"),
  checkFailed: t("failed", "reprovada"),
  checksFailed: t("failed", "reprovadas"),
  ofTheAnswer: t("of the answer is quoted from", "da resposta é citação de"),
  oneSource: t("source", "fonte"),
  manySources: t("sources", "fontes"),
  fee: t("FNT fee", "FNT de taxa"),
  navAnswer: t("Answer", "Resposta"),
  navWhy: t("Why", "Por quê"),
  navPaid: t("Who got paid", "Quem recebeu"),
  navCheck: t("Check it yourself", "Confira você mesmo"),
  question: t("Question", "Pergunta"),
  answerOf: t("Answer of", "Resposta de"),
  touch: t("Touch or hover a coloured passage to see its source.", "Toque ou passe o mouse sobre um trecho colorido para ver a fonte."),
  composition: t("What this answer is made of", "Do que esta resposta é feita"),
  noSource: t("no source", "sem fonte"),
  echo: t("repeats the question", "repete a pergunta"),
  echoLong: t("An echo of the question, paid to nobody.", "Um eco da pergunta, que não paga a ninguém."),
  nobodyLong: t(
    "No published text shares 32 bytes in a row with this passage. Its part goes to the commons treasury.",
    "Nenhum texto publicado tem 32 bytes seguidos em comum com este trecho. Sua parte vai para o fundo comum.",
  ),
  whyIntro: t(
    "A passage belongs to the earliest published text that shares at least 32 bytes in a row with it. These are the texts, opened from the commitments of their contributions.",
    "Um trecho pertence ao texto publicado mais antigo que tem ao menos 32 bytes seguidos em comum com ele. Estes são os textos, abertos dos compromissos das suas contribuições.",
  ),
  noSources: t("This answer quotes no published text.", "Esta resposta não cita nenhum texto publicado."),
  untitled: t("Untitled", "Sem título"),
  unnamed: t("an author who gives no name", "quem não deu o nome"),
  by: t("by", "por"),
  contribution: t("contribution", "contribuição"),
  datanet: t("datanet", "datanet"),
  document: t("document", "documento"),
  licence: t("licence", "licença"),
  quoteBytes: t("bytes quoted", "bytes citados"),
  ofDataPool: t("of the data pool", "do fundo de dados"),
  inItsSource: t("In its source", "Na sua fonte"),
  moreQuotes: t("more quotations", "outras citações"),
  notOpened: t("The text was not opened.", "O texto não foi aberto."),
  notQuoted: t("The answer quotes nothing of this text.", "A resposta não cita nada deste texto."),
  unproved: t(
    "Nothing of this text was opened: title, author, date and licence stand here as the gateway says, and no chain can prove them.",
    "Nada deste texto foi aberto: título, autoria, data e licença estão aqui como diz o gateway, e nenhuma cadeia os prova.",
  ),
  said: t("as the gateway says", "como diz o gateway"),
  saidIntro: t(
    "This file cannot prove to whom each source pays, what a curator keeps, and how the model's terms split the fee. What is marked so stands here",
    "Este arquivo não pode provar a quem cada fonte paga, quanto fica com a curadoria e como os termos do modelo dividem a taxa. O que leva esta marca está aqui",
  ),
  askChain: t("Ask the chain", "Pergunte à cadeia"),
  payeeMoved: t("the chain's word; the receipt names another payee of this source:", "o que diz a cadeia; o recibo cita outro endereço desta fonte:"),
  payeeForged: t("the chain's word; the receipt names who never was paid for this source:", "o que diz a cadeia; o recibo cita quem nunca recebeu por esta fonte:"),
  answerBytes: t("answer", "resposta"),
  paidIntro: t(
    "The fee is divided by the model's terms; the data pool by the bytes that each source contributed. Every division rounds down, and what is left goes to the commons.",
    "A taxa é dividida pelos termos do modelo; o fundo de dados, pelos bytes que cada fonte contribuiu. Toda divisão arredonda para baixo, e o que sobra vai para o fundo comum.",
  ),
  who: t("Who", "Quem"),
  role: t("Role", "Papel"),
  value: t("Value", "Valor"),
  payment: t("Payment", "Compensação"),
  roleSource: t("source", "fonte"),
  roleCurator: t("curator", "curadoria"),
  curatorWhy: t("curates datanet", "cuida do datanet"),
  ofWhatEarns: t("of what its texts earn", "do que recebem os seus textos"),
  roleWorker: t("machine", "máquina"),
  roleDeveloper: t("model", "modelo"),
  roleTreasury: t("commons", "fundo comum"),
  workerWhy: t("ran the model", "executou o modelo"),
  developerWhy: t("developed", "desenvolveu"),
  treasuryWho: t("Commons treasury", "Tesouro comum"),
  treasuryWhy: t("protocol, dust, and what no source explains", "protocolo, centavos e o que nenhuma fonte explica"),
  developerWho: t("Developer of", "Quem desenvolveu"),
  to: t("to", "para"),
  total: t("Fee paid", "Taxa paga"),
  paidBy: t("by", "por"),
  written: t("Figures as written in a receipt that does not hold.", "Números escritos em um recibo que não confere."),
  checkIntro: t(
    "Each line below was computed here, from the bytes in this file, by a second, independent implementation of the rules.",
    "Cada linha abaixo foi calculada aqui, a partir dos bytes deste arquivo, por uma segunda implementação independente das regras.",
  ),
  passed: t("passed", "aprovada"),
  failed: t("failed", "reprovada"),
  open: t("needs the chain", "depende da cadeia"),
  openTexts: t("needs all texts", "depende de todos os textos"),
  toBeChecked: t("To be checked", "A verificar"),
  withoutIt: t("Not checkable without", "Não verificável sem"),
  chainTitle: t("Ask the chain", "Pergunte à cadeia"),
  chainIntro: t(
    "Whether it was settled as written, whether the texts are registered, whom they pay and under which terms the model answers, the chain knows. Give the address of a node that you trust. The page reloads and may then speak to that address alone.",
    "Se foi liquidado como está escrito, se os textos estão registrados, a quem pagam e sob quais termos o modelo responde, quem sabe é a cadeia. Informe o endereço de um nó em que você confia. A página recarrega e só poderá falar com esse endereço.",
  ),
  chainUrl: t("JSON-RPC address of a node", "Endereço JSON-RPC de um nó"),
  chainButton: t("Check on chain", "Verificar na cadeia"),
  chainAsking: t("Asking the node…", "Consultando o nó…"),
  chainFrom: t("as told by", "como diz"),
  chainBadUrl: t("That is no http or https address.", "Isso não é um endereço http nem https."),
  chainUnreachable: t(
    "The node did not answer this page. It may be down, or it may refuse pages from elsewhere: a node on your own machine must allow the origin “null” for a page opened from a file (fonte up --allow-origin null).",
    "O nó não respondeu a esta página. Pode estar fora do ar, ou recusar páginas de fora: um nó na sua máquina precisa permitir a origem “null” para uma página aberta de um arquivo (fonte up --allow-origin null).",
  ),
  trustTitle: t("Who checks the checker?", "Quem confere o conferente?"),
  trust: t(
    "A page that someone sends you could be made to say anything. To be sure, let a program that you trust read this very file:",
    "Uma página que alguém lhe envia poderia ser feita para dizer qualquer coisa. Para ter certeza, deixe um programa em que você confia ler este mesmo arquivo:",
  ),
  trustOther: t("or open the file in a copy of this page that you made yourself.", "ou abra o arquivo em uma cópia desta página feita por você."),
  openOther: t("Open another receipt", "Abrir outro recibo"),
  save: t("Save the data (JSON)", "Salvar os dados (JSON)"),
  print: t("Print", "Imprimir"),
  details: t("Identifiers, hashes and signatures", "Identificadores, hashes e assinaturas"),
  idLabel: t("Receipt", "Recibo"),
  issued: t("issued", "emitido em"),
  noReceipt: t("No receipt yet", "Nenhum recibo ainda"),
  noReceiptWhy: t(
    "Open a receipt: the JSON of `fonte receipt show`, or a page made by `fonte receipt export`. It stays in this browser.",
    "Abra um recibo: o JSON de `fonte receipt show`, ou uma página feita por `fonte receipt export`. Ele fica neste navegador.",
  ),
  close: t("Close", "Fechar"),
  exact: t("replayable bit for bit", "repetível bit a bit"),
  tolerance: t("replayable within a tolerance", "repetível com tolerância"),
  footer: t(
    "This page makes no connection of its own. It holds the receipt, the texts it opens, and the program that checks them.",
    "Esta página não faz conexões por conta própria. Ela contém o recibo, os textos que ele abre e o programa que os verifica.",
  ),
} satisfies Record<string, Text>;

/** Per check: its name and what it says when it passes. */
export const CHECKS: Record<string, { name: Text; means: Text }> = {
  format: { name: t("Format", "Formato"), means: t("This page knows this kind of receipt.", "Esta página conhece este tipo de recibo.") },
  "receipt fields": {
    name: t("Fields as signed", "Campos como assinados"),
    means: t("All 22 fields are word for word what was signed.", "Os 22 campos são, palavra por palavra, o que foi assinado."),
  },
  "receipt id": {
    name: t("Receipt's id", "Id do recibo"),
    means: t("The id is the EIP-712 hash of the fields on this very network.", "O id é o hash EIP-712 dos campos nesta mesma rede."),
  },
  "worker signature": {
    name: t("Machine's signature", "Assinatura da máquina"),
    means: t("The machine named in the receipt signed it.", "A máquina citada no recibo o assinou."),
  },
  countersignature: {
    name: t("Gateway's countersignature", "Contra-assinatura do gateway"),
    means: t("The gateway vouches for this receipt, this answer and this fee.", "O gateway confirma este recibo, esta resposta e esta taxa."),
  },
  "request id": {
    name: t("Request's id", "Id do pedido"),
    means: t("It follows from payer, gateway and number: one request is settled once.", "Decorre de pagador, gateway e número: um pedido é liquidado uma vez."),
  },
  prompt: {
    name: t("Question", "Pergunta"),
    means: t("The question shown is the one that was committed.", "A pergunta mostrada é a que foi registrada."),
  },
  answer: {
    name: t("Answer", "Resposta"),
    means: t("The answer shown is, byte for byte, the one that was committed.", "A resposta mostrada é, byte por byte, a que foi registrada."),
  },
  evidence: {
    name: t("Evidence", "Evidência"),
    means: t(
      "The passages cover the whole answer without gap or overlap, each match is at least 32 bytes long, and their hash is the signed one.",
      "Os trechos cobrem toda a resposta sem lacuna nem sobreposição, cada correspondência tem ao menos 32 bytes, e o hash deles é o assinado.",
    ),
  },
  witnesses: {
    name: t("Quotations", "Citações"),
    means: t(
      "Every credited passage stands in its source, whose opened text leads to the commitment named here.",
      "Cada trecho creditado está na sua fonte, cujo texto aberto leva ao compromisso citado aqui.",
    ),
  },
  membership: {
    name: t("Datanets", "Datanets"),
    means: t("By what stands here, every paid source belongs to a datanet version that the answer names.", "Pelo que está aqui, cada fonte paga pertence a uma versão de datanet que a resposta cita."),
  },
  shares: {
    name: t("Shares", "Frações"),
    means: t("The shares follow from the passages: bytes of the source by bytes of the answer.", "As frações decorrem dos trechos: bytes da fonte por bytes da resposta."),
  },
  tokens: {
    name: t("Tokens", "Tokens"),
    means: t("The receipt counts the tokens of exactly these texts.", "O recibo conta os tokens exatamente destes textos."),
  },
  fee: {
    name: t("Fee", "Taxa"),
    means: t("The fee follows from the tokens and the prices given here, and its parts add up.", "A taxa decorre dos tokens e dos preços dados aqui, e suas partes somam o todo."),
  },
  completeness: {
    name: t("Completeness", "Completude"),
    means: t("No earlier text has a better claim.", "Nenhum texto anterior tem direito maior."),
  },
  network: {
    name: t("Network", "Rede"),
    means: t("The node is on the network that this receipt is bound to.", "O nó está na rede à qual este recibo pertence."),
  },
  "terms on chain": {
    name: t("Model's terms", "Termos do modelo"),
    means: t("Name, prices and splits are those that the model had when it answered.", "Nome, preços e divisões são os que o modelo tinha quando respondeu."),
  },
  "contributions on chain": {
    name: t("Registered sources", "Fontes registradas"),
    means: t("Every cited text is registered by its author, with this root, in the named versions, and its datanet's curator keeps this much.", "Cada texto citado está registrado pelo autor, com esta raiz, nas versões citadas, e a curadoria do seu datanet fica com este tanto."),
  },
  "settled as written": {
    name: t("Settlement", "Liquidação"),
    means: t("The chain settled exactly this receipt.", "A cadeia liquidou exatamente este recibo."),
  },
  payees: {
    name: t("Payees", "Quem recebe"),
    means: t("Every cited source pays the address that its author chose.", "Cada fonte citada paga ao endereço que o autor escolheu."),
  },
  credits: {
    name: t("Credits", "Créditos"),
    means: t("Every source's payee was credited or paid.", "Quem recebe por cada fonte foi creditado ou pago."),
  },
};

/** Checks in the groups in which they are shown. */
export const GROUPS: { title: Text; checks: string[] }[] = [
  { title: t("Signed", "Assinado"), checks: ["format", "receipt fields", "receipt id", "worker signature", "countersignature", "request id"] },
  { title: t("Texts", "Textos"), checks: ["prompt", "answer", "witnesses"] },
  { title: t("Attribution and money", "Atribuição e dinheiro"), checks: ["evidence", "membership", "shares", "tokens", "fee"] },
  { title: t("On the chain", "Na cadeia"), checks: ["network", "settled as written", "terms on chain", "contributions on chain", "payees", "credits", "completeness"] },
];
