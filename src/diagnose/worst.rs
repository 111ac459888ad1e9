//! The queries that reranking hurts most, and the documents that it moved.

use super::grid::Grid;
use super::lists::{ObservedList, Scene};
use super::report::{Moved, QueryEffect, WorstQuery};
use crate::eval::TIE;

/// Number of documents shown of each kind: relevant ones that sank, others that rose.
const MOVED: usize = 3;
/// Maximum characters of a document's text.
const EXCERPT: usize = 160;

pub(super) fn by_query(scene: &Scene<'_>, grid: &Grid) -> Vec<QueryEffect> {
    let values = grid.first_stage.iter().zip(grid.setting_values());
    let of = |(list, (&before, &after)): (&ObservedList<'_>, (&f64, &f64))| QueryEffect {
        id: list.query.id.clone(),
        before,
        after,
    };
    scene.judged().into_iter().zip(values).map(of).collect()
}

pub(super) fn worst(scene: &Scene<'_>, grid: &Grid) -> Vec<WorstQuery> {
    let judged = scene.judged();
    let (before, after) = (&grid.first_stage, grid.setting_values());
    let mut lost: Vec<usize> = (0..judged.len()).filter(|&at| after[at] < before[at] - TIE).collect();
    lost.sort_by(|&a, &b| (after[a] - before[a]).total_cmp(&(after[b] - before[b])));
    lost.truncate(scene.options.worst);
    let query = |at: usize| WorstQuery {
        id: judged[at].query.id.clone(),
        text: judged[at].query.text.clone(),
        before: before[at],
        after: after[at],
        moved: moved(scene, judged[at]),
    };
    lost.into_iter().map(query).collect()
}

fn moved(scene: &Scene<'_>, list: &ObservedList<'_>) -> Vec<Moved> {
    let order = list.order(scene.setting(), scene.observations.setting.depth);
    let (before, after) = (ranks(&list.first_order), ranks(&order));
    let rel = scene.options.measure.rel();
    // The weight of a rank in nDCG.
    let worth = |rank: usize| 1.0 / ((rank + 1) as f64).log2();
    let lost = |place: usize| worth(before[place]) - worth(after[place]);
    let mut sunk: Vec<usize> =
        (0..before.len()).filter(|&place| list.is_relevant(place, rel) && lost(place) > 0.0).collect();
    let grade = |place: usize| f64::from(list.judged.grades()[place].unwrap_or(0));
    sunk.sort_by(|&a, &b| (grade(b) * lost(b)).total_cmp(&(grade(a) * lost(a))));
    let mut risen: Vec<usize> =
        (0..before.len()).filter(|&place| !list.is_relevant(place, rel) && lost(place) < 0.0).collect();
    risen.sort_by(|&a, &b| lost(a).total_cmp(&lost(b)));
    sunk.truncate(MOVED);
    risen.truncate(MOVED);
    let show = |place: usize| Moved {
        id: list.documents[place].id.clone(),
        grade: list.judged.grades()[place],
        rank_before: before[place],
        rank_after: after[place],
        excerpt: excerpt(&list.documents[place].text),
    };
    sunk.into_iter().chain(risen).map(show).collect()
}

/// Returns the rank of each place, from 1.
fn ranks(order: &[u32]) -> Vec<usize> {
    let mut ranks = vec![0; order.len()];
    order.iter().enumerate().for_each(|(rank, &place)| ranks[place as usize] = rank + 1);
    ranks
}

/// Returns the first part of a text, on one line.
fn excerpt(text: &str) -> String {
    let mut words = String::new();
    for word in text.split_whitespace() {
        words.push_str(if words.is_empty() { "" } else { " " });
        words.push_str(word);
        if let Some((end, _)) = words.char_indices().nth(EXCERPT) {
            words.truncate(end);
            words.push('…');
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_cut_between_characters() {
        assert_eq!(excerpt(" a\n b\tc "), "a b c");
        let long = excerpt(&"ä".repeat(500));
        assert_eq!((long.chars().count(), long.chars().last()), (EXCERPT + 1, Some('…')));
    }
}
