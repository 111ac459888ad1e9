//! The names of measures: their parameters, parsing and printing.

use std::fmt;
use std::str::FromStr;

use super::measure::{Cutoff, Measure, MeasureKind};
use crate::{Error, Result};

/// The name of a measure and the parameters that it takes.
pub(super) struct Spec {
    pub kind: MeasureKind,
    pub name: &'static str,
    pub cutoff: Cutoff,
    pub takes_rel: bool,
    pub takes_judged_only: bool,
}

const fn spec(kind: MeasureKind, name: &'static str, cutoff: Cutoff, takes_rel: bool, takes_judged_only: bool) -> Spec {
    Spec { kind, name, cutoff, takes_rel, takes_judged_only }
}

use Cutoff::{MayHave, MustHave, Never};

/// Every measure with its printed name.
const SPECS: [Spec; 15] = [
    spec(MeasureKind::Ndcg, "nDCG", MayHave, false, true),
    spec(MeasureKind::NdcgExp, "nDCG", MustHave, false, false),
    spec(MeasureKind::Rr, "RR", MayHave, true, true),
    spec(MeasureKind::Ap, "AP", MayHave, true, true),
    spec(MeasureKind::P, "P", MustHave, true, true),
    spec(MeasureKind::R, "R", MustHave, true, true),
    spec(MeasureKind::Success, "Success", MustHave, true, true),
    spec(MeasureKind::Judged, "Judged", MayHave, false, false),
    spec(MeasureKind::Rprec, "Rprec", Never, true, true),
    spec(MeasureKind::Err, "ERR", MustHave, false, false),
    spec(MeasureKind::Bpref, "Bpref", Never, true, false),
    spec(MeasureKind::NumQ, "NumQ", Never, false, false),
    spec(MeasureKind::NumRet, "NumRet", Never, true, false),
    spec(MeasureKind::NumRelRet, "NumRelRet", Never, true, false),
    spec(MeasureKind::NumRel, "NumRel", Never, false, false),
];

/// Other names, in lower case, with the names here: those of ir_measures, trec_eval, pytrec_eval,
/// BEIR, MTEB and ranx.
const ALIASES: [(&str, &str); 30] = [
    ("ndcg", "nDCG"),
    ("ndcg_cut", "nDCG"),
    ("ndcg_burges", "nDCG"),
    ("rr", "RR"),
    ("mrr", "RR"),
    ("recip_rank", "RR"),
    ("reciprocal_rank", "RR"),
    ("mean_reciprocal_rank", "RR"),
    ("average_precision", "AP"),
    ("mean_average_precision", "AP"),
    ("ap", "AP"),
    ("map", "AP"),
    ("map_cut", "AP"),
    ("p", "P"),
    ("prec", "P"),
    ("precision", "P"),
    ("r", "R"),
    ("recall", "R"),
    ("success", "Success"),
    ("hit", "Success"),
    ("hit_rate", "Success"),
    ("hitrate", "Success"),
    ("rprec", "Rprec"),
    ("r_precision", "Rprec"),
    ("r_prec", "Rprec"),
    ("num_q", "NumQ"),
    ("num_ret", "NumRet"),
    ("num_rel", "NumRel"),
    ("num_rel_ret", "NumRelRet"),
    ("bpref", "Bpref"),
];

