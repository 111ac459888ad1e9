//! The prompts that families of models were trained with, as stated by their model cards. Data
//! only.

/// Prompts that may fit a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PromptFamily {
    /// A part of the model's name, in lower case.
    pub key: &'static str,
    /// A name for people.
    pub name: &'static str,
    pub query: &'static str,
    pub document: &'static str,
}

const fn family(key: &'static str, name: &'static str, query: &'static str, document: &'static str) -> PromptFamily {
    PromptFamily { key, name, query, document }
}

const REPRESENT: &str = "Represent this sentence for searching relevant passages: ";
const WEB_SEARCH: &str =
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery: ";
/// The same without the blank at the end.
const WEB_SEARCH_QWEN3: &str =
    "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:";

/// A longer key stands before a shorter one that it contains, because only the first matching key
/// counts, with all its rows.
const FAMILIES: [PromptFamily; 24] = [
    family("e5-mistral", "instruct", WEB_SEARCH, ""),
    family("e5-large-instruct", "instruct", WEB_SEARCH, ""),
    family("e5", "e5", "query: ", "passage: "),
    family("e5", "e5 (both sides alike)", "query: ", "query: "),
    family("bge-m3", "bge-m3", "", ""),
    family("bge", "bge", REPRESENT, ""),
    family("nomic", "nomic", "search_query: ", "search_document: "),
    family("modernbert-embed", "nomic", "search_query: ", "search_document: "),
    family("mxbai", "mxbai", REPRESENT, ""),
    family("arctic-embed-l-v2", "arctic v2", "query: ", ""),
    family("arctic-embed-m-v2", "arctic v2", "query: ", ""),
    family("arctic", "arctic", REPRESENT, ""),
    family("qwen3-embedding", "qwen3-embedding", WEB_SEARCH_QWEN3, ""),
    family("gte-qwen2", "instruct", WEB_SEARCH, ""),
    family("gte", "gte", "", ""),
    family("embeddinggemma", "embeddinggemma", "task: search result | query: ", "title: none | text: "),
    family(
        "jina-embeddings-v3",
        "jina v3",
        "Represent the query for retrieving evidence documents: ",
        "Represent the document for retrieval: ",
    ),
    family("jina", "no", "", ""),
    family("minilm", "no", "", ""),
    family("multi-qa", "no", "", ""),
    family("mpnet", "no", "", ""),
    family("potion", "no", "", ""),
    family("static-retrieval", "no", "", ""),
    family("static-similarity", "no", "", ""),
];

/// The families that are tried with a model of no known family.
const COMMON: [&str; 3] = ["e5", "bge", "nomic"];

/// Returns the prompts known for a model, by its names. For a model of no known family it returns
/// those of the most common ones.
pub fn known(names: &[&str]) -> Vec<PromptFamily> {
    let of = |key: &str| FAMILIES.into_iter().filter(move |family| family.key == key).collect::<Vec<_>>();
    let fits = |family: &PromptFamily| names.iter().any(|name| name.to_ascii_lowercase().contains(family.key));
    match FAMILIES.into_iter().find(fits) {
        Some(family) => of(family.key),
        None => COMMON.into_iter().filter_map(|key| of(key).first().copied()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Registry;

    #[test]
    fn the_registrys_models_have_their_prompts_in_the_table() {
        // Cross-encoders read pairs, and have no prompts.
        let is_encoder = |name: &str| !name.to_ascii_lowercase().contains("rerank") && !name.contains("ms-marco");
        for entry in Registry::built_in().entries().iter().filter(|entry| is_encoder(&entry.name)) {
            let found = known(&[&entry.name, &entry.repo]);
            let prompts = (entry.prompts.query.as_str(), entry.prompts.document.as_str());
            assert!(
                found.iter().any(|family| (family.query, family.document) == prompts),
                "{}: the registry has {prompts:?}, the table {found:?}",
                entry.name
            );
        }
    }

    #[test]
    fn a_model_of_no_family_gets_the_commonest() {
        let names: Vec<&str> = known(&["./models/mine"]).iter().map(|family| family.name).collect();
        assert_eq!(names, ["e5", "bge", "nomic"]);
        assert_eq!(known(&["intfloat/multilingual-e5-large-instruct"])[0].query, WEB_SEARCH);
        assert_eq!(known(&["./models/E5-mine"]).len(), 2);
    }

    #[test]
    fn no_key_is_hidden_by_a_shorter_one_before_it() {
        for (at, family) in FAMILIES.iter().enumerate() {
            let hides = |other: &&PromptFamily| other.key != family.key && family.key.contains(other.key);
            assert_eq!(FAMILIES[..at].iter().find(hides), None, "{}", family.key);
        }
    }
}
