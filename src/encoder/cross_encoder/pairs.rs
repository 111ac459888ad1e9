//! Pairs of texts to token ids, as transformers makes them.

use tokenizers::{Encoding, PostProcessor, Tokenizer};

use super::super::batches::Tokens;
use super::super::cuts::Cuts;
use super::super::tokenized::unknown_id;
use super::super::tokenizer::{BYTES_PER_TOKEN, failed, first_tokens, last_tokens};
use super::super::tokenizer_file;
use super::contract::{CrossContract, Form};
use crate::store::ModelFiles;
use crate::{Error, Result};

/// What a causal model is asked when the user does not say: the instruction of Qwen3-Reranker's card.
pub const DEFAULT_INSTRUCTION: &str = "Given a web search query, retrieve relevant passages that answer the query";

/// What stands before the instruction and behind the document; the wording that Qwen3-Reranker was trained with.
const PREFIX: &str = "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. \
                      Note that the answer can only be \"yes\" or \"no\".<|im_end|>\n<|im_start|>user\n";
const SUFFIX: &str = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n";
const ANSWERS: [&str; 2] = ["yes", "no"];

/// A query and a document as one sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenizedPair {
    /// Special tokens and prompt included, at most the model's limit.
    pub ids: Vec<u32>,
    /// Where the tokens of type 1 begin; their number where there are none.
    pub second: usize,
    /// Tokens of the document; at least 1 where it had no room.
    pub own: usize,
    /// Tokens of the document that stand for what the vocabulary lacks.
    pub unknown: u32,
    /// Whether query or document was cut.
    pub truncated: bool,
    /// Whether the query was cut.
    pub query_truncated: bool,
}

impl Tokens for TokenizedPair {
    fn num_tokens(&self) -> usize {
        self.ids.len()
    }
}

/// A query, tokenized once for all its documents.
pub(super) struct PreparedQuery {
    /// Tokens of all of it, without special tokens.
    tokens: usize,
    /// Tokens of these that the vocabulary lacks.
    unknown: u32,
    /// As many of them as fit into a pair.
    encoding: Encoding,
    asked: Asked,
}

/// A causal model's question.
enum Asked {
    /// Not a question.
    Nothing,
    /// What stands before the document, and its tokens.
    Before(String, Vec<u32>),
    /// The query fills the model's limit: the tokens of the question, the same for every document.
    Full(Vec<u32>),
}

impl PreparedQuery {
    /// Tokens of the query alone.
    pub fn num_tokens(&self) -> usize {
        self.tokens
    }

    /// Whether the vocabulary lacks all of them, or there are none.
    pub fn is_unknown(&self) -> bool {
        self.tokens <= self.unknown as usize
    }
}

/// How a pair is put together.
enum Joining {
    /// By the tokenizer's template, which adds this many special tokens.
    Template { special: usize },
    /// As a question to a causal model.
    Question { prefix: Vec<u32>, suffix: Vec<u32>, instruction: String },
}

pub(super) struct PairTokenizer {
    tokenizer: Tokenizer,
    cuts: Cuts,
    joining: Joining,
    /// Tokens that the texts may take.
    room: usize,
    has_types: bool,
    lower_case: bool,
    unknown_id: Option<u32>,
    query_prompt: String,
    /// Whether the beginning of texts that are too long is cut, not their end.
    cuts_left: bool,
    named_answers: Option<(u64, u64)>,
}

impl PairTokenizer {
    pub fn load(files: &ModelFiles, contract: &CrossContract, instruction: Option<&str>) -> Result<Self> {
        let path = files.dir.join("tokenizer.json");
        let unusable = |message: String| Error::ModelFile { path: path.clone(), message };
        let mut tokenizer = tokenizer_file::read(files, contract.max_tokens, contract.form != Form::Answering)?;
        contract.tokenizer.apply(files, &mut tokenizer)?;
        let joining = match contract.form {
            Form::Classifier | Form::Modular => match tokenizer.get_post_processor() {
                Some(template) => Joining::Template { special: template.added_tokens(true) },
                None => return Err(unusable("it has no post-processor, which says how two texts are joined".into())),
            },
            Form::Answering => question(&mut tokenizer, instruction.unwrap_or(DEFAULT_INSTRUCTION))?,
        };
        let around = match &joining {
            Joining::Template { special } => *special,
            Joining::Question { prefix, suffix, .. } => prefix.len() + suffix.len(),
        };
        let room = contract.max_tokens.saturating_sub(around);
        if room < 2 {
            let why =
                format!("{}: {around} of them stand around the texts, which need two at least", contract.max_tokens);
            return Err(Error::InvalidOption { option: "max_tokens", why });
        }
        let (has_types, lower_case) = (contract.has_types, contract.lower_case);
        let (unknown_id, cuts) = (unknown_id(&tokenizer), Cuts::new(&tokenizer, lower_case));
        let (query_prompt, named_answers) = (contract.query_prompt.clone(), contract.answers);
        let cuts_left = contract.tokenizer.cuts_left();
        Ok(Self {
            tokenizer,
            cuts,
            joining,
            room,
            has_types,
            lower_case,
            unknown_id,
            query_prompt,
            cuts_left,
            named_answers,
        })
    }

    /// The ids of "yes" and "no".
    pub fn answers(&self) -> Result<(u32, u32)> {
        let [yes, no] = ANSWERS.map(|answer| self.tokenizer.token_to_id(answer));
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
        let asked = match &self.joining {
            Joining::Template { .. } => Asked::Nothing,
            Joining::Question { instruction, .. } => {
                self.asked(format!("<Instruct>: {instruction}\n<Query>: {query}\n<Document>: "))?
            }
        };
        let whole = self.encode(&format!("{}{query}", self.query_prompt))?;
        let (tokens, unknown) = (whole.len(), self.count_unknown(whole.get_ids()));
        Ok(PreparedQuery { tokens, unknown, encoding: self.kept(&whole, self.room), asked })
    }

