// What an answer says of each candidate: places before and after, and how two answers agree.

/** A ranked candidate: index, before and place count from 1, `gain` is how far it went up. */
function rankingOf(answer, documents) {
  const list = answer.results.map((result, at) => {
    const text = documents[result.index];
    const window = windowOf(text, result.relevant_spans?.[0]);
    const before = result.index + 1;
    return { text, window, before, place: at + 1, gain: before - at - 1, score: result.relevance_score, there: null };
  });
  return { model: answer.model, list, answer };
}

/** Notes in each of two rankings where the other one has a candidate. */
function crossRefer(a, b) {
  for (const [one, other] of [[a, b], [b, a]]) {
    const places = new Map(other.list.map((entry) => [entry.before, entry.place]));
    for (const entry of one.list) entry.there = places.get(entry.before) ?? 0;
  }
}

/** How far two rankings agree, in words. */
function agreementOf(a, b) {
  const depth = Math.min(10, a.list.length, b.list.length);
  const best = new Set(a.list.slice(0, depth).map((entry) => entry.before));
  const shared = b.list.slice(0, depth).filter((entry) => best.has(entry.before)).length;
  const same = a.list.filter((entry) => entry.place === entry.there).length;
  const first = a.list[0]?.before === b.list[0]?.before ? "Both put the same candidate first." : "They put different candidates first.";
  return `${first} ${shared} of the best ${depth} are the same; ${same} of ${a.list.length} have the same place.`;
}

/** The width of a bar, in percent. Scores in [0, 1] are drawn as they are, others between the lowest and the highest. */
function barScale(list) {
  const scores = list.map((entry) => entry.score);
  const lowest = scores.reduce((a, b) => Math.min(a, b), 0);
  const highest = scores.reduce((a, b) => Math.max(a, b), 1);
  return (score) => (100 * (score - lowest)) / (highest - lowest);
}

function statusOf(ranking, count) {
  const { answer, list } = ranking;
  const moved = list.filter((entry) => entry.gain !== 0).length;
  const tokens = answer.usage?.total_tokens;
  const parts = [
    list.length < count ? `best ${number(list.length)} of ${number(count)} candidates` : `${number(count)} candidates`,
    `${number(moved)} moved`,
    tokens === undefined ? "" : `${number(tokens)} tokens`,
    `${number(Math.round(answer.milliseconds))} ms`,
    answer.score_kind ? `scores: ${answer.score_kind.replaceAll("_", " ")}` : "",
  ];
  return parts.filter(Boolean).join(" · ");
}

function number(value) {
  return value.toLocaleString("en");
}
