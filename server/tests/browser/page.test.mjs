// The page in Chromium, against a real server with the real model.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { WIDTHS, browser, copied, drop, open, rank, run, serve, shown } from "./harness.mjs";

const QUERY = "Where does the Eiffel Tower stand?";
const CANDIDATES = [
  "The Louvre is the most visited museum in the world.",
  "A tower is a tall structure, taller than it is wide.",
  "The Eiffel Tower stands on the Champ de Mars in Paris.",
  "Bread is baked early in the morning.",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

let server;
let chromium;

before(async () => {
  [server, chromium] = await Promise.all([serve(), browser()]);
});

after(async () => {
  await chromium?.close();
  await server?.stop();
});

/** A test on a fresh page that must end without a complaint in the console, but for those it expects. */
function onPage(name, body, options = {}) {
  test(name, async () => {
    const opened = await open(chromium, server.base, options);
    try {
      const expected = (await body(opened.page)) ?? [];
      const unexpected = opened.complaints.filter((text) => !expected.some((part) => text.includes(part)));
      assert.deepEqual(unexpected, []);
    } finally {
      await opened.close();
    }
  });
}

/** What the server itself answers. */
async function answer(body) {
  const response = await fetch(`${server.base}v2/rerank`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  return response.json();
}

onPage("what is typed is ranked in the server's order, with what moved, scores, bars and marked words", async (page) => {
  await rank(page, QUERY, CANDIDATES);
  const { results } = await answer({ query: QUERY, documents: CANDIDATES });
  assert.deepEqual(await shown(page), results.map((result) => CANDIDATES[result.index]));
  assert.equal(results[0].index, 2);
  const first = page.locator("tbody tr").first();
  assert.deepEqual(await first.locator("mark").allInnerTexts(), ["Eiffel", "Tower", "stands"]);
  assert.match(await first.locator(".moved").innerText(), /▲ 2/);
  assert.equal(await first.locator(".before").innerText(), "3");
  assert.equal(await first.locator(".score").innerText(), results[0].relevance_score.toFixed(4));
  const widths = await page.locator(".bar > i").evaluateAll((bars) => bars.map((bar) => parseFloat(bar.style.width)));
  assert.deepEqual(widths, [...widths].sort((a, b) => b - a));
  assert.ok(Math.abs(widths[0] - 100 * results[0].relevance_score) < 0.01);
  await page.getByRole("button", { name: "Before" }).click();
  assert.deepEqual(await shown(page), CANDIDATES);
});

onPage("the keyboard alone ranks, stops at every control and changes the tab", async (page) => {
  await page.locator("#query").focus();
  await page.keyboard.type(QUERY);
  await page.keyboard.press("Tab");
  await page.keyboard.type(CANDIDATES.slice(0, 3).join("\n"));
  await page.keyboard.press("Control+Enter");
  await page.locator("tbody tr").nth(2).waitFor();
  assert.equal((await shown(page))[0], CANDIDATES[2]);
  const reached = new Set();
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press("Tab");
    reached.add(await page.evaluate(() => document.activeElement.id));
  }
  for (const id of ["open", "example", "model", "other", "top", "key", "rank", "tab-curl", "copy", "snippet"]) assert.ok(reached.has(id), id);
  await page.locator("#tab-curl").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.evaluate(() => document.activeElement.id), "tab-python");
  assert.match(await page.locator("#snippet").innerText(), /^import json/);
});

onPage("the copied curl and Python give the page's answer", async (page) => {
  const hostile = [`it's "quoted" \\ $HOME \`id\` é 漢字 🗼`, ...CANDIDATES];
  await rank(page, QUERY, hostile);
  const order = await shown(page);
  const ofCurl = JSON.parse(await run("bash", ["-s"], await copied(page)));
  assert.deepEqual(ofCurl.results.map((result) => hostile[result.index]), order);
  await page.click("#tab-python");
  const ofPython = await run("python3", ["-"], await copied(page));
  assert.deepEqual(ofPython.trimEnd().split("\n").map((line) => line.split("\t")[1]), order);
});

