//! Turns pairs of texts into token ids, as transformers does.

use std::ops::Range;
use std::sync::Arc;

use tokenizers::{Encoding, PostProcessor, Tokenizer};

use super::super::Role;
use super::super::batches::Tokens;
use super::super::encoding::{first_tokens, last_tokens};
use super::super::reading::Caps;
use super::super::shared_tokenizer::SharedTokenizer;
use super::super::tokenizer_file::{self, failed};
use super::contract::{CrossContract, PairForm};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// The default instruction for a causal model, from Qwen3-Reranker's card.
pub const DEFAULT_INSTRUCTION: &str = "Given a web search query, retrieve relevant passages that answer the query";

/// The text before the instruction. Prefix and suffix have the wording that Qwen3-Reranker was
/// trained with.
const PREFIX: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. \
                      Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
const SUFFIX: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
const ANSWERS: [&str; 2] = ["yes", "no"];

/// A query and a document as one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenizedPair {
    /// Special tokens and prompt included, at most the model's limit.
    pub ids: Vec<u32>,
    /// The position where the tokens of type 1 begin; the number of tokens if there are none.
    pub second: usize,
    /// Number of tokens of the document; at least 1 if there was no room for it.
    pub own: usize,
    /// Number of the document's tokens that stand for words outside the vocabulary.
    pub unknown: u32,
    /// True if query or document was cut.
    pub truncated: bool,
    /// True if the query was cut.
    pub query_truncated: bool,
}

impl Tokens for TokenizedPair {
    fn num_tokens(&self) -> usize {
        self.ids.len()
    }
}

/// A query, tokenized once for all its documents.
pub(super) struct PreparedQuery {
    /// Number of tokens of the whole query, without special tokens.
    tokens: usize,
    /// Number of these tokens that are outside the vocabulary.
    unknown: u32,
    /// The query's tokens that fit into a pair.
    encoding: Encoding,
    /// True if only a part of the query is read, whatever the document.
    is_part: bool,
    asked: CausalQuestion,
}

/// The question to a causal model.
enum CausalQuestion {
    /// The model is not a causal one.
    Nothing,
    /// The text before the document, and its tokens.
    Before(String, Vec<u32>),
    /// The query fills the model's limit. Holds the tokens of the question, the same for every
    /// document.
    Full(Vec<u32>),
}

impl PreparedQuery {
    /// Returns the number of tokens of the query alone.
    pub fn num_tokens(&self) -> usize {
        self.tokens
    }

    /// Returns true if only a part of the query is read, whatever the document.
    pub fn is_part(&self) -> bool {
        self.is_part
    }

    /// Returns true if all of the query's tokens are outside the vocabulary, or it has none.
    pub fn is_unknown(&self) -> bool {
        self.tokens <= self.unknown as usize
    }
}

/// The way that a pair is put together.
#[derive(Clone)]
enum Joining {
    /// The tokenizer's template, which adds this many special tokens.
    Template { special: usize },
    /// A question to a causal model.
    Question { prefix: Vec<u32>, suffix: Vec<u32>, instruction: String },
}

impl Joining {
    /// Returns the number of tokens around the texts.
    fn around(&self) -> usize {
        match self {
            Self::Template { special } => *special,
            Self::Question { prefix, suffix, .. } => prefix.len() + suffix.len(),
        }
    }
}

pub(super) struct PairTokenizer {
    shared: Arc<SharedTokenizer>,
    joining: Joining,
    /// Maximum number of tokens of the two texts.
    room: usize,
    has_types: bool,
    query_prompt: String,
    /// True if truncation cuts the beginning of texts, not their end.
    cuts_left: bool,
    caps: Caps,
    named_answers: Option<(u64, u64)>,
}

impl PairTokenizer {
    pub fn load(files: &ModelFiles, contract: &CrossContract, instruction: Option<&str>) -> Result<Self> {
        let path = files.dir.join("tokenizer.json");
        let unusable = |message: String| Error::ModelFile { path: path.clone(), message };
        let mut tokenizer = tokenizer_file::read(files, contract.max_tokens, contract.form != PairForm::Answering)?;
        contract.tokenizer.apply(files, &mut tokenizer)?;
        let joining = match contract.form {
            PairForm::Classifier | PairForm::Modular => match tokenizer.get_post_processor() {
                Some(template) => Joining::Template { special: template.added_tokens(true) },
                None => return Err(unusable("it has no post-processor, which says how two texts are joined".into())),
            },
            PairForm::Answering => question(&mut tokenizer, instruction.unwrap_or(DEFAULT_INSTRUCTION))?,
        };
        Self::of(Arc::new(SharedTokenizer::new(tokenizer, contract.lower_case)), joining, contract)
    }

    fn of(shared: Arc<SharedTokenizer>, joining: Joining, contract: &CrossContract) -> Result<Self> {
        let around = joining.around();
        let room = contract.max_tokens.saturating_sub(around);
        if room < 2 {
            let why =
                format!("{}: {around} of them stand around the texts, which need two at least", contract.max_tokens);
            return Err(Error::InvalidOption { option: "max_tokens", why });
        }
        Ok(Self {
            shared,
            joining,
            room,
            has_types: contract.has_types,
            query_prompt: contract.query_prompt.clone(),
            cuts_left: contract.cuts_left(),
            caps: contract.caps,
            named_answers: contract.answers,
        })
    }

