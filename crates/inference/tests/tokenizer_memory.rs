//! What a tokenizer keeps of the texts that it was asked for: nothing. A program of its own, which counts its memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicIsize, Ordering},
};

use fonte_inference::formats::Tokenizer;
use serde_json::json;

/// Counts the bytes in use.
struct Counting;

static USED: AtomicIsize = AtomicIsize::new(0);

// SAFETY: every call is handed on to the system's allocator unchanged; the counter is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        USED.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        USED.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn words_of_strangers_are_not_kept() {
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let ids = || letters.iter().enumerate();
    let vocabulary: serde_json::Map<_, _> = ids().map(|(id, letter)| (letter.clone(), json!(id))).collect();
    let scored: Vec<_> = ids().map(|(_, letter)| json!([letter, -1.0])).collect();
    let models = [
        json!({ "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": [] }),
        json!({ "type": "Unigram", "unk_id": null, "vocab": scored, "byte_fallback": false }),
    ];
    for model in models {
        let file = json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null, "decoder": null, "model": model,
        });
        let tokenizer = Tokenizer::parse("tokenizer.json", file.to_string().as_bytes(), 26).unwrap();
        let word = |number: u32| -> String {
            (0..200).map(|i| char::from(b'a' + ((number >> (i % 16)) as u8 ^ i as u8) % 26)).collect()
        };
        assert_eq!(tokenizer.encode(&word(0), false).unwrap().len(), 200);
        let before = USED.load(Ordering::Relaxed);
        for number in 0..2_000 {
            tokenizer.encode(&tokenizer.guard(&word(number)), false).unwrap();
        }
        let kept = USED.load(Ordering::Relaxed) - before;
        assert!(kept < 100_000, "{kept} bytes of 2,000 words of {}", model["type"]);
    }
}