    fn asked(&self, question: String) -> Result<Asked> {
        let encoding = self.encode_prefix("", &question, self.room)?;
        // The last token may change with the document behind it.
        Ok(match encoding.len() > self.room {
            true => Asked::Full(encoding.get_ids()[..self.room].to_vec()),
            false => Asked::Before(question, encoding.get_ids().to_vec()),
        })
    }

    /// The pair, its texts cut where they are too long.
    pub fn pair(&self, query: &PreparedQuery, document: &str) -> Result<TokenizedPair> {
        match (&self.joining, &query.asked) {
            (Joining::Question { prefix, suffix, .. }, Asked::Full(texts)) => {
                Ok(TokenizedPair { query_truncated: true, ..self.surround(texts, (prefix, suffix), 1, true) })
            }
            (Joining::Question { prefix, suffix, .. }, Asked::Before(question, before)) => {
                let encoding = self.encode_prefix(question, document, self.room)?;
                let texts = &encoding.get_ids()[..encoding.len().min(self.room)];
                // A short document may do no more than change the question's last token: " " becomes " a".
                let same = encoding.get_ids().iter().zip(before).take_while(|(whole, before)| whole == before).count();
                let own = encoding.len() - same;
                Ok(self.surround(texts, (prefix, suffix), own, encoding.len() > self.room))
            }
            _ => self.join(query, document),
        }
    }

    /// A causal model's question between what stands around it.
    fn surround(
        &self,
        texts: &[u32],
        (prefix, suffix): (&[u32], &[u32]),
        own: usize,
        truncated: bool,
    ) -> TokenizedPair {
        let ids = [prefix, texts, suffix].concat();
        let unknown = self.count_unknown(texts);
        TokenizedPair { second: ids.len(), ids, own, unknown, truncated, query_truncated: false }
    }

    /// `[CLS] query [SEP] document [SEP]` and its like: the longer text is cut until the other is as long, then both (`longest_first`).
    fn join(&self, query: &PreparedQuery, document: &str) -> Result<TokenizedPair> {
        // More tokens than these change neither what is cut nor which text counts as the longer.
        let enough = self.room.max(query.tokens);
        let document = match self.cuts_left {
            true => self.encode(document)?,
            false => self.encode_prefix("", document, enough)?,
        };
        let truncated = query.tokens + document.len() > self.room;
        let (first, second) = longest_first(query.tokens, document.len(), self.room);
        let query_truncated = first < query.tokens;
        let (first, second) = (self.kept(&query.encoding, first), self.kept(&document, second));
        let (own, unknown) = (second.len(), self.count_unknown(second.get_ids()));
        let template = self.tokenizer.get_post_processor().ok_or_else(|| failed("no post-processor"))?;
        let joined = tokenizer_file::encoded(|| template.process(first, Some(second), true))?;
        let ids = joined.get_ids().to_vec();
        let typed = joined.get_type_ids().iter().position(|&kind| kind == 1).filter(|_| self.has_types);
        Ok(TokenizedPair { second: typed.unwrap_or(ids.len()), ids, own, unknown, truncated, query_truncated })
    }

    /// What is kept of a text's tokens when so many have room.
    fn kept(&self, encoding: &Encoding, count: usize) -> Encoding {
        if self.cuts_left { last_tokens(encoding, count) } else { first_tokens(encoding, count) }
    }

    /// Encodes `before` and the text behind it, or so much of the text that there are more than `enough` tokens: the rest of a huge text would be
    /// tokenized to be dropped.
    fn encode_prefix(&self, before: &str, text: &str, enough: usize) -> Result<Encoding> {
        let mut bytes = enough.saturating_mul(BYTES_PER_TOKEN).max(1);
        loop {
            let prefix = self.cuts.long_beginning(&self.tokenizer, text, bytes);
            let encoding = self.encode(&format!("{before}{prefix}"))?;
            if encoding.len() > enough || prefix.len() == text.len() {
                return Ok(encoding);
            }
            bytes = bytes.max(prefix.len()).saturating_mul(4);
        }
    }

    /// All tokens of a text, without special ones.
    fn encode(&self, text: &str) -> Result<Encoding> {
        tokenizer_file::encoded(|| match self.lower_case {
            true => self.tokenizer.encode_fast(text.to_lowercase(), false),
            false => self.tokenizer.encode_fast(text, false),
        })
    }

    fn count_unknown(&self, ids: &[u32]) -> u32 {
        ids.iter().filter(|id| self.unknown_id == Some(**id)).count() as u32
    }
}

/// Tokenizes what stands around a question. From then on `<|im_end|>` and its like in a text are text: no document ends the question.
fn question(tokenizer: &mut Tokenizer, instruction: &str) -> Result<Joining> {
    let ids = |text: &str| {
        let encoding = tokenizer.encode_fast(text, false).map_err(|e| failed(&*e))?;
        Ok::<_, Error>(encoding.get_ids().to_vec())
    };
    let (prefix, suffix) = (ids(PREFIX)?, ids(SUFFIX)?);
    tokenizer.set_encode_special_tokens(true);
    Ok(Joining::Question { prefix, suffix, instruction: instruction.to_owned() })
}

/// How many tokens of two texts fit into `room`: the longer one is cut until the other is as long,
/// then both. As `truncate_encodings` of the tokenizers library does it.
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