    /// Returns the tokenizer of the same model with another instruction and other limits. The
    /// vocabulary is shared.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for a limit that leaves no room for the text.
    pub fn with_contract(&self, contract: &CrossContract, instruction: Option<&str>) -> Result<Self> {
        let mut joining = self.joining.clone();
        if let (Joining::Question { instruction, .. }, Some(other)) = (&mut joining, instruction) {
            other.clone_into(instruction);
        }
        Self::of(Arc::clone(&self.shared), joining, contract)
    }

    /// Returns the shared tokenizer.
    pub fn shared(&self) -> &SharedTokenizer {
        &self.shared
    }

    /// Returns the ids of "yes" and "no".
    pub fn answers(&self) -> Result<(u32, u32)> {
        let [yes, no] = ANSWERS.map(|answer| self.shared.inner().token_to_id(answer));
        let missing = || Error::InvalidArgument("the model's tokenizer has no tokens \"yes\" and \"no\"".into());
        let found = yes.zip(no).ok_or_else(missing)?;
        match self.named_answers.filter(|&(yes, no)| (yes, no) != (found.0.into(), found.1.into())) {
            Some((yes, no)) => Err(Error::InvalidArgument(format!(
                "the model's LogitScore compares the tokens {yes} and {no}; the tokens for \"yes\" and \"no\", which the question asks for, are {} and {}",
                found.0, found.1
            ))),
            None => Ok(found),
        }
    }

    pub fn prepare(&self, query: &str) -> Result<PreparedQuery> {
        let part = self.part(query, Role::Query)?;
        let is_part = part.len() < query.len();
        let query = &query[part];
        let asked = match &self.joining {
            Joining::Template { .. } => CausalQuestion::Nothing,
            Joining::Question { instruction, .. } => self.asked(question_before(instruction, query))?,
        };
        let whole = self.shared.encode(&format!("{}{query}", self.query_prompt), false)?;
        let (tokens, unknown) = (whole.len(), self.shared.count_unknown(whole.get_ids()));
        Ok(PreparedQuery { tokens, unknown, encoding: self.kept(&whole, self.room), is_part, asked })
    }

    /// Returns the byte range of the text that the cap of its role allows.
    fn part(&self, text: &str, role: Role) -> Result<Range<usize>> {
        self.shared.part(text, self.caps.most(role), self.cuts_left)
    }

    /// Returns the number of tokens of a query that is longer than the cap, and the cap.
    pub fn excess_of_query(&self, query: &str) -> Result<(usize, usize)> {
        Ok((self.shared.count(query)?, self.caps.most(Role::Query).unwrap_or(self.room)))
    }

    /// Returns the number of tokens of a document and the cap, if the document is longer.
    pub fn excess_of_document(&self, document: &str) -> Result<Option<(usize, usize)>> {
        let Some(most) = self.caps.most(Role::Document) else { return Ok(None) };
        let tokens = self.shared.count(document)?;
        Ok((tokens > most).then_some((tokens, most)))
    }

    /// Counts the tokens of a whole pair, with everything around the texts.
    pub fn count(&self, query: &str, document: &str) -> Result<usize> {
        let before = match &self.joining {
            Joining::Template { .. } => format!("{}{query}", self.query_prompt),
            Joining::Question { instruction, .. } => question_before(instruction, query),
        };
        Ok(self.shared.count(&before)? + self.shared.count(document)? + self.joining.around())
    }

    fn asked(&self, question: String) -> Result<CausalQuestion> {
        let encoding = self.shared.encode_beginning("", &question, self.room, false)?;
        // The last token of the question may change with the document behind it.
        Ok(match encoding.len() > self.room {
            true => CausalQuestion::Full(encoding.get_ids()[..self.room].to_vec()),
            false => CausalQuestion::Before(question, encoding.get_ids().to_vec()),
        })
    }

    /// Tokenizes a pair and cuts texts that are too long.
    pub fn pair(&self, query: &PreparedQuery, document: &str) -> Result<TokenizedPair> {
        let part = self.part(document, Role::Document)?;
        let is_part = part.len() < document.len();
        let pair = self.pair_of_parts(query, &document[part])?;
        Ok(TokenizedPair {
            truncated: pair.truncated || is_part || query.is_part,
            query_truncated: pair.query_truncated || query.is_part,
            ..pair
        })
    }

