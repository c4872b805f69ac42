//! The near-duplicate report finds planted copies among texts that are merely about the same things.

use std::{collections::BTreeMap, path::Path};

use fonte_corpus::{
    ImportOptions,
    import::OnBadFile,
    import_folder,
    near_duplicates::{Comparison, MOST_PER_DOCUMENT, NearDuplicate, Reason},
};
use fonte_types::{ContributionId, WINDOW};

/// splitmix64, as in `docs/spec/shares.md`, 4.
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % n as u64).expect("below a usize")
    }

    fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

/// Facts that two reporters tell in words of their own: names and figures are shared, sentences are not.
const PHRASINGS: [[&str; 3]; 8] = [
    [
        "The {place} bridge was closed to lorries in {year}, after an inspector found rust in the bearings.",
        "In {year} lorries lost the right to cross at {place}: the bearings had rusted, said whoever inspected them.",
        "Rusty bearings, noticed by an inspector in {year}, mean that nothing heavy drives over the river in {place} now.",
    ],
    [
        "About {many} people use it on a working day, most of them on foot.",
        "Counters show {many} crossings between Monday and Friday mornings; walkers outnumber drivers.",
        "It carries some {many} travellers daily and is first of all a footbridge.",
    ],
    [
        "{name}, who runs the bakery at its northern end, sells a third fewer loaves since.",
        "Trade has suffered. {name} bakes at the north side and reckons that one loaf in three stays on the shelf.",
        "\"A third of my customers stay away\", complains {name}, baker on the northern bank.",
    ],
    [
        "The council wants to replace the bearings over two summers and keep one lane open throughout.",
        "Work is planned for two consecutive summers, never shutting both lanes at once, if the council has its way.",
        "Councillors would rather mend it lane by lane in the warm months of two years.",
    ],
    [
        "It would cost {many} thousand crowns, of which the province has promised half.",
        "Half of the bill of {many} thousand crowns is to come from the province.",
        "The price, {many} thousand crowns, is shared: fifty per cent are the province's.",
    ],
    [
        "Barges pass underneath as before, though the clearance sign is wrong by a hand's breadth.",
        "Nothing changes on the water, except that bargees have learnt to mistrust the painted clearance.",
        "For boats all stays as it was; only the figure on the clearance board cannot be relied on.",
    ],
    [
        "A ferry that the parish ran in the thirties stopped there, and its landing is still to be seen.",
        "Before the war the parish kept a ferry at the same spot. Stones of the landing remain.",
        "Old people remember a parish ferry, and whoever looks finds what is left of where it landed.",
    ],
    [
        "The next inspection is due in spring, when the water is low enough to work from a raft.",
        "Somebody will look again in spring: then a raft can be moored under the arches.",
        "Low water in spring allows a raft, and so that is when bearings get their next examination.",
    ],
];

/// A report in the words of one of three reporters.
fn report(reporter: usize) -> String {
    let fill = |text: &str| {
        text.replace("{place}", "Serrinha")
            .replace("{name}", "Ida Kern")
            .replace("{year}", "2011")
            .replace("{many}", "640")
    };
    PHRASINGS.iter().map(|all| fill(all[reporter])).collect::<Vec<_>>().join("\n\n")
}

/// The demo corpus without its copiers, and one report.
fn earlier() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo");
    let mut texts = Vec::new();
    for datanet in ["coffee", "health", "rivers"] {
        let imported =
            import_folder(&root.join(datanet), ImportOptions::default(), OnBadFile::Skip).expect("the demo corpus");
        let copiers = ["copia-rapida", "repost-daily", "content-mill"];
        let own =
            imported.documents.into_iter().filter(|text| !copiers.iter().any(|copier| text.path.contains(copier)));
        texts.extend(own.map(|document| document.text));
    }
    assert!(texts.len() > 70, "{} texts", texts.len());
    texts.push(report(0));
    texts
}

fn compare(new: &[String], earlier: &[String]) -> Vec<NearDuplicate> {
    let mut comparison = Comparison::new(new.iter().map(String::as_str)).expect("few texts");
    for (id, text) in (1..).zip(earlier) {
        comparison.with(ContributionId(id), 0, text);
    }
    comparison.finish()
}

type Edit = (&'static str, fn(&str, &mut Seeded) -> String);

/// Word by word; what the function returns stands in the word's place.
fn by_word(text: &str, mut edit: impl FnMut(&str) -> String) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|piece| {
            let word = piece.trim_end();
            format!("{}{}", edit(word), &piece[word.len()..])
        })
        .collect()
}

const FILLERS: [&str; 8] = ["indeed", "rather", "often", "quase", "sempre", "talvez", "simply", "apenas"];

