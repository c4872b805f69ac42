//! The goals of the project beside what was measured: reads the lines `row WHO MODEL WHAT = NUMBER` of a raw run.

use std::collections::BTreeMap;

/// A figure by its name in `row` lines.
type Rows = BTreeMap<String, f64>;

/// What must hold: a figure, or one divided by another, at least or at most so much; with neither, nothing must.
struct Goal {
    name: &'static str,
    of: &'static str,
    by: Option<&'static str>,
    at_least: Option<f64>,
    at_most: Option<f64>,
}

const fn least(name: &'static str, of: &'static str, by: &'static str, at_least: f64) -> Goal {
    Goal { name, of, by: Some(by), at_least: Some(at_least), at_most: None }
}

const fn most(name: &'static str, of: &'static str, by: Option<&'static str>, at_most: f64) -> Goal {
    Goal { name, of, by, at_least: None, at_most: Some(at_most) }
}

const fn beside(name: &'static str, of: &'static str, by: &'static str) -> Goal {
    Goal { name, of, by: Some(by), at_least: None, at_most: None }
}

const GOALS: &[Goal] = &[
    least("prefill, f32 beside candle, 15M", "fonte 15m f32 prefill", "candle 15m f32 prefill", 1.0),
    least("prefill, f32 beside candle, 110M", "fonte 110m f32 prefill", "candle 110m f32 prefill", 1.0),
    least("decode of 16, f32 beside candle, 15M", "fonte 15m f32 decode 16", "candle 15m f32 decode 16", 2.0),
    least("decode of 16, f32 beside candle, 110M", "fonte 110m f32 decode 16", "candle 110m f32 decode 16", 2.0),
    beside("decode of 1, f32 beside candle, 15M", "fonte 15m f32 decode 1", "candle 15m f32 decode 1"),
    beside("decode of 1, f32 beside candle, 110M", "fonte 110m f32 decode 1", "candle 110m f32 decode 1"),
    beside("decode of 64, f32 beside candle, 15M", "fonte 15m f32 decode 64", "candle 15m f32 decode 64"),
    beside("decode of 64, f32 beside candle, 110M", "fonte 110m f32 decode 64", "candle 110m f32 decode 64"),
    least("decode of 16, int8 beside own f32, 15M", "fonte 15m int8 decode 16", "fonte 15m f32 decode 16", 2.0),
    least("decode of 64, int8 beside own f32, 15M", "fonte 15m int8 decode 64", "fonte 15m f32 decode 64", 2.0),
    least("decode of 16, int8 beside own f32, 110M", "fonte 110m int8 decode 16", "fonte 110m f32 decode 16", 2.0),
    least("decode of 64, int8 beside own f32, 110M", "fonte 110m int8 decode 64", "fonte 110m f32 decode 64", 2.0),
    least("64 distinct adapters of rank 16 beside base, 15M", "fonte 15m mixed 64", "fonte 15m mixed base", 0.80),
    least("64 distinct adapters of rank 16 beside base, 110M", "fonte 110m mixed 64", "fonte 110m mixed base", 0.75),
    least("1,000 registered, Zipf, beside base, 15M", "fonte 15m serve 1000 zipf", "fonte 15m serve base", 0.85),
    least("1,000 registered, Zipf, beside base, 110M", "fonte 110m serve 1000 zipf", "fonte 110m serve base", 0.85),
    least("64 distinct adapters beside PEFT's mixed batch, 15M", "fonte 15m mixed 64", "peft 15m mixed 64", 5.0),
    least("16 requests of 16 adapters beside llama.cpp, 15M", "fonte 15m sixteen", "llamacpp 15m sixteen", 1.0),
    least("16 requests of 16 adapters beside llama.cpp, 110M", "fonte 110m sixteen", "llamacpp 110m sixteen", 1.0),
    beside("16 requests without adapters beside llama.cpp, 15M", "fonte 15m sixteen base", "llamacpp 15m sixteen base"),
    beside("the same, 110M", "fonte 110m sixteen base", "llamacpp 110m sixteen base"),
    most("registering an adapter from its files, ms, 15M", "fonte 15m register ms", None, 5.0),
    most("registering an adapter from its files, ms, 110M", "fonte 110m register ms", None, 5.0),
    most("first token, cold beside hot, 15M", "fonte 15m first cold ms", Some("fonte 15m first hot ms"), 2.0),
    beside("first token, cold beside hot, 110M", "fonte 110m first cold ms", "fonte 110m first hot ms"),
    most("memory of an adapter beside its numbers, 15M", "fonte 15m adapter mb", Some("fonte 15m numbers mb"), 1.2),
    most("memory of an adapter beside its numbers, 110M", "fonte 110m adapter mb", Some("fonte 110m numbers mb"), 1.2),
    most(
        "the same, ranks 8/16/64, 15M",
        "fonte 15m mixed ranks adapter mb",
        Some("fonte 15m mixed ranks numbers mb"),
        1.2,
    ),
    most("adapters loaded after registering 10,000", "fonte 15m loaded of 10000", None, 0.0),
];

/// The table of a raw run.
pub(crate) fn print(text: &str) {
    let rows: Rows = text.lines().filter_map(read).collect();
    println!("\n{:<52} {:>10} {:>10} {:>8} {:>9}  ", "goal", "found", "beside", "ratio", "wanted");
    for goal in GOALS {
        let found = rows.get(goal.of).copied();
        let beside = goal.by.map(|by| rows.get(by).copied());
        let ratio = match beside {
            None => found,
            Some(beside) => found.zip(beside).map(|(found, beside)| found / beside),
        };
        let wanted = match (goal.at_least, goal.at_most) {
            (Some(least), _) => format!(">= {least}"),
            (None, Some(most)) => format!("<= {most}"),
            (None, None) => String::new(),
        };
        let verdict = match ratio {
            None => "not measured",
            Some(_) if wanted.is_empty() => "no goal",
            Some(ratio)
                if goal.at_least.is_none_or(|least| ratio >= least)
                    && goal.at_most.is_none_or(|most| ratio <= most) =>
            {
                "met"
            }
            Some(_) => "MISSED",
        };
        let number = |number: Option<f64>| match number {
            None => "-".to_owned(),
            Some(number) if number >= 100.0 => format!("{number:.0}"),
            Some(number) => format!("{number:.2}"),
        };
        println!(
            "{:<52} {:>10} {:>10} {:>8} {:>9}  {verdict}",
            goal.name,
            number(found),
            beside.map_or(String::new(), number),
            number(ratio),
            wanted,
        );
    }
    println!("\nwithout a goal; tokens per CPU second, shares of base only");
    text.lines().filter_map(|line| line.strip_prefix("table ")).for_each(|line| println!("{line}"));
}

fn read(line: &str) -> Option<(String, f64)> {
    let (name, number) = line.strip_prefix("row ")?.split_once(" = ")?;
    Some((name.to_owned(), number.trim().parse().ok()?))
}
