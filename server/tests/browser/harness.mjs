// A real server with the real model, and Debian's Chromium.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const NEARSORT = process.env.NEARSORT ?? join(ROOT, "target/release/nearsort");

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export const WIDTHS = [360, 800, 1400];

/** A folder that is removed at the end. */
export function folder() {
  const path = mkdtempSync(join(tmpdir(), "nearsort-page-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** A second way to score, by the same model. */
const CASCADE = `
model = ["all-MiniLM-L6-v2"]

[[cascade]]
name = "by-cosine"
stages = ["cosine:1000"]
`;

/** Starts `nearsort serve` on a free port and waits until it takes requests. */
export async function serve(options = {}) {
  const place = folder();
  const config = join(place.path, "serve.toml");
  writeFileSync(config, CASCADE);
  const args = ["serve", "--listen", "127.0.0.1:0", "--config", config, ...(options.args?.(place.path) ?? [])];
  const child = spawn(NEARSORT, args, { stdio: ["ignore", "inherit", "pipe"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stderr });
  const base = await new Promise((resolve, reject) => {
    exited.then(([code]) => reject(new Error(`nearsort serve ended with ${code}`)));
    lines.on("line", (line) => {
      const found = /http:\/\/127\.0\.0\.1:\d+/.exec(line);
      if (found) resolve(`${found[0]}/`);
      if (process.env.VERBOSE) console.error(line);
    });
  });
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
    place.remove();
  };
  return { base, stop };
}

export function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", headless: true, args: FLAGS });
}

/** A page on the server, and what its console and scripts complained of. */
export async function open(running, base, options = {}) {
  const context = await running.newContext({ viewport: { width: 1400, height: 900 }, ...options });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: new URL(base).origin });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(base);
  await page.locator("#model option").first().waitFor({ state: "attached" });
  return { page, complaints, close: () => context.close() };
}

export async function rank(page, query, candidates) {
  await page.fill("#query", query);
  await page.fill("#candidates", candidates.join("\n"));
  await page.click("#rank");
  await page.locator("tbody tr").first().waitFor();
}

/** The candidates of a table, as they are shown. */
export function shown(page, table = 0) {
  return page.locator("table").nth(table).locator("td.text").allInnerTexts();
}

/** Drops a file on the candidates, as a hand would. */
export async function drop(page, name, text) {
  const data = await page.evaluateHandle(([name, text]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([text], name));
    return transfer;
  }, [name, text]);
  await page.dispatchEvent("#drop", "dragover", { dataTransfer: data });
  await page.dispatchEvent("#drop", "drop", { dataTransfer: data });
}

export async function copied(page) {
  await page.click("#copy");
  await page.getByText("Copied", { exact: true }).waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** Runs a program and gives what it prints. */
export async function run(command, args, input) {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(input);
  let text = "";
  child.stdout.on("data", (part) => (text += part));
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`${command} ended with ${code}`);
  return text;
}
