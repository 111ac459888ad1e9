//! Turns text into token ids, as the model's contract requires.

#[cfg(test)]
mod tests;
mod windows;

use std::ops::Range;
use std::sync::Arc;

use tokenizers::Encoding;

use super::encoding::{first_tokens, last_tokens};
use super::late_interaction::{trim_end, trim_start};
use super::late_tokens::LateTokens;
use super::reader::TOKENIZER;
use super::reading::Caps;
use super::shared_tokenizer::{BYTES_PER_TOKEN, SharedTokenizer, no_room};
use super::static_model::StaticReading;
use super::table_source::TableSource;
use super::tokenized::TokenizedText;
use super::{Contract, Role, tokenizer_file};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// Number of tokens dropped before an arbitrary cut of a window's text. The cut can change tokens
/// before it, but hardly this many.
const UNSURE_TOKENS: usize = 64;

/// The tokens of a text that the model takes.
struct Beginning {
    /// The tokens, special tokens included.
    encoding: Encoding,
    /// The byte range of the first token that the model does not take, in prompt and text.
    next: Option<(usize, usize)>,
}

/// The places where the tokenized text may end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Only where the tokens are the first tokens of the whole text.
    Exact,
    /// Anywhere. The tokens are about those of the whole text, and exactly those of the text up to
    /// the last one.
    Anywhere,
}

pub(crate) struct TextTokenizer {
    shared: Arc<SharedTokenizer>,
    /// Maximum number of tokens that the tokenizer may give a text, special tokens included, by
    /// role.
    limits: [usize; 2],
    /// Number of special tokens within the limit.
    special: usize,
    /// The token handling of a late-interaction model.
    late: Option<LateTokens>,
    /// The rules of a model2vec model.
    model2vec: Option<StaticReading>,
    query_prompt: String,
    document_prompt: String,
    /// True if truncation cuts the beginning of a text, not its end.
    cuts_left: bool,
    caps: Caps,
}

impl TextTokenizer {
    pub(crate) fn load(files: &ModelFiles, contract: &Contract) -> Result<Self> {
        if let Some(source) = &contract.table {
            return Self::load_static(files, source, contract);
        }
        let unusable = |message: String| Error::ModelFile { path: files.dir.join("tokenizer.json"), message };
        let mut tokenizer = tokenizer_file::read(files, contract.least_limit(), false)?;
        contract.tokenizer.apply(files, &mut tokenizer)?;
        let resolve = |late| LateTokens::resolve(&mut tokenizer, contract, late).map_err(unusable);
        let late = contract.late_interaction.as_ref().map(resolve).transpose()?;
        Ok(Self::of(Arc::new(SharedTokenizer::new(tokenizer, contract.lower_case)), late, contract))
    }

    fn load_static(files: &ModelFiles, source: &TableSource, contract: &Contract) -> Result<Self> {
        let tokenizer = tokenizer_file::read_without_special(files, &format!("{}{TOKENIZER}", source.folder))?;
        let model2vec = StaticReading::of(source, &tokenizer);
        let shared = Arc::new(SharedTokenizer::of_static_model(tokenizer));
        Ok(Self { model2vec, ..Self::of(shared, None, contract) })
    }

    fn of(shared: Arc<SharedTokenizer>, late: Option<LateTokens>, contract: &Contract) -> Self {
        let limit = |role| late.as_ref().map_or(contract.max_tokens, |late| late.limit(role));
        Self {
            limits: [limit(Role::Query), limit(Role::Document)],
            special: shared.special(false),
            shared,
            late,
            model2vec: None,
            query_prompt: contract.query_prompt.clone(),
            document_prompt: contract.document_prompt.clone(),
            cuts_left: contract.cuts_left(),
            caps: contract.caps,
        }
    }

    /// Returns the tokenizer of the same model with other prompts and limits. The vocabulary is
    /// shared.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a limit that leaves no room for the text.
    pub(crate) fn with_contract(&self, contract: &Contract) -> Result<Self> {
        let late = self.late.as_ref().map(|late| late.with_max_tokens(contract.max_tokens));
        match self.special < contract.least_limit() {
            true => Ok(Self { model2vec: self.model2vec, ..Self::of(Arc::clone(&self.shared), late, contract) }),
            false => Err(no_room(contract.max_tokens, self.special)),
        }
    }

    pub(crate) fn tokenize(&self, text: &str, role: Role) -> Result<TokenizedText> {
        let part = match self.caps.most(role) {
            // Otherwise the model's own limit cuts more.
            Some(most) if most < self.room(role) => self.part(text, role)?,
            _ => 0..text.len(),
        };
        let tokenized = self.tokenize_part(&text[part.clone()], role)?;
        Ok(TokenizedText { truncated: tokenized.truncated || part.len() < text.len(), ..tokenized })
    }

    fn tokenize_part(&self, text: &str, role: Role) -> Result<TokenizedText> {
        let beginning = self.characters(text, role);
        let tokenized = self.tokenize_beginning(beginning, role)?;
        Ok(TokenizedText { truncated: tokenized.truncated || beginning.len() < text.len(), ..tokenized })
    }