/// Measures that only other programs have, in lower case, with the nearest one here.
const UNSUPPORTED: [(&str, &str); 40] = [
    ("accuracy", "Success@k (which BEIR calls so)"),
    ("hits", "P@k, the share of hits instead of their number, or Success@k"),
    ("f1", "P@k and R@k"),
    ("set_f", "P@k and R@k"),
    ("setf", "P@k and R@k"),
    ("set_p", "P@k"),
    ("setp", "P@k"),
    ("relative_p", "P@k"),
    ("setrelp", "P@k"),
    ("set_relative_p", "P@k"),
    ("set_recall", "R@k"),
    ("setr", "R@k"),
    ("r_cap", "R@k"),
    ("rcap", "R@k"),
    ("set_map", "AP"),
    ("setap", "AP"),
    ("gm_map", "AP"),
    ("gm_bpref", "Bpref"),
    ("infap", "AP(judged_only=True)"),
    ("11pt_avg", "AP"),
    ("iprec", "AP or Rprec"),
    ("iprec_at_recall", "AP or Rprec"),
    ("rprec_mult", "Rprec"),
    ("hole", "Judged@k, of which it is the rest to 1"),
    ("rbp", "ERR@k or nDCG@k"),
    ("dcg", "nDCG@k"),
    ("dcg_burges", "nDCG(dcg='exp-log2')@k"),
    ("ndcg_rel", "nDCG"),
    ("rndcg", "nDCG"),
    ("bing", "nDCG"),
    ("g", "nDCG"),
    ("sdcg", "nDCG@k"),
    ("alpha_ndcg", "nDCG@k"),
    ("alpha_dcg", "nDCG@k"),
    ("nerr", "ERR@k"),
    ("err_ia", "ERR@k"),
    ("ap_ia", "AP"),
    ("p_ia", "P@k"),
    ("utility", "P@k"),
    ("compat", "nDCG@k"),
];

/// Maximum number of wrong letters in a name for which a suggestion is made.
const MAX_TYPOS: usize = 2;

impl MeasureKind {
    pub(super) fn spec(self) -> &'static Spec {
        let is_it = |spec: &&Spec| spec.kind == self;
        // Every kind is in the table; a test checks this.
        SPECS.iter().find(is_it).unwrap_or(&SPECS[0])
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parameters = Vec::new();
        if self.kind == MeasureKind::NdcgExp {
            parameters.push("dcg='exp-log2'".to_owned());
        }
        if self.rel != 1 {
            parameters.push(format!("rel={}", self.rel));
        }
        if self.judged_only {
            parameters.push("judged_only=True".to_owned());
        }
        let name = match self.kind {
            MeasureKind::NumRelRet if self.rel != 1 => "NumRet",
            kind => kind.spec().name,
        };
        let mut text = name.to_owned();
        if !parameters.is_empty() {
            text.push_str(&format!("({})", parameters.join(",")));
        }
        if let Some(cutoff) = self.cutoff {
            text.push_str(&format!("@{cutoff}"));
        }
        f.pad(&text)
    }
}

impl FromStr for Measure {
    type Err = Error;

    /// Parses a name such as `nDCG@10` or `P(rel=2,judged_only=True)@5`. Also accepts names of
    /// other programs: trec_eval's `ndcg_cut_10`, `P.5` and `recip_rank`, BEIR's and ranx's
    /// `ndcg@10`, `map`, `hit_rate@5` and `precision@5-l2`, MTEB's `ndcg_at_10`. Case does not
    /// matter.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] for an unknown name, with similar ones, and for parameters that
    /// the measure does not take.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        parse(text).map_err(|message| Error::InvalidArgument(format!("the measure '{text}': {message}")))
    }
}

impl Measure {
    /// Parses several names, separated by commas or blanks.
    ///
    /// # Errors
    /// As for one name; [`Error::InvalidArgument`] when there is none, or a measure occurs twice.
    pub fn parse_list(text: &str) -> Result<Vec<Self>> {
        let mut depth = 0_usize;
        let names = text.split(|c: char| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth.saturating_sub(1),
                _ => depth,
            };
            depth == 0 && (c == ',' || c.is_whitespace())
        });
        let mut measures: Vec<Self> = Vec::new();
        for name in names.filter(|name| !name.is_empty()) {
            // trec_eval and pytrec_eval: several cutoffs of one measure, `ndcg_cut.5,10`.
            let more = name.bytes().all(|byte| byte.is_ascii_digit()).then(|| measures.last().zip(name.parse().ok()));
            match more.flatten().filter(|(last, cutoff)| last.cutoff().is_some() && *cutoff > 0) {
                Some((last, cutoff)) => measures.extend(last.at(cutoff)),
                None => measures.push(name.parse()?),
            }
        }
        if measures.is_empty() {
            return Err(Error::InvalidArgument("no measure; name some, e.g. nDCG@10,RR@10".to_owned()));
        }
        let twice = (1..measures.len()).find(|&at| measures[..at].contains(&measures[at]));
        match twice {
            None => Ok(measures),
            Some(at) => Err(Error::InvalidArgument(format!("the measure {} is named twice", measures[at]))),
        }
    }
}