fn swapped(text: &str, random: &mut Seeded, percent: usize) -> String {
    let mut pieces: Vec<&str> = text.split(' ').collect();
    let mut at = 0;
    while at + 1 < pieces.len() {
        if random.percent(percent) {
            pieces.swap(at, at + 1);
            at += 1;
        }
        at += 1;
    }
    pieces.join(" ")
}

const GLUE: &str = "Welcome back, dear readers, to another long evening with the best that our editors have gathered this \
    week. Put the kettle on, sit down, and let us begin with what so many of you have asked for in your letters.";

const EDITS: [Edit; 12] = [
    ("verbatim", |text, _| text.to_owned()),
    ("one word in 20 replaced", |text, random| {
        by_word(text, |word| if random.percent(5) { FILLERS[random.below(8)].into() } else { word.into() })
    }),
    ("one word in 7 replaced", |text, random| {
        by_word(text, |word| if random.percent(15) { FILLERS[random.below(8)].into() } else { word.into() })
    }),
    ("one word in 10 swapped with the next", |text, random| swapped(text, random, 10)),
    ("one word in 10 left out", |text, random| {
        by_word(text, |word| if random.percent(10) { String::new() } else { word.into() })
    }),
    ("one word in 10 put in", |text, random| {
        by_word(
            text,
            |word| if random.percent(10) { format!("{word} {}", FILLERS[random.below(8)]) } else { word.into() },
        )
    }),
    ("paragraphs shuffled", |text, random| {
        let mut paragraphs: Vec<&str> = text.split("\n\n").collect();
        for i in (1..paragraphs.len()).rev() {
            paragraphs.swap(i, random.below(i + 1));
        }
        paragraphs.join("\n\n")
    }),
    ("glue of the same length around it", |text, _| {
        let glue = GLUE.repeat(text.len() / GLUE.len() / 2 + 1);
        format!("{glue}\n\n{text}\n\n{glue}")
    }),
    ("glue of ten times its length around it", |text, random| {
        // Glue that repeats itself would be found by its own repetition; this does not.
        let mut glue = String::new();
        while glue.len() < text.len() * 10 {
            glue += FILLERS[random.below(8)];
            glue += if random.percent(15) { ". " } else { " " };
        }
        format!("{text}\n\n{glue}")
    }),
    ("second half left out", |text, _| {
        let half = text.floor_char_boundary(text.len() / 2);
        text[..half].to_owned()
    }),
    ("a letter doubled in every 31 bytes", |text, _| {
        let (mut out, mut since) = (String::new(), 0);
        for c in text.chars() {
            out.push(c);
            since += c.len_utf8();
            if since >= 24 && c.is_alphabetic() {
                out.push(c);
                since = 0;
            }
        }
        out
    }),
    ("all capitals, no punctuation", |text, _| {
        text.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).flat_map(char::to_uppercase).collect()
    }),
];

/// Where the report ends: printed, and not counted as planted.
const LIMITS: [Edit; 2] = [
    ("limit: one word in 4 replaced", |text, random| {
        by_word(text, |word| if random.percent(25) { FILLERS[random.below(8)].into() } else { word.into() })
    }),
    ("limit: one word in 3 replaced", |text, random| {
        by_word(text, |word| if random.percent(33) { FILLERS[random.below(8)].into() } else { word.into() })
    }),
];

