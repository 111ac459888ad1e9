// Candidates out of lines and files.

const TEXT_NAMES = ["text", "content", "body", "document", "page_content", "contents", "passage"];

/** The lines that are not blank. */
function linesOf(text) {
  return text.split(/\r\n|\r|\n/).filter((line) => line.trim() !== "");
}

/** Reads the candidates of a file by its extension. Throws an Error that names the file and the line. */
function candidatesOf(name, text) {
  const body = text.startsWith("\ufeff") ? text.slice(1) : text;
  const extension = name.toLowerCase().split(".").pop();
  const readers = { jsonl: ofJsonLines, ndjson: ofJsonLines, json: ofJson, csv: ofTable, tsv: ofTable };
  const candidates = (readers[extension] ?? ((_, text) => linesOf(text)))(name, body, extension);
  if (candidates.length === 0) throw new Error(`${name} holds no candidates`);
  return candidates;
}

function ofJsonLines(name, text) {
  const candidates = [];
  text.split(/\r?\n/).forEach((line, at) => {
    if (line.trim() !== "") candidates.push(ofValue(parsed(line, `${name}, line ${at + 1}`), `${name}, line ${at + 1}`));
  });
  return candidates;
}

function ofJson(name, text) {
  const list = parsed(text, name);
  if (!Array.isArray(list)) throw new Error(`${name} is not a JSON array`);
  return list.map((value, at) => ofValue(value, `${name}, element ${at + 1}`));
}

function parsed(text, where) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${where}: ${error.message}`);
  }
}

/** A string, or an object with a text; a title goes before it, as `nearsort rerank` reads such a row. */
function ofValue(value, where) {
  if (typeof value === "string") return value;
  const name = value && TEXT_NAMES.find((name) => typeof value[name] === "string");
  if (!name) throw new Error(`${where}: no text; expected a string or an object with one of: ${TEXT_NAMES.join(", ")}`);
  return withTitle(value.title, value[name]);
}

function withTitle(title, text) {
  if (typeof title !== "string" || title.trim() === "") return text;
  return text === "" ? title : `${title} ${text}`;
}

function ofTable(name, text, extension) {
  const [header, ...records] = extension === "tsv" ? tabbed(text) : recordsOfCsv(name, text);
  const names = (header ?? []).map((column) => column.trim().toLowerCase());
  const textAt = names.length === 1 ? 0 : names.indexOf(TEXT_NAMES.find((known) => names.includes(known)));
  if (textAt < 0) throw new Error(`${name} has no column for the text; expected one of: ${TEXT_NAMES.join(", ")}; found: ${names.join(", ")}`);
  const titleAt = names.indexOf("title");
  return records.map((record, at) => {
    if (record[textAt] === undefined) throw new Error(`${name}, record ${at + 1}: ${record.length} columns instead of ${names.length}`);
    return titleAt < 0 || titleAt === textAt ? record[textAt] : withTitle(record[titleAt], record[textAt]);
  });
}

function tabbed(text) {
  return linesOf(text).map((line) => line.split("\t"));
}

/** RFC 4180: quoted fields may hold commas, line ends and doubled quotes. */
function recordsOfCsv(name, text) {
  const records = [];
  let record = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/gy;
  while (field.lastIndex < text.length) {
    const match = field.exec(text);
    if (match === null) throw new Error(`${name}, record ${records.length + 1}: a quote is not closed, or text follows a closing quote`);
    record.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
    if (match[3] === ",") {
      if (field.lastIndex === text.length) record.push("");
      else continue;
    }
    if (record.length > 1 || record[0] !== "") records.push(record);
    record = [];
  }
  return records;
}