onPage("files are dropped: JSONL with titles, CSV with quotes, and a wrong one says where and loses nothing", async (page) => {
  await page.fill("#query", QUERY);
  await drop(page, "a.jsonl", `{"title":"Tower","text":"It stands in Paris."}\n"plain"\n\n{"content":"other"}\n`);
  await page.getByText("3 candidates", { exact: true }).waitFor();
  assert.equal(await page.inputValue("#candidates"), "Tower It stands in Paris.\nplain\nother");
  await drop(page, "b.csv", `id,Text\r\n1,"a ""b"", c"\r\n2,d\r\n`);
  await page.waitForFunction(() => document.getElementById("candidates").value === 'a "b", c\nd');
  await drop(page, "c.jsonl", `"good"\n{"text": 1}\n`);
  await page.getByText("c.jsonl, line 2: no text").waitFor();
  assert.equal(await page.inputValue("#candidates"), 'a "b", c\nd');
  await drop(page, "d.csv", "id,name\n1,a\n");
  await page.getByText("d.csv has no column for the text").waitFor();
});

onPage("a list of 3,000 is dropped, ranked and shown in parts", async (page) => {
  const lines = Array.from({ length: 3000 }, (_, at) => `row ${at}`);
  lines[2345] = CANDIDATES[2];
  await page.fill("#query", QUERY);
  await drop(page, "many.txt", lines.join("\n"));
  await page.getByText("many.txt: 3,000 candidates").waitFor();
  await page.fill("#top", "500");
  await page.click("#rank");
  await page.locator("tbody tr").first().waitFor({ timeout: 240_000 });
  assert.equal((await shown(page))[0], CANDIDATES[2]);
  assert.equal(await page.locator("tbody tr").count(), 100);
  await page.getByRole("button", { name: "Show 100 more of 400" }).click();
  assert.equal(await page.locator("tbody tr").count(), 200);
  await page.getByRole("button", { name: "Remove" }).click();
  assert.equal(await page.locator("#candidates").isVisible(), true);
});

onPage("errors stand where they belong", async (page) => {
  await page.click("#rank");
  assert.equal(await page.locator("#query-error").innerText(), "Type a query.");
  assert.equal(await page.getAttribute("#query", "aria-invalid"), "true");
  await page.fill("#query", QUERY);
  await page.click("#rank");
  assert.equal(await page.locator("#candidates-error").innerText(), "Give at least one candidate.");
  assert.equal(await page.locator("#query-error").isVisible(), false);
  await page.fill("#candidates", "a");
  await page.evaluate(() => document.getElementById("model").replaceChildren(new Option("no-such-model")));
  await page.click("#rank");
  await page.getByText("unknown model 'no-such-model'").waitFor();
  assert.equal(await page.locator("#model-error").isVisible(), true);
  assert.equal(await page.locator("tbody tr").count(), 0);
  return ["404"];
});

onPage("two ways to score stand side by side", async (page) => {
  await page.selectOption("#model", "all-MiniLM-L6-v2");
  await page.selectOption("#other", "by-cosine");
  await rank(page, QUERY, CANDIDATES);
  await page.locator("table").nth(1).waitFor();
  assert.deepEqual(await page.locator("#tables h3").allInnerTexts(), ["all-MiniLM-L6-v2", "by-cosine"]);
  for (const [table, model] of ["all-MiniLM-L6-v2", "by-cosine"].entries()) {
    const { results } = await answer({ query: QUERY, documents: CANDIDATES, model });
    assert.deepEqual(await shown(page, table), results.map((result) => CANDIDATES[result.index]));
  }
  assert.match(await page.locator("#status").innerText(), /Both put the same candidate first\. \d of the best 4 are the same/);
  const [left, right] = await page.locator("table").evaluateAll((tables) => tables.map((table) => table.getBoundingClientRect().left));
  assert.ok(right > left);
});

