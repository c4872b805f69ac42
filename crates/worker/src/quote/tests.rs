use super::*;

const CRACK: &str = "First crack\n\nI roast by ear. On our ten-kilo drum roaster, first crack begins at a bean temperature \
    of about 196 °C. The probe reads two degrees lower in January.";
const COPY: &str =
    "Great crack\n\nOn our ten-kilo drum roaster, first crack begins at a bean temperature of about 196 °C!";
const FEIJAO: &str = "Deixar o feijão de molho por doze horas diminui os gases e encurta o cozimento. A água vai fora.";

fn passage(contribution: u64, text: &'static str, language: &'static str) -> Passage<'static> {
    let contribution = ContributionId(contribution);
    Passage { contribution, document: 0, title: "", about: "", language, text, offset: 0 }
}

fn ask(question: &str, passages: &[Passage<'_>]) -> QuoteAnswer {
    let answer = answer(question, passages, &mut |_| false, 10_000).unwrap();
    check_form(&answer, passages);
    answer
}

/// What the module promises of every answer: readers of the format rely on it.
fn check_form(answer: &QuoteAnswer, passages: &[Passage<'_>]) {
    assert_eq!(answer.pieces.concat(), answer.text);
    assert!(answer.quotes.len() <= MAX_QUOTES);
    if answer.quotes.is_empty() {
        assert!([NOTHING_ENGLISH, NOTHING_PORTUGUESE].contains(&answer.text.as_str()));
        return;
    }
    let paragraphs: Vec<&str> = answer.text.split("\n\n").collect();
    assert_eq!(paragraphs.len(), answer.quotes.len());
    let mut most = 0;
    for (paragraph, quote) in paragraphs.into_iter().zip(&answer.quotes) {
        let quoted = &answer.text[quote.answer.clone()];
        assert_eq!(paragraph, format!("{quoted} [{}]", quote.number));
        assert!(quoted.len() >= MIN_QUOTE);
        assert!(quote.number <= most + 1);
        most = most.max(quote.number);
        let named = |p: &&Passage<'_>| (p.contribution, p.document) == (quote.contribution, quote.document);
        assert!(passages.iter().filter(named).any(|passage| {
            let from = quote.source.start.checked_sub(passage.offset);
            from.and_then(|from| passage.text.get(from..from + quote.source.len())) == Some(quoted)
        }));
    }
}

#[test]
fn every_sentence_of_a_text_is_found_by_its_own_words() {
    let passages = [passage(3, CRACK, "en"), passage(9, FEIJAO, "pt"), passage(11, COPY, "en")];
    for text in [CRACK, FEIJAO] {
        for range in fonte_corpus::sentences(text).into_iter().filter(|range| range.len() >= MIN_QUOTE) {
            let answer = ask(&text[range.clone()], &passages);
            assert!(answer.text.contains(&text[range]), "{}", answer.text);
        }
    }
}

#[test]
fn a_quote_is_verbatim_and_marked() {
    let passages = [passage(3, CRACK, "en"), passage(9, FEIJAO, "pt")];
    let answer = ask("At what temperature does first crack begin?", &passages);
    assert_eq!(
        answer.text,
        "On our ten-kilo drum roaster, first crack begins at a bean temperature of about 196 °C. [1]"
    );
    let quote = &answer.quotes[0];
    assert_eq!((quote.contribution, quote.number), (ContributionId(3), 1));
    assert_eq!(answer.text[quote.answer.clone()], CRACK[quote.source.clone()]);
    assert_eq!(answer.pieces.concat(), answer.text);
}

#[test]
fn near_copies_are_quoted_once_from_the_earliest() {
    for (original, copy) in [(2, 7), (7, 2)] {
        let passages = [passage(original, CRACK, "en"), passage(copy, COPY, "en")];
        let answer = ask("At what bean temperature does first crack begin?", &passages);
        assert_eq!(answer.quotes.len(), 1);
        assert_eq!(answer.quotes[0].contribution, ContributionId(2));
    }
}

#[test]
fn nothing_fits_is_said_in_the_language_of_the_question() {
    let passages = [passage(3, CRACK, "en"), passage(9, FEIJAO, "pt")];
    assert_eq!(ask("Who composed the Magic Flute?", &passages).text, NOTHING_ENGLISH);
    assert_eq!(ask("Quem escreveu Dom Casmurro?", &passages).text, NOTHING_PORTUGUESE);
    assert_eq!(ask("", &passages).text, NOTHING_ENGLISH);
    for chatter in ["How are you?", "hello", "What is 196?", "Thanks!"] {
        assert_eq!(ask(chatter, &passages).text, NOTHING_ENGLISH);
    }
    assert_eq!(ask("Olá, muito obrigado!", &passages).text, NOTHING_PORTUGUESE);
}

#[test]
fn accents_may_be_left_out() {
    let passages = [passage(9, FEIJAO, "pt-BR")];
    let answer = ask("Por que deixar o feijao de molho?", &passages);
    assert_eq!(answer.quotes[0].source.start, 0);
}

#[test]
fn quotes_are_dropped_whole() {
    let passages = [passage(3, CRACK, "en")];
    let question = "At what temperature does first crack begin?";
    let whole = ask(question, &passages);
    let needed = tokens(&whole.text);
    assert_eq!(answer(question, &passages, &mut |_| false, needed), Ok(whole));
    let short = answer(question, &passages, &mut |_| false, needed - 1);
    assert_eq!(short, Err(TooShort { needed, limit: needed - 1 }));
}

#[test]
fn a_short_sentence_takes_a_neighbour_along() {
    let text = "Is the weir safe? Never swim there. The undertow pulled a swimmer down in 2011.";
    let passages = [passage(1, text, "en")];
    let answer = ask("May I swim there?", &passages);
    assert!(answer.text.contains("Never swim there."), "{answer:?}");
}

#[test]
fn a_list_of_words_is_not_quoted_with_its_neighbour() {
    let question = "At what bean temperature does first crack begin?";
    let answers = "It is at a bean temperature of about 196 °C that first crack begins on our roaster.";
    for list in
        ["Coffee bean temperature roast drum first crack price.", "Walnut saddle harbour weight barn candle price."]
    {
        // It leans on what stands before it.
        let text = format!("{list} {answers}").leak();
        let answer = ask(question, &[passage(1, text, "en")]);
        assert_eq!(answer.text, format!("{answers} [1]"));
        // It is too short to be attributed by itself.
        for text in [format!("{list} Never swim there."), format!("Never swim there. {list}")] {
            let answer = ask("May I swim there?", &[passage(1, text.leak(), "en")]);
            assert_eq!(answer.text, NOTHING_ENGLISH);
        }
    }
}

#[test]
fn a_line_of_the_questions_words_answers_only_by_yes_or_no() {
    for (text, question, answers) in [
        ("You must never, ever swim below the weir.", "May I swim below the weir?", true),
        ("Café não se guarda na geladeira, nunca mesmo.", "Posso guardar café na geladeira?", true),
        // It repeats what it was asked.
        ("You may swim below the weir, it is as it is.", "May I swim below the weir?", false),
        // The question says no itself.
        ("You may not swim below the weir, it is as it is.", "May I not swim below the weir?", false),
        // It asks for a time.
        ("You must never, ever swim below the weir.", "When may I swim below the weir?", false),
    ] {
        let passages = [passage(1, text, if question.starts_with('P') { "pt" } else { "en" })];
        assert_eq!(!ask(question, &passages).quotes.is_empty(), answers, "{question} {text}");
    }
}

#[test]
fn odd_questions_do_no_harm() {
    let passages = [passage(3, CRACK, "en"), passage(9, FEIJAO, "pt")];
    let long = "first crack ".repeat(20_000);
    for question in ["???", "\0\u{202e}", "1,950.5 °C", "é", &long, " and how ", "how", "por que"] {
        let answer = ask(question, &passages);
        assert_eq!(answer.pieces.concat(), answer.text);
    }
}

#[test]
fn hostile_questions_and_texts_take_linear_time() {
    let passages = [passage(3, CRACK, "en")];
    for piece in ["; ", "; how ", " and why ayayay", "ay", "ã", "\u{2028}", "1,1"] {
        ask(&piece.repeat((256 << 10) / piece.len()), &passages);
    }
    for piece in ["A bean! ", "Ay!", "ay", "Crack\n\n", "The crack of the bean.\n"] {
        let text = piece.repeat((512 << 10) / piece.len()).leak();
        ask("At what temperature does first crack of the bean begin?", &[passage(3, text, "en")]);
    }
    let long = "ay".repeat(32 << 10);
    let titled = Passage { title: &long, about: &long, ..passage(3, CRACK, "en") };
    ask("At what temperature does first crack begin?", &[titled]);
    // Sentences that all answer, and of which none says what another does.
    let mut word =
        (0..26_u32.pow(4)).map(|n| [17_576, 676, 26, 1].map(|place| char::from(b'a' + (n / place % 26) as u8)));
    let mut sentence = || {
        let words = (0..48)
            .map(|_| format!(" the {}", word.by_ref().take(3).map(String::from_iter).collect::<Vec<_>>().join(" ")));
        format!("The crack of the bean{}. ", words.collect::<String>())
    };
    let text: String = (0..512).map(|_| sentence()).collect();
    ask(
        "Where is the crack of the bean?",
        &[3, 4, 5, 6, 7, 8].map(|id| Passage { text: &text, ..passage(id, "", "en") }),
    );
    // Each of these took minutes.
}

#[test]
fn boilerplate_is_nobodys_answer() {
    let text = "The harbour master of Porto Claro keeps the tide tables in a blue ledger behind the door.";
    let passage = Passage {
        contribution: ContributionId(3),
        document: 0,
        title: "Tides",
        about: "",
        language: "en",
        text,
        offset: 0,
    };
    let question = "Where does the harbour master of Porto Claro keep the tide tables?";
    let passages = [passage];
    let quoted = super::answer(question, &passages, &mut |_| false, 1_000).unwrap();
    assert_eq!(quoted.quotes.len(), 1);
    let refused = super::answer(question, &passages, &mut |quote| quote == text, 1_000).unwrap();
    assert!(refused.quotes.is_empty(), "{}", refused.text);
}
