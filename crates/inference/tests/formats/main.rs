//! Formats of models, through their public functions, on files that the tests write.

mod adapter;
mod base;
mod config;
mod files;
mod gguf;
mod safetensors;
mod text;
