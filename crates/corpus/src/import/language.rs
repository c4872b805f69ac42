//! Which language a text is in: enough to tell English from Portuguese, and both from the rest.

/// Words that are frequent in English and rare elsewhere.
const ENGLISH: &[&str] = &[
    "the", "of", "and", "to", "is", "that", "for", "it", "with", "as", "are", "this", "be", "by", "from", "or", "have",
    "not", "which", "you", "what", "how", "when", "where", "who", "why", "does", "should", "can", "was", "were",
    "their",
];

/// Words that are frequent in Portuguese and rare in English and in its sister languages.
const PORTUGUESE: &[&str] = &[
    "não", "é", "uma", "um", "do", "da", "dos", "das", "em", "ao", "à", "na", "os", "são", "mais", "ou", "pelo",
    "pela", "também", "você", "isso", "seu", "sua", "com", "até", "há", "já", "qual", "quais", "quem", "quando",
    "onde", "porque", "foi", "ser", "ter", "muito", "nos", "nas", "o", "e", "que", "como", "às", "aos", "num", "numa",
    "está", "por",
];

/// The language of a text as a BCP 47 tag: `en`, `pt`, or `und`.
///
/// ```
/// use fonte_corpus::import::detect_language;
/// assert_eq!(detect_language("The water of the river is clear in the morning."), "en");
/// assert_eq!(detect_language("A água do rio não é mais tão limpa como já foi."), "pt");
/// assert_eq!(detect_language("0x7f 0x45 0x4c 0x46"), "und");
/// ```
pub fn detect_language(text: &str) -> &'static str {
    let (mut words, mut english, mut portuguese) = (0u32, 0u32, 0u32);
    for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(2000) {
        words += 1;
        let word = word.to_lowercase();
        english += u32::from(ENGLISH.contains(&word.as_str()));
        portuguese += u32::from(PORTUGUESE.contains(&word.as_str()));
    }
    // Prose has 20 to 45 % of such words; change logs in English about 8 %; sister languages of Portuguese up to 10 % of
    // the Portuguese ones.
    let share = |hits: u32, percent: u32| hits > 0 && hits * 100 >= words * percent;
    if portuguese > english && share(portuguese, 12) {
        "pt"
    } else if english > portuguese && share(english, 6) {
        "en"
    } else {
        "und"
    }
}

/// A tag in its usual form (`pt_br` becomes `pt-BR`), or nothing if it is not one.
pub(crate) fn language_tag(raw: &str) -> Option<String> {
    let raw = raw.trim().split('.').next().unwrap_or("").replace('_', "-");
    let mut parts = raw.split('-');
    let primary = parts.next()?.to_ascii_lowercase();
    if !(2..=3).contains(&primary.len()) || !primary.bytes().all(|b| b.is_ascii_lowercase()) {
        return None;
    }
    let mut tag = primary;
    for part in parts.take(3) {
        if part.is_empty() || part.len() > 8 || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return None;
        }
        tag.push('-');
        tag.push_str(&if part.len() == 2 { part.to_ascii_uppercase() } else { part.to_owned() });
    }
    Some(tag)
}

#[cfg(test)]
mod tests {
    use super::{detect_language, language_tag};

    #[test]
    fn sister_languages_are_not_taken_for_ours() {
        let cases = [
            ("en", "The quick brown fox jumps over the lazy dog and is not seen again."),
            ("en", "Fix a crash when the file is empty. Update translations. Build with gcc 12."),
            ("pt", "O rio não é mais limpo, e a cidade cresceu em volta dele sem cuidar das margens."),
            ("pt", "Qual é a melhor temperatura da água para o café?"),
            ("und", "El río ya no está limpio y la ciudad creció a su alrededor sin cuidar las orillas."),
            ("und", "La rivière n'est plus propre et la ville a grandi autour d'elle sans soin."),
            ("und", "Der Fluss ist nicht mehr sauber, und die Stadt ist um ihn herum gewachsen."),
            ("und", "Il fiume non è più pulito e la città è cresciuta intorno senza curare le rive."),
            ("und", "Река уже не чистая, и город вырос вокруг неё."),
            ("und", ""),
        ];
        for (language, text) in cases {
            assert_eq!(detect_language(text), language, "of {text:?}");
        }
    }

    #[test]
    fn tags_are_put_in_their_usual_form() {
        let cases = [
            ("pt_BR.UTF-8", Some("pt-BR")),
            ("EN", Some("en")),
            ("en-us", Some("en-US")),
            ("zh-Hant", Some("zh-Hant")),
        ];
        for (raw, tag) in cases {
            assert_eq!(language_tag(raw).as_deref(), tag, "{raw}");
        }
        for none in ["", "english", "e", "en-", "12"] {
            assert_eq!(language_tag(none), None, "{none}");
        }
    }
}
