// The form: what is asked, who answers, where errors stand.

const at = (id) => document.getElementById(id);

const EXAMPLE = {
  query: "Where does the Eiffel Tower stand?",
  candidates: [
    "The Louvre is the most visited museum in the world.",
    "Gustave Eiffel's company also built bridges and the frame of the Statue of Liberty.",
    "A tower is a tall structure, taller than it is wide.",
    "The Eiffel Tower stands on the Champ de Mars in Paris, near the Seine.",
    "Tokyo Tower was inspired by a lattice tower in France.",
    "Paris has been the capital of France for most of its history.",
    "Many visitors climb the tower's stairs to its second level.",
    "Bread is baked early in the morning.",
  ],
};

/** More lines than this stay out of the text field, which would become slow. */
const FIELD_LINES = 2000;

/** Candidates of a file or of a paste that are too many for the text field: {name, candidates}. */
let file = null;
let running = null;

function documents() {
  return file ? file.candidates : linesOf(at("candidates").value);
}

function currentBody(model) {
  return rerankBody(at("query").value, documents(), model ?? at("model").value, at("top").valueAsNumber || undefined);
}

// Errors

function showError(field, message) {
  const place = at(`${field}-error`) ?? at("results-error");
  place.textContent = message;
  place.hidden = false;
  const input = at(field);
  if (input && place.id !== "results-error") {
    input.setAttribute("aria-invalid", "true");
    input.focus();
  }
}

function clearErrors() {
  document.querySelectorAll(".error[id]").forEach((place) => {
    place.hidden = true;
    place.textContent = "";
  });
  document.querySelectorAll("[aria-invalid]").forEach((input) => input.removeAttribute("aria-invalid"));
}

/** The field that a refusal is about. */
function fieldOf(error) {
  if (error.status === 401 || error.status === 403) return "key";
  const name = String(error.field ?? "").split(/[.[]/)[0];
  return { query: "query", documents: "candidates", model: "model", top_n: "top" }[name] ?? "results";
}

function showRefusal(error) {
  if (error.name === "AbortError") at("status").textContent = "Stopped.";
  else showError(fieldOf(error), error.message);
}

// Candidates

function showCount() {
  const count = documents().length;
  at("count").textContent = count === 0 ? "none yet" : count === 1 ? "1 candidate" : `${number(count)} candidates`;
}

async function takeFile(chosen) {
  if (!chosen) return;
  clearErrors();
  try {
    const candidates = candidatesOf(chosen.name, await chosen.text());
    const fits = candidates.length <= FIELD_LINES && candidates.every((text) => text.trim() !== "" && !/[\r\n]/.test(text));
    if (fits) setCandidates(candidates.join("\n"));
    else setFile({ name: chosen.name, candidates });
  } catch (error) {
    showError("candidates", error.message);
  }
}

/** A long text that is pasted into the empty field is kept beside it. */
function takePaste(event) {
  const field = at("candidates");
  const isWhole = field.selectionStart === 0 && field.selectionEnd === field.value.length;
  const candidates = isWhole ? linesOf(event.clipboardData.getData("text")) : [];
  if (candidates.length <= FIELD_LINES) return;
  event.preventDefault();
  setFile({ name: "Pasted", candidates });
}

function setCandidates(text) {
  file = null;
  at("candidates").value = text;
  showSource();
}

function setFile(taken) {
  file = taken;
  at("file-name").textContent = `${taken.name}: ${number(taken.candidates.length)} candidates`;
  showSource();
}

function showSource() {
  at("file").hidden = file === null;
  at("candidates").hidden = file !== null;
  changed();
}

// Ranking

async function rank() {
  clearErrors();
  if (at("query").value.trim() === "") return showError("query", "Type a query.");
  if (documents().length === 0) return showError("candidates", "Give at least one candidate.");
  if (!at("top").validity.valid) return showError("top", "A whole number from 1.");
  running?.abort();
  const own = new AbortController();
  running = own;
  setRunning(true);
  at("status").textContent = `Ranking ${number(documents().length)} candidates …`;
  try {
    await rankBy([at("model").value, at("other").value].filter((name, place) => place === 0 || name), own.signal);
  } catch (error) {
    if (running === own) {
      at("status").textContent = "";
      showRefusal(error);
    }
  }
  if (running === own) setRunning(false);
}

async function rankBy(models, signal) {
  const texts = documents();
  const words = queryWords(at("query").value);
  const bodies = models.map((model) => currentBody(model));
  const answers = await Promise.all(bodies.map((body) => askRanking(body, at("key").value, signal)));
  showRankings(answers.map((answer, place) => ({ ...rankingOf(answer, texts), name: models[place] || answer.model })), words, texts.length);
}

function showRankings(rankings, words, count) {
  const [one, other] = rankings;
  if (other) crossRefer(one, other);
  at("status").textContent = other ? agreementOf(one, other) : `Ranked ${number(count)} candidates.`;
  at("legend-there").hidden = !other;
  at("legend-window").hidden = !rankings.some((ranking) => ranking.list.some((entry) => entry.window));
  at("legend").hidden = false;
  at("tables").replaceChildren(...rankings.map((ranking) => tableOf(ranking, words, ranking.name, statusOf(ranking, count))));
}

function setRunning(isRunning) {
  at("stop").hidden = !isRunning;
  at("results").setAttribute("aria-busy", String(isRunning));
}

// The request to copy

let language = "curl";

function snippet(limit) {
  const write = language === "curl" ? curlOf : pythonOf;
  return write(currentBody(), at("key").value !== "", limit);
}

function showSnippet() {
  at("snippet").textContent = snippet(PREVIEW);
}

function chooseLanguage(name) {
  language = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const isChosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(isChosen));
    tab.tabIndex = isChosen ? 0 : -1;
  }
  at("snippet").setAttribute("aria-labelledby", `tab-${name}`);
  showSnippet();
}

