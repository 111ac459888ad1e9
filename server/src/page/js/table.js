// Rankings as tables. Texts of users only ever become text nodes.

const ROWS = 100;

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** A table of a ranking that shows its first rows, and more when asked. */
function tableOf(ranking, words, title, note) {
  const table = element("table", "");
  table.setAttribute("role", "table");
  const isCompared = ranking.list.some((entry) => entry.there !== null);
  const body = element("tbody", "");
  const more = element("button", "plain more");
  more.type = "button";
  table.append(element("caption", "hidden-text", `Candidates ranked by ${title}`), body);
  const scale = barScale(ranking.list);
  let order = ranking.list;
  const show = (count) => {
    const from = body.rows.length;
    body.append(...order.slice(from, from + count).map((entry) => rowOf(entry, words, scale, isCompared)));
    const left = order.length - body.rows.length;
    more.hidden = left === 0;
    more.textContent = `Show ${number(Math.min(ROWS, left))} more of ${number(left)}`;
  };
  const sortBy = (field) => {
    order = [...ranking.list].sort((a, b) => a[field] - b[field]);
    body.replaceChildren();
    show(ROWS);
  };
  more.addEventListener("click", () => show(ROWS));
  table.prepend(headOf(isCompared, sortBy));
  table.prepend(table.querySelector("caption"));
  show(ROWS);
  return element("div", "", element("h3", "", title), element("p", "soft small", note), table, more);
}

function headOf(isCompared, sortBy) {
  const row = element("tr", "");
  const sorted = [["place", "place", "Now"], ["before", "before", "Before"]].map(([field, className, name]) => {
    const button = element("button", "", name);
    button.type = "button";
    const head = element("th", className, button);
    button.addEventListener("click", () => {
      sorted.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", "ascending");
      sortBy(field);
    });
    return head;
  });
  sorted[0].setAttribute("aria-sort", "ascending");
  const plain = [["moved", isCompared ? "There" : "Moved"], ["score", "Score"], ["text", "Candidate"]];
  row.append(...sorted, ...plain.map(([className, name]) => element("th", className, name)));
  row.querySelectorAll("th").forEach((head) => head.setAttribute("scope", "col"));
  return element("thead", "", row);
}

function rowOf(entry, words, scale, isCompared) {
  return element(
    "tr", "",
    element("td", "place", number(entry.place)),
    element("td", "before", number(entry.before)),
    isCompared ? thereCell(entry) : movedCell(entry.gain),
    scoreCell(entry.score, scale),
    textCell(entry, words),
  );
}

function movedCell(gain) {
  if (gain === 0) return element("td", "moved", spoken("–", "not moved"));
  const far = number(Math.abs(gain));
  return gain > 0 ? element("td", "moved up", spoken(`▲ ${far}`, `up ${far}`)) : element("td", "moved down", spoken(`▼ ${far}`, `down ${far}`));
}

/** The place in the other ranking, and whether this one put it higher. */
function thereCell(entry) {
  if (entry.there === 0) return element("td", "moved", spoken("–", "not in the other ranking"));
  const place = number(entry.there);
  if (entry.there === entry.place) return element("td", "moved", spoken(`= ${place}`, `same place there`));
  const isHigher = entry.place < entry.there;
  const words = `place ${place} there, ${isHigher ? "higher" : "lower"} here`;
  return element("td", isHigher ? "moved up" : "moved down", spoken(`${isHigher ? "▲" : "▼"} ${place}`, words));
}

/** A sign for the eye and words for a screen reader. */
function spoken(sign, words) {
  const seen = element("span", "", sign);
  seen.setAttribute("aria-hidden", "true");
  return element("span", "", seen, element("span", "hidden-text", words));
}

function scoreCell(score, scale) {
  const fill = element("i", "");
  fill.style.width = `${scale(score)}%`;
  const bar = element("span", "bar", fill);
  bar.setAttribute("aria-hidden", "true");
  const cell = element("td", "score", score.toFixed(4), bar);
  cell.title = String(score);
  return cell;
}

function textCell(entry, words) {
  const { text, window } = entry;
  if (text.trim() === "") return element("td", "text soft", "(no text)");
  const excerpt = excerptOf(text, window, words);
  const cell = element("td", "text", ...marked(text, excerpt.start, excerpt.end, words, window));
  if (excerpt.start > 0) cell.prepend("… ");
  if (excerpt.start === 0 && excerpt.end === text.length) return cell;
  const button = element("button", "plain", "Show all");
  button.type = "button";
  button.addEventListener("click", () => cell.replaceChildren(...marked(text, 0, text.length, words, window)));
  cell.append(excerpt.end < text.length ? " …" : "", button);
  return cell;
}

function marked(text, start, end, words, window) {
  return stretches(text, start, end, words, window).map((stretch) => {
    const inner = stretch.isWord ? element("mark", "", stretch.text) : stretch.text;
    return stretch.isInside ? element("span", "window", inner) : inner;
  });
}