    /// Returns the part of a text that a limit in characters allows.
    fn characters<'a>(&self, text: &'a str, role: Role) -> &'a str {
        match &self.model2vec {
            // Which characters count is only defined for a text that is cut at its end.
            Some(rules) if !self.cuts_left => {
                rules.beginning(text, self.limit(role), self.prompt(role).chars().count())
            }
            _ => text,
        }
    }

    fn tokenize_beginning(&self, text: &str, role: Role) -> Result<TokenizedText> {
        let prompt = self.prompt(role);
        if prompt.is_empty()
            && !self.cuts_left
            && let Some((ids, truncated)) = self.shared.ids(text, self.room(role))?
        {
            return Ok(self.without_left_out(0..ids.len(), ids, truncated));
        }
        // Offsets are only needed to separate the prompt's tokens from the text's, and they cost
        // time.
        let with_offsets = !prompt.is_empty();
        let (encoding, truncated) = match self.cuts_left {
            true => self.ending(prompt, text, role, with_offsets)?,
            false => {
                let kept = self.beginning((prompt, text), role, BYTES_PER_TOKEN, with_offsets, Ends::Exact)?;
                (kept.encoding, kept.next.is_some())
            }
        };
        let content = self.content(&encoding, prompt);
        let tokenized = self.without_left_out(content, encoding.get_ids().to_vec(), truncated);
        Ok(match &self.late {
            Some(late) => late.read(tokenized, role),
            None => tokenized,
        })
    }

    /// Returns a text with these ids, less those that the model leaves out. `content` are the places
    /// of the text's own tokens.
    fn without_left_out(&self, content: Range<usize>, mut ids: Vec<u32>, truncated: bool) -> TokenizedText {
        let unknown = self.shared.count_unknown(&ids[content.clone()]);
        let (mut content, mut left_out) = (content, 0);
        if let Some(id) = self.left_out() {
            let count = |ids: &[u32]| ids.iter().filter(|other| **other == id).count();
            let before = count(&ids[..content.start]);
            left_out = count(&ids[content.clone()]);
            content = content.start - before..content.end - before - left_out;
            ids.retain(|other| *other != id);
        }
        let attended = ids.len();
        TokenizedText { content, skipped: Vec::new(), attended, unknown, left_out, ids, truncated }
    }

    fn left_out(&self) -> Option<u32> {
        self.model2vec.and_then(|rules| rules.left_out)
    }

    /// Returns the byte range of the text that the cap of its role allows.
    fn part(&self, text: &str, role: Role) -> Result<Range<usize>> {
        self.shared.part(text, self.caps.most(role), self.cuts_left)
    }

    /// Returns the number of tokens of a text that is too long, and the limit it exceeds. Both
    /// count either the text's own tokens, or also special tokens and prompt, as the limit does.
    pub(crate) fn excess(&self, text: &str, role: Role) -> Result<(usize, usize)> {
        let own = self.shared.count(text)?;
        match self.caps.most(role).filter(|&most| own > most) {
            Some(most) => Ok((own, most)),
            None => {
                let (count, limit) = (self.count(text, role)?, self.limit(role));
                // A text may be too long in characters alone.
                let is_cut = self.characters(text, role).len() < text.len();
                Ok((if is_cut { count.max(limit + 1) } else { count }, limit))
            }
        }
    }

    /// Returns the tokenizer that both roles share.
    pub(super) fn shared(&self) -> &SharedTokenizer {
        &self.shared
    }

    /// Counts the tokens of a whole text, with prompt and special tokens.
    pub(crate) fn count(&self, text: &str, role: Role) -> Result<usize> {
        let prompt = self.prompt(role);
        let own = match prompt.is_empty() {
            true => self.shared.count(text)?,
            false => self.shared.count(&format!("{prompt}{text}"))?,
        };
        Ok(own + self.special)
    }

    /// Returns the byte ranges of the text's own tokens in order, as many as the model takes.
    pub(crate) fn locate(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        let part = self.part(text, role)?;
        let mut ranges = self.locate_part(&text[part.clone()], role)?;
        ranges.iter_mut().for_each(|range| *range = range.start + part.start..range.end + part.start);
        Ok(ranges)
    }

    fn locate_part(&self, text: &str, role: Role) -> Result<Vec<Range<usize>>> {
        let (prompt, text) = (self.prompt(role), self.characters(text, role));
        let encoding = match self.cuts_left {
            true => self.ending(prompt, text, role, true)?.0,
            false => self.beginning((prompt, text), role, BYTES_PER_TOKEN, true, Ends::Exact)?.encoding,
        };
        let content = self.content(&encoding, prompt);
        let own = encoding.get_offsets()[content.clone()].iter().zip(&encoding.get_ids()[content.clone()]);
        let own = own.filter(|(_, id)| self.left_out() != Some(**id));
        let ranges: Vec<Range<usize>> = own.map(|(&offsets, _)| self.in_text(text, prompt, offsets)).collect();
        let Some(late) = &self.late else { return Ok(ranges) };
        let mut places = vec![0..0; encoding.len()];
        places[content].clone_from_slice(&ranges);
        Ok(late.places(encoding.get_ids(), places, role))
    }

    /// Returns the maximum number of tokens that the tokenizer may give a text of this role.
    fn limit(&self, role: Role) -> usize {
        self.limits[role as usize]
    }

    /// Returns the maximum number of tokens of prompt and text together.
    fn room(&self, role: Role) -> usize {
        self.limit(role).saturating_sub(self.special)
    }

    /// Returns the bytes of white space that are cut in front of a text. Only white space before
    /// prompt and text together is cut, and the contract leaves none in front of a prompt.
    fn cut_in_front(&self, prompt: &str, text: &str) -> usize {
        if self.late.is_some() && prompt.is_empty() { text.len() - trim_start(text).len() } else { 0 }
    }

    /// Encodes as many tokens of prompt and text as the model takes, with the special ones. Only a
    /// beginning that surely fills the limit is tokenized, because the rest of a huge text would be
    /// dropped. `bytes_per_token` is a guess; if it is too low, it costs a second try.
    fn beginning(
        &self,
        (prompt, text): (&str, &str),
        role: Role,
        bytes_per_token: usize,
        with_offsets: bool,
        ends: Ends,
    ) -> Result<Beginning> {
        let (room, cuts) = (self.room(role), self.shared.cuts());
        let mut bytes = self.limit(role).saturating_mul(bytes_per_token).max(1);
        loop {
            let (prefix, needed) = match ends {
                Ends::Exact => (cuts.long_beginning(self.shared.inner(), text, bytes), room),
                Ends::Anywhere => match cuts.beginning(self.shared.inner(), text, bytes) {
                    Some(prefix) => (prefix, room),
                    None => (&text[..text.floor_char_boundary(bytes)], room + UNSURE_TOKENS),
                },
            };
            let encoding = self.encode(prompt, prefix, with_offsets)?;
            if encoding.len() > needed || prefix.len() == text.len() {
                let next = encoding.get_offsets().get(room).copied();
                let encoding = if next.is_some() { first_tokens(&encoding, room) } else { encoding };
                return Ok(Beginning { encoding: self.shared.complete(encoding)?, next });
            }
            // The beginning may be longer than requested.
            bytes = bytes.max(prefix.len()).saturating_mul(4);
        }
    }

    /// Encodes the last tokens of prompt and text that the model takes, with the special ones. Also
    /// returns true if there were more tokens.
    fn ending(&self, prompt: &str, text: &str, role: Role, with_offsets: bool) -> Result<(Encoding, bool)> {
        let encoding = self.encode(prompt, text, with_offsets)?;
        let room = self.room(role);
        let is_long = encoding.len() > room;
        let encoding = if is_long { last_tokens(&encoding, room) } else { encoding };
        Ok((self.shared.complete(encoding)?, is_long))
    }

    fn prompt(&self, role: Role) -> &str {
        match role {
            Role::Query => &self.query_prompt,
            Role::Document => &self.document_prompt,
        }
    }

    /// Encodes all tokens of prompt and text, without special tokens.
    fn encode(&self, prompt: &str, text: &str, with_offsets: bool) -> Result<Encoding> {
        let joined;
        let mut input = match prompt.is_empty() {
            true => text,
            false => {
                joined = format!("{prompt}{text}");
                joined.as_str()
            }
        };
        if self.late.is_some() {
            input = trim_end(trim_start(input));
        }
        self.shared.encode(input, with_offsets)
    }

    /// Returns the positions of the text's own tokens: between the special tokens at both ends,
    /// after the prompt.
    fn content(&self, encoding: &Encoding, prompt: &str) -> Range<usize> {
        let special = encoding.get_special_tokens_mask();
        let end = special.iter().rposition(|&special| special == 0).map_or(0, |last| last + 1);
        let start = special.iter().position(|&special| special == 0).unwrap_or(end);
        if prompt.is_empty() {
            return start..end;
        }
        let prompt_bytes = self.prompt_bytes(prompt);
        let is_prompt = |&&(from, to): &&(usize, usize)| from < prompt_bytes && to <= prompt_bytes;
        start + encoding.get_offsets()[start..end].iter().take_while(is_prompt).count()..end
    }

    /// Returns the length in bytes of the prompt as the tokenizer sees it.
    fn prompt_bytes(&self, prompt: &str) -> usize {
        if self.shared.lower_case() { prompt.to_lowercase().len() } else { prompt.len() }
    }

    /// Converts offsets in the tokenized input to a range of the text. Lower-casing can move a
    /// character by a byte or two, so the range is moved back to whole characters.
    fn in_text(&self, text: &str, prompt: &str, (from, to): (usize, usize)) -> Range<usize> {
        let (prompt_bytes, cut) = (self.prompt_bytes(prompt), self.cut_in_front(prompt, text));
        let place = |at: usize| text.floor_char_boundary((at + cut).saturating_sub(prompt_bytes).min(text.len()));
        place(from)..place(to)
    }
}