async function copy() {
  try {
    await navigator.clipboard.writeText(snippet());
    at("copied").textContent = "Copied";
  } catch {
    at("copied").textContent = "The browser does not allow copying here: select the text";
  }
}

let pending = 0;

/** Follows the form, once for many keystrokes. */
function changed() {
  at("copied").textContent = "";
  clearTimeout(pending);
  pending = setTimeout(() => {
    showCount();
    showSnippet();
  }, 120);
}

// Models

async function loadModels() {
  try {
    const names = await askModels(at("key").value);
    fill(at("model"), names, []);
    fill(at("other"), names, [new Option("nothing", "")]);
    clearErrors();
  } catch (error) {
    showRefusal(error);
  }
  changed();
}

function fill(select, names, before) {
  const chosen = select.value;
  select.replaceChildren(...before, ...names.map((name) => new Option(name, name)));
  if (names.includes(chosen)) select.value = chosen;
}

function connect() {
  at("form").addEventListener("submit", (event) => {
    event.preventDefault();
    rank();
  });
  at("form").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) rank();
  });
  at("form").addEventListener("input", changed);
  at("stop").addEventListener("click", () => running?.abort());
  at("key").addEventListener("change", loadModels);
  at("open").addEventListener("click", () => at("picker").click());
  at("picker").addEventListener("change", () => takeFile(at("picker").files[0]).then(() => (at("picker").value = "")));
  at("candidates").addEventListener("paste", takePaste);
  at("file-remove").addEventListener("click", () => setCandidates(""));
  at("example").addEventListener("click", () => {
    at("query").value = EXAMPLE.query;
    setCandidates(EXAMPLE.candidates.join("\n"));
  });
  at("copy").addEventListener("click", copy);
  connectTabs();
  connectDrop();
}

function connectTabs() {
  const names = ["curl", "python"];
  for (const name of names) {
    at(`tab-${name}`).addEventListener("click", () => chooseLanguage(name));
    at(`tab-${name}`).addEventListener("keydown", (event) => {
      if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
      const other = names.find((known) => known !== name);
      chooseLanguage(other);
      at(`tab-${other}`).focus();
    });
  }
}

function connectDrop() {
  const mark = (isOver) => at("drop").classList.toggle("over", isOver);
  at("drop").addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  at("drop").addEventListener("dragleave", () => mark(false));
  at("drop").addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    takeFile(event.dataTransfer.files[0]);
  });
}

connect();
loadModels();