/// The parameters of a measure as the user typed them.
#[derive(Default)]
struct MeasureParameters {
    cutoff: Option<usize>,
    rel: Option<i32>,
    judged_only: bool,
    exponential: bool,
}

fn parse(text: &str) -> Result<Measure, String> {
    let (rest, at) = match text.rsplit_once('@') {
        Some((rest, at)) => (rest, Some(at)),
        None => (text, None),
    };
    let (name, inner) = match rest.split_once('(') {
        Some((name, inner)) => (name, inner.strip_suffix(')').ok_or("a parenthesis is not closed")?),
        None => (rest, ""),
    };
    let name = name.trim();
    let (name, suffix) = if at.is_some() || is_known(name) { (name, None) } else { split_cutoff(name) };
    let lower = plain(name);
    let known = ALIASES.iter().find(|(alias, _)| *alias == lower).map(|&(_, name)| name);
    let spec = SPECS.iter().find(|spec| known.map_or(plain(spec.name) == lower, |known| spec.name == known));
    let spec = spec.ok_or_else(|| unknown(name))?;
    // In trec_eval this name means several cutoffs, and not the measure without one.
    if ["ndcg_cut", "map_cut"].contains(&lower.as_str()) && at.or(suffix).is_none() && !inner.contains("cutoff") {
        return Err(format!("it needs a cutoff, e.g. {}@10", spec.name));
    }
    let mut given = MeasureParameters { exponential: lower == "ndcg_burges", ..MeasureParameters::default() };
    if let Some((at, level)) = at.or(suffix).map(split_level) {
        given.set("cutoff", at)?;
        level.map_or(Ok(()), |level| given.set("rel", level))?;
    }
    for parameter in inner.split(',').filter(|parameter| !parameter.trim().is_empty()) {
        let (key, value) = parameter.split_once('=').ok_or_else(|| format!("'{parameter}' is not NAME=VALUE"))?;
        given.set(key.trim(), value.trim())?;
    }
    given.measure(spec.name, spec.kind)
}

