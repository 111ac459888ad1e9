// The Vercel AI SDK's Cohere provider, and cohere-ai.

import { readFileSync } from "node:fs";
import { createCohere } from "@ai-sdk/cohere";
import { rerank } from "ai";
import { CohereClient, CohereClientV2 } from "cohere-ai";

const url = process.env.NEARSORT_URL;
const key = process.env.NEARSORT_KEY;
const { model, query, documents, ranking } = JSON.parse(readFileSync(process.env.NEARSORT_EXPECTED, "utf8"));

function that(name, holds, found) {
  console.log(`  ${(holds ? "ok" : "FAILED").padEnd(6)} ${name}${holds ? "" : `: ${String(found).slice(0, 600)}`}`);
}

function same(name, results, first) {
  const wanted = ranking.slice(0, first).map(([index, score]) => [index, Math.max(score, 0)]);
  const equal = ([index, score], at) => index === wanted[at][0] && Math.abs(score - wanted[at][1]) < 1e-6;
  that(name, results.length === wanted.length && results.every(equal), JSON.stringify(results));
}

async function refused(name, call, ...words) {
  try {
    that(name, false, JSON.stringify(await call()));
  } catch (error) {
    const shown = `${error.name}: ${error.message} ${JSON.stringify(error.body ?? "")}`;
    that(name, words.every((word) => shown.includes(word)), shown);
  }
}

async function vercel() {
  const of = (answer) => answer.ranking.map(({ originalIndex, score }) => [originalIndex, score]);
  const cohere = createCohere({ baseURL: `${url}/v2`, apiKey: key });
  const run = (provider, name, more) =>
    rerank({ model: provider.reranking(name), query, documents, maxRetries: 0, ...more });
  same("ai with @ai-sdk/cohere", of(await run(cohere, model)));
  same("ai with @ai-sdk/cohere, topN", of(await run(cohere, model, { topN: 2 })), 2);
  await refused("ai with @ai-sdk/cohere, unknown model", () => run(cohere, "no-such-model"), "unknown model 'no-such-model'");
  const wrong = createCohere({ baseURL: `${url}/v2`, apiKey: "wrong" });
  await refused("ai with @ai-sdk/cohere, wrong key", () => run(wrong, model), "the API key is missing or wrong");
}

async function cohereAi() {
  const of = (answer) => answer.results.map(({ index, relevanceScore }) => [index, relevanceScore]);
  const v2 = new CohereClientV2({ environment: url, token: key });
  same("cohere-ai CohereClientV2", of(await v2.rerank({ model, query, documents })));
  same("cohere-ai CohereClientV2, topN", of(await v2.rerank({ model, query, documents, topN: 3 })), 3);
  const once = { maxRetries: 0 };
  const empty = () => v2.rerank({ model, query, documents: [] }, once);
  await refused("cohere-ai, empty list", empty, "BadRequestError", "'documents' is an empty list");
  const unknown = () => v2.rerank({ model: "no-such-model", query, documents }, once);
  await refused("cohere-ai, unknown model", unknown, "NotFoundError", "unknown model 'no-such-model'");
  const wrong = new CohereClientV2({ environment: url, token: "wrong" });
  await refused("cohere-ai, wrong key", () => wrong.rerank({ model, query, documents }, once), "the API key is missing or wrong");

  const v1 = new CohereClient({ environment: url, token: key });
  const answer = await v1.rerank({ model, query, documents, returnDocuments: true });
  same("cohere-ai CohereClient (v1)", of(answer));
  that("cohere-ai CohereClient (v1) documents", answer.results.every((r) => r.document.text === documents[r.index]));
}

await vercel();
await cohereAi();
