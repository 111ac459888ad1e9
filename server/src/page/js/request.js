// Requests to the server, and what it answers.

/** An error that the server told in words: with its status, and the field it is about. */
class Refusal extends Error {
  constructor(message, status, field) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

const RERANK = "v2/rerank";

/** The address of a path beside this page. */
function address(path) {
  return new URL(path, document.baseURI).href;
}

function rerankBody(query, documents, model, top) {
  const body = { query, documents, relevant_spans: { mode: "enabled", threshold: 0, max_spans: 1 } };
  if (model) body.model = model;
  if (top) body.top_n = top;
  return body;
}

async function ask(path, key, options = {}) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  let response;
  try {
    response = await fetch(address(path), { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(`The server at ${address("")} cannot be reached: ${error.message}`, 0, null);
  }
  const text = await response.text();
  if (response.ok) return answerOf(text, response.status);
  throw refusalOf(text, response.status);
}

function answerOf(text, status) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Refusal("The server’s answer is not JSON.", status, null);
  }
}

function refusalOf(text, status) {
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    // Words of a proxy: shown as they are.
  }
  const message = body?.message ?? body?.error?.message ?? text.slice(0, 500).trim();
  return new Refusal(message || `The server answered with status ${status}.`, status, body?.error?.param ?? null);
}

function askModels(key) {
  return ask("v1/models", key).then((answer) => answer.data.map((model) => model.id));
}

async function askRanking(body, key, signal) {
  const began = performance.now();
  const headers = { "Content-Type": "application/json" };
  const answer = await ask(RERANK, key, { method: "POST", headers, body: JSON.stringify(body), signal });
  if (!Array.isArray(answer?.results)) throw new Refusal("The server’s answer has no results.", 200, null);
  return { ...answer, milliseconds: performance.now() - began };
}