#[test]
fn planted_copies_are_found_and_nothing_else() {
    let earlier = earlier();
    let mut random = Seeded(2026);
    let (mut planted, mut found, mut named, mut wrong) = (0, 0, 0, 0);
    println!(
        "{:<42} {:>7} {:>7} {:>6} {:>6}  resembles, overlaps, reworded",
        "edit", "planted", "found", "mean J", "mean C"
    );
    for (name, edit) in EDITS.into_iter().chain(LIMITS) {
        let copies: Vec<String> = earlier.iter().map(|text| fonte_corpus::clean(&edit(text, &mut random))).collect();
        let pairs = compare(&copies, &earlier);
        let right = |pair: &&NearDuplicate| u64::from(pair.document) + 1 == pair.contribution.0;
        let hits = pairs.iter().filter(right).count();
        let mut reasons = BTreeMap::from([(Reason::Resembles, 0), (Reason::Overlaps, 0), (Reason::Reworded, 0)]);
        for pair in &pairs {
            *reasons.get_mut(&pair.reason).expect("all reasons") += 1;
        }
        let mean = |measure: fn(&NearDuplicate) -> u32| {
            pairs.iter().filter(right).map(|pair| u64::from(measure(pair))).sum::<u64>() / hits.max(1) as u64 / 1000
        };
        let (j, c) = (mean(|pair| pair.resemblance_ppm), mean(|pair| pair.containment_ppm));
        let reasons: Vec<_> = reasons.values().collect();
        println!(
            "{name:<42} {:>7} {hits:>7} {:>6} {:>6}  {reasons:?}",
            copies.len(),
            format!(".{j:03}"),
            format!(".{c:03}")
        );
        wrong += pairs.len() - hits;
        named += pairs.len();
        if LIMITS.iter().any(|limit| limit.0 == name) {
            continue;
        }
        // Every kind of edit by itself, so that an easy one does not carry a hard one.
        assert!(hits * 100 >= copies.len() * 95, "{name}: {hits} of {} found", copies.len());
        planted += copies.len();
        found += hits;
    }

    // True and different: two more reporters on the same bridge, and every honest text against all others, most of
    // them on the same subject as many more.
    let different = vec![report(1), report(2)];
    let false_of_reports = compare(&different, &earlier).len();
    let mut false_of_others = 0;
    for (index, text) in earlier.iter().enumerate() {
        let others: Vec<String> =
            earlier.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, text)| text.clone()).collect();
        false_of_others += compare(std::slice::from_ref(text), &others).len();
    }
    println!("same facts in other words: {false_of_reports} of {} named", different.len());
    println!("honest texts against all others: {false_of_others} of {} named", earlier.len());
    named += false_of_reports + false_of_others;
    wrong += false_of_reports + false_of_others;
    let (recall, precision) = (found * 1000 / planted, (named - wrong) * 1000 / named);
    println!("recall {found}/{planted} = {recall}/1000, precision {}/{named} = {precision}/1000", named - wrong);
    assert!(recall >= 950 && precision >= 950);
    assert!(false_of_reports == 0, "what is told in other words is no copy");
}

/// What repeats one stretch holds few sequences of words that are different, and those of the rest outnumber them.
#[test]
fn a_copy_of_one_stretch_many_times_over_is_found() {
    // No word twice.
    let words = |from: usize, count: usize| (from..from + count).map(|n| format!(" w{n}")).collect::<String>();
    let sentence = "Rusty bearings, noticed by an inspector, mean that nothing heavy drives over the river now. ";
    let long_words = "electroencephalographically uncharacteristically counterrevolutionaries. ";
    for stretch in [sentence, long_words] {
        let repeated = stretch.repeat(50) + &words(0, 300);
        let once = stretch.to_owned() + &words(10_000, 700);
        let pairs = compare(std::slice::from_ref(&repeated), std::slice::from_ref(&once));
        assert!(pairs.len() == 1 && pairs[0].overlap_bytes * 2 >= pairs[0].bytes, "{pairs:?}");
        assert_eq!(pairs[0].reason, Reason::Overlaps);
        let pairs = compare(&[once], &[repeated]);
        assert!(pairs.len() == 1 && pairs[0].earlier_overlap_bytes * 2 >= pairs[0].earlier_bytes, "{pairs:?}");
    }
}

#[test]
fn an_edit_in_every_31_bytes_leaves_no_window_and_is_still_found() {
    let text = report(0);
    let mut random = Seeded(1);
    let edited = EDITS[10].1(&text, &mut random);
    let pairs = compare(&[edited], &[text]);
    assert_eq!((pairs[0].overlap_bytes, pairs[0].reason), (0, Reason::Reworded), "{pairs:?}");
}

#[test]
fn the_list_is_short_and_in_order() {
    let text = report(0);
    let glued = format!("{text}\n\n{GLUE}");
    let mut earlier: Vec<String> = vec![report(0)[..WINDOW * 8].to_owned()];
    earlier.extend(std::iter::repeat_n(text.clone(), 200));
    let pairs = compare(&[glued], &earlier);
    assert_eq!(pairs.len(), MOST_PER_DOCUMENT);
    // Whole copies before the part of one, the earliest first.
    let ids: Vec<u64> = pairs.iter().map(|pair| pair.contribution.0).collect();
    assert_eq!(ids, (2..2 + MOST_PER_DOCUMENT as u64).collect::<Vec<_>>());
    // The same whatever the order of comparing.
    let again = {
        let glued = format!("{text}\n\n{GLUE}");
        let mut comparison = Comparison::new([glued.as_str()]).expect("one text");
        for (id, text) in (1..).zip(&earlier).collect::<Vec<_>>().into_iter().rev() {
            comparison.with(ContributionId(id), 0, text);
        }
        comparison.finish()
    };
    assert_eq!(again, pairs);
}
