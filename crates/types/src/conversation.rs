//! A conversation, and the one text that is committed for it.

use serde::{Deserialize, Serialize};

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The application.
    System,
    /// The application, as newer OpenAI clients call it.
    Developer,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
    /// The same, as older clients call it.
    Function,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] = [Self::System, Self::Developer, Self::User, Self::Assistant, Self::Tool, Self::Function];

    /// As clients write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Developer => "developer",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Function => "function",
        }
    }

    /// As hashed bytes write it: its place in [`Self::ALL`].
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Reads a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub text: String,
}

/// The text that is committed for a conversation: `role: text` per message, a blank line between two. What an answer
/// echoes is judged by this text.
pub fn render(turns: &[Turn]) -> String {
    let mut text = String::new();
    for turn in turns {
        if !text.is_empty() {
            text.push_str("\n\n");
        }
        text.push_str(turn.role.name());
        text.push_str(": ");
        text.push_str(&turn.text);
    }
    text
}

/// The turns of these roles and lengths (in bytes) that a text is the rendering of, if it is: the inverse of [`render`].
pub fn split(text: &str, lengths: impl IntoIterator<Item = (Role, usize)>) -> Option<Vec<Turn>> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut rest = text;
    for (role, bytes) in lengths {
        if !turns.is_empty() {
            rest = rest.strip_prefix("\n\n")?;
        }
        rest = rest.strip_prefix(role.name())?.strip_prefix(": ")?;
        let (said, after) = rest.split_at_checked(bytes)?;
        turns.push(Turn { role, text: said.to_owned() });
        rest = after;
    }
    rest.is_empty().then_some(turns)
}