    fn pair_of_parts(&self, query: &PreparedQuery, document: &str) -> Result<TokenizedPair> {
        match (&self.joining, &query.asked) {
            (Joining::Question { prefix, suffix, .. }, CausalQuestion::Full(texts)) => {
                Ok(TokenizedPair { query_truncated: true, ..self.surround(texts, (prefix, suffix), 1, true) })
            }
            (Joining::Question { prefix, suffix, .. }, CausalQuestion::Before(question, before)) => {
                let encoding = self.shared.encode_beginning(question, document, self.room, false)?;
                let texts = &encoding.get_ids()[..encoding.len().min(self.room)];
                // A short document may only change the question's last token: " " becomes " a".
                let same = encoding.get_ids().iter().zip(before).take_while(|(whole, before)| whole == before).count();
                let own = encoding.len() - same;
                Ok(self.surround(texts, (prefix, suffix), own, encoding.len() > self.room))
            }
            _ => self.join(query, document),
        }
    }

    /// Puts prefix and suffix around a causal model's question.
    fn surround(
        &self,
        texts: &[u32],
        (prefix, suffix): (&[u32], &[u32]),
        own: usize,
        truncated: bool,
    ) -> TokenizedPair {
        let ids = [prefix, texts, suffix].concat();
        let unknown = self.shared.count_unknown(texts);
        TokenizedPair { second: ids.len(), ids, own, unknown, truncated, query_truncated: false }
    }

    /// Joins the texts as `[CLS] query [SEP] document [SEP]` or the like. The longer text is cut
    /// until both are equally long, then both are cut (`longest_first`).
    fn join(&self, query: &PreparedQuery, document: &str) -> Result<TokenizedPair> {
        // More tokens than this change neither the cut nor which text is the longer.
        let enough = self.room.max(query.tokens);
        let document = match self.cuts_left {
            true => self.shared.encode(document, false)?,
            false => self.shared.encode_beginning("", document, enough, false)?,
        };
        let truncated = query.tokens + document.len() > self.room;
        let (first, second) = longest_first(query.tokens, document.len(), self.room);
        let query_truncated = first < query.tokens;
        let (first, second) = (self.kept(&query.encoding, first), self.kept(&document, second));
        let (own, unknown) = (second.len(), self.shared.count_unknown(second.get_ids()));
        let template = self.shared.inner().get_post_processor().ok_or_else(|| failed("no post-processor"))?;
        let joined = tokenizer_file::encoded(|| template.process(first, Some(second), true))?;
        let ids = joined.get_ids().to_vec();
        let typed = joined.get_type_ids().iter().position(|&kind| kind == 1).filter(|_| self.has_types);
        Ok(TokenizedPair { second: typed.unwrap_or(ids.len()), ids, own, unknown, truncated, query_truncated })
    }

    /// Returns the `count` tokens of a text that truncation keeps.
    fn kept(&self, encoding: &Encoding, count: usize) -> Encoding {
        if self.cuts_left { last_tokens(encoding, count) } else { first_tokens(encoding, count) }
    }
}

/// Returns the text that a causal model reads before the document.
fn question_before(instruction: &str, query: &str) -> String {
    format!("<Instruct>: {instruction}\n<Query>: {query}\n<Document>: ")
}

/// Tokenizes the text around a question. From then on `<|im_end|>` and the like in a text are plain
/// text, so that no document can end the question.
fn question(tokenizer: &mut Tokenizer, instruction: &str) -> Result<Joining> {
    let ids = |text: &str| {
        let encoding = tokenizer.encode_fast(text, false).map_err(|e| failed(&e))?;
        Ok::<_, Error>(encoding.get_ids().to_vec())
    };
    let (prefix, suffix) = (ids(PREFIX)?, ids(SUFFIX)?);
    tokenizer.set_encode_special_tokens(true);
    Ok(Joining::Question { prefix, suffix, instruction: instruction.to_owned() })
}

/// Returns the number of tokens of each text that fit into `room`. The longer text is cut until
/// both are equally long, then both are cut. This is `truncate_encodings` of the tokenizers
/// library.
fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    let (shorter, longer) = (first.min(second), first.max(second));
    let (mut short, mut long) = (shorter, if shorter > room { shorter } else { shorter.max(room - shorter) });
    if short + long > room {
        (short, long) = (room / 2, room / 2 + room % 2);
    }
    let (short, long) = (short.min(shorter), long.min(longer));
    if first > second { (long, short) } else { (short, long) }
}

#[cfg(test)]
mod tests {
    use tokenizers::utils::truncation::truncate_encodings;
    use tokenizers::{TruncationDirection, TruncationParams, TruncationStrategy};

    use super::*;

    fn encoding(tokens: usize) -> Encoding {
        Encoding::from_tokens(vec![tokenizers::Token::new(1, "x".into(), (0, 1)); tokens], 0)
    }

    #[test]
    fn pairs_are_cut_as_the_tokenizers_library_cuts_them() {
        for room in 2..14 {
            let params = TruncationParams {
                max_length: room,
                strategy: TruncationStrategy::LongestFirst,
                stride: 0,
                direction: TruncationDirection::Right,
            };
            for (first, second) in (0..20).flat_map(|first| (0..20).map(move |second| (first, second))) {
                let (a, b) = truncate_encodings(encoding(first), Some(encoding(second)), &params).unwrap();
                let expected = (a.len(), b.unwrap().len());
                assert_eq!(longest_first(first, second, room), expected, "{first} {second} in {room}");
            }
        }
    }
}
