// Which parts of a text are marked: words of the query, and the best window.

/** Frequent English words without a meaning of their own. */
const FUNCTION_WORDS = new Set(
  ("a an and are as at be but by can did do does for from had has have how i if in into is it its me my no not of on or our " +
    "so than that the their them then there these they this to was we were what when where which who why will with you your").split(" "),
);

const segmenter = new Intl.Segmenter(undefined, { granularity: "word" });

/** The words of a text with their places, in UTF-16 units. */
function* wordsOf(text) {
  for (const part of segmenter.segment(text)) {
    if (part.isWordLike) yield { word: plain(part.segment), start: part.index, end: part.index + part.segment.length };
  }
}

/** Lower case, without accents. */
function plain(word) {
  return word.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/** The words of a query that are worth marking; all of them, if it has nothing but function words. */
function queryWords(query) {
  const all = [...new Set([...wordsOf(query)].map((found) => found.word))];
  const telling = all.filter((word) => !FUNCTION_WORDS.has(word));
  return telling.length > 0 ? telling : all;
}

/** Equal, or one is the other with an ending of up to two letters: tower and towers. */
function meets(a, b) {
  if (a === b) return true;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= 4 && long.length - short.length <= 2 && long.startsWith(short);
}

/** Stretches of `text` from `start` to `end`, each with what it is: {text, isWord, isInside}. */
function stretches(text, start, end, words, window) {
  const marks = [];
  for (const found of wordsOf(text.slice(start, end))) {
    if (words.some((word) => meets(word, found.word))) marks.push([start + found.start, start + found.end]);
  }
  const cuts = new Set([start, end, ...marks.flat()]);
  if (window) [window.start, window.end].filter((at) => at > start && at < end).forEach((at) => cuts.add(at));
  const places = [...cuts].sort((a, b) => a - b);
  const inside = (at) => window !== null && at >= window.start && at < window.end;
  let next = 0;
  return places.slice(0, -1).map((from, at) => {
    while (next < marks.length && marks[next][1] <= from) next += 1;
    const isWord = next < marks.length && marks[next][0] <= from;
    return { text: text.slice(from, places[at + 1]), isWord, isInside: inside(from) };
  });
}

/** A span in code points as one in UTF-16 units; null for one that covers the whole text. */
function windowOf(text, span) {
  if (!span) return null;
  const window = { start: unitsOf(text, span.start), end: unitsOf(text, span.end) };
  return window.start === 0 && window.end >= text.length ? null : window;
}

function unitsOf(text, points) {
  let at = 0;
  for (let seen = 0; seen < points && at < text.length; seen += 1) at += text.codePointAt(at) > 0xffff ? 2 : 1;
  return at;
}

const EXCERPT = 420;

/** How far a text is looked through for a word of the query. */
const SEARCHED = 20000;

/** The part of a long text that is shown first: around its window, else from its first word of the query on, else its beginning. */
function excerptOf(text, window, words) {
  if (text.length <= EXCERPT + 80) return { start: 0, end: text.length };
  const first = window ?? firstMeeting(text.slice(0, SEARCHED), words);
  const start = first && first.start > EXCERPT / 2 ? first.start - 60 : 0;
  const end = Math.min(text.length, Math.max(start + EXCERPT, window ? Math.min(window.end + 60, start + 2 * EXCERPT) : 0));
  return { start: whole(text, start), end: whole(text, end) };
}

function firstMeeting(text, words) {
  for (const found of wordsOf(text)) {
    if (words.some((word) => meets(word, found.word))) return found;
  }
  return null;
}

/** Not between the two units of one character. */
function whole(text, at) {
  return at > 0 && at < text.length && text.codePointAt(at - 1) > 0xffff ? at - 1 : at;
}