/// Returns a name in the spelling of the tables.
fn plain(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn is_known(name: &str) -> bool {
    let lower = plain(name);
    ALIASES.iter().any(|(alias, _)| *alias == lower) || SPECS.iter().any(|spec| plain(spec.name) == lower)
}

/// Splits `ndcg_cut_10`, `P.5`, `ndcg_at_10` and `P10` into name and cutoff.
fn split_cutoff(text: &str) -> (&str, Option<&str>) {
    let digits = text.len() - text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (name, cutoff) = text.split_at(digits);
    let separator = ["_at_", "_", ".", "-"].into_iter().find(|separator| plain(name).ends_with(&plain(separator)));
    match separator {
        _ if cutoff.is_empty() => (text, None),
        Some(separator) => (&name[..name.len() - separator.len()], Some(cutoff)),
        None if is_known(name) => (name, Some(cutoff)),
        None => (text, None),
    }
}

/// Splits ranx's `@5-l2` into cutoff and lowest relevant grade.
fn split_level(at: &str) -> (&str, Option<&str>) {
    match at.split_once("-l") {
        Some((cutoff, level)) => (cutoff, Some(level)),
        None => (at, None),
    }
}

impl MeasureParameters {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let positive = || match value.parse::<i32>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(format!("{key} must be a whole number of at least 1, not '{value}'")),
        };
        let value_of = |known: [&str; 2]| match known.iter().position(|&name| name == value.trim_matches(['\'', '"'])) {
            Some(found) => Ok(found == 1),
            None => Err(format!("{key} must be {} or {}, not {value}", known[0], known[1])),
        };
        match key {
            "cutoff" => self.cutoff = Some(positive()? as usize),
            "rel" => self.rel = Some(positive()?),
            "judged_only" => self.judged_only = value_of(["False", "True"])?,
            "dcg" => self.exponential = value_of(["log2", "exp-log2"])?,
            _ => return Err(format!("unknown parameter '{key}'; expected rel, judged_only, dcg or @cutoff")),
        }
        Ok(())
    }

    /// Builds the measure, if it takes these parameters.
    fn measure(&self, name: &str, kind: MeasureKind) -> Result<Measure, String> {
        let kind = match (kind, self.exponential, self.rel) {
            (MeasureKind::Ndcg, true, _) => MeasureKind::NdcgExp,
            (_, true, _) => return Err(format!("{name} takes no dcg")),
            (MeasureKind::NumRet, _, Some(_)) => MeasureKind::NumRelRet,
            _ => kind,
        };
        let spec = kind.spec();
        match (spec.cutoff, self.cutoff) {
            (Cutoff::MustHave, None) => return Err(format!("it needs a cutoff, e.g. {name}@10")),
            (Cutoff::Never, Some(_)) => return Err(format!("{name} takes no cutoff")),
            _ => {}
        }
        if self.rel.is_some() && !spec.takes_rel {
            return Err(format!("{name} takes no rel"));
        }
        // ir_measures computes it with a program that has no judged_only.
        let cut_rr = kind == MeasureKind::Rr && self.cutoff.is_some();
        if self.judged_only && (!spec.takes_judged_only || cut_rr) {
            return Err(format!("{name}{} takes no judged_only", if cut_rr { "@k" } else { "" }));
        }
        Ok(Measure { kind, cutoff: self.cutoff, rel: self.rel.unwrap_or(1), judged_only: self.judged_only })
    }
}

/// Returns the message about an unknown name, with similar ones.
fn unknown(name: &str) -> String {
    let lower = plain(name);
    let stem = lower.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '_');
    if let Some((_, near)) = UNSUPPORTED.iter().find(|(unsupported, _)| [stem, lower.as_str()].contains(unsupported)) {
        return format!("it is not supported; the nearest is {near}");
    }
    let mut names: Vec<&str> = SPECS.iter().map(|spec| spec.name).collect();
    names.dedup();
    let near = |candidate: &str| {
        let distance = strsim::damerau_levenshtein(&candidate.to_lowercase(), &lower);
        distance == 0 || distance <= MAX_TYPOS && distance * 2 <= lower.chars().count()
    };
    let by_alias = ALIASES.iter().filter(|(alias, _)| near(alias)).map(|&(_, ours)| ours);
    let mut suggested: Vec<&str> = names.iter().copied().filter(|name| near(name)).chain(by_alias).collect();
    suggested.sort_by_key(|ours| strsim::damerau_levenshtein(&ours.to_lowercase(), &lower));
    suggested.dedup();
    suggested.truncate(3);
    match suggested.as_slice() {
        [] => format!("unknown measure; expected {}", names.join(", ")),
        near => format!("unknown measure; did you mean {}?", near.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_line_and_reads_back() {
        for spec in &SPECS {
            assert_eq!(spec.kind.spec().kind, spec.kind);
            let cutoff = if spec.cutoff == Cutoff::Never { None } else { Some(7) };
            let judged_only = spec.takes_judged_only && spec.kind != MeasureKind::Rr;
            let rel = if spec.takes_rel && spec.kind != MeasureKind::NumRet { 3 } else { 1 };
            let measure = Measure { kind: spec.kind, cutoff, rel, judged_only };
            assert_eq!(measure.to_string().parse::<Measure>().unwrap(), measure, "{measure}");
        }
    }
}