onPage("the best window of a long text is marked", async (page) => {
  const filler = "Rivers carry sand to the sea and leave it on the shore. ".repeat(60);
  const long = `${filler}The Eiffel Tower stands on the Champ de Mars in Paris. ${filler}`.trim();
  await rank(page, QUERY, [long, "Bread."]);
  const marked = (await page.locator("tbody tr").first().locator(".window").allInnerTexts()).join("");
  assert.ok(marked.includes("Champ de Mars"), marked);
  await page.getByRole("button", { name: "Show all" }).first().click();
  const whole = await page.locator("tbody tr").first().locator("td.text").textContent();
  assert.ok(whole === long, "all of the text is shown");
});

onPage("of a long text that is read whole the part with the query's first word is shown", async (page) => {
  const filler = "Rivers carry sand to the sea. ".repeat(12);
  await rank(page, QUERY, [`${filler}The Eiffel Tower stands in Paris. ${filler}`, "Bread."]);
  const first = page.locator("tbody tr").first();
  assert.deepEqual(await first.locator("mark").allInnerTexts(), ["Eiffel", "Tower", "stands"]);
  assert.match(await first.locator("td.text").innerText(), /^… .*Eiffel/);
});

onPage("markup in a candidate, a query and an error stays text", async (page) => {
  const markup = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;
  await rank(page, markup, [markup, "a"]);
  assert.ok((await shown(page)).includes(markup));
  await page.evaluate((name) => document.getElementById("model").replaceChildren(new Option(name)), markup);
  await page.click("#rank");
  await page.locator("#model-error").waitFor();
  await drop(page, `${markup}.csv`, "x,y\n1,2\n");
  await page.getByText("has no column for the text").waitFor();
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.locator("img").count(), 0);
  return ["404"];
});

test("a server with a key asks for it, and the page keeps it in memory only", async () => {
  const locked = await serve({
    args: (place) => {
      writeFileSync(join(place, "keys"), "sesame-42\n");
      return ["--api-key-file", join(place, "keys")];
    },
  });
  const context = await chromium.newContext();
  try {
    const page = await context.newPage();
    await page.goto(locked.base);
    await page.locator("#key-error").waitFor();
    assert.match(await page.locator("#key-error").innerText(), /API key is missing or wrong/);
    await page.fill("#key", "sesame-42");
    await page.keyboard.press("Tab");
    await page.locator("#model option").first().waitFor({ state: "attached" });
    await rank(page, QUERY, CANDIDATES);
    assert.equal((await shown(page))[0], CANDIDATES[2]);
    // It follows the form a moment later.
    await page.locator("#snippet").filter({ hasText: "$NEARSORT_API_KEY" }).waitFor();
    const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, document.body.innerText]));
    assert.ok(!kept.includes("sesame-42"), kept);
    await page.reload();
    assert.equal(await page.inputValue("#key"), "");
  } finally {
    await context.close();
    await locked.stop();
  }
});

for (const colorScheme of ["light", "dark"]) {
  for (const width of WIDTHS) {
    onPage(`axe finds nothing at ${width} px, ${colorScheme}`, async (page) => {
      await page.selectOption("#other", "by-cosine");
      await rank(page, QUERY, [...CANDIDATES, "word ".repeat(900)]);
      await page.click("#tab-python");
      assert.deepEqual(await violations(page), []);
      await page.fill("#query", "");
      await page.click("#rank");
      assert.deepEqual(await violations(page), []);
      assert.ok(await fits(page), "the page scrolls sideways");
      await page.goto(`${server.base}docs`);
      assert.deepEqual(await violations(page), []);
      assert.ok(await fits(page), "the description scrolls sideways");
    }, { viewport: { width, height: 900 }, colorScheme });
  }
}

/** axe is run in a world of its own: the page's policy admits no other script. */
async function violations(page) {
  const session = await page.context().newCDPSession(page);
  const { frameTree } = await session.send("Page.getFrameTree");
  const { executionContextId: contextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id });
  await session.send("Runtime.evaluate", { contextId, expression: AXE });
  const run = "axe.run(document).then((found) => found.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target).join(' ')}`))";
  const { result, exceptionDetails } = await session.send("Runtime.evaluate", { contextId, expression: run, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  return result.value;
}

function fits(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);
}
