// The request as programs that can be copied.

const PREVIEW = 8;

/** With `limit`, documents beyond it are left out and counted: for looking, not for running. */
function bodyText(body, indent, limit) {
  const left = limit === undefined ? 0 : Math.max(0, body.documents.length - limit);
  if (left === 0) return JSON.stringify(body, null, indent);
  const short = { ...body, documents: body.documents.slice(0, limit) };
  const last = JSON.stringify(short.documents[limit - 1]);
  return JSON.stringify(short, null, indent).replace(`${last}\n`, () => `${last},\n    … ${left} more\n`);
}

/** The body stands in a here-document: no shell touches its quotes, and no limit of an argument cuts it. */
function curlOf(body, hasKey, limit) {
  const key = hasKey ? ' \\\n  -H "Authorization: Bearer $NEARSORT_API_KEY"' : "";
  return `curl ${shellWord(address(RERANK))} -H 'Content-Type: application/json'${key} \\\n  --data-binary @- <<'JSON'\n${bodyText(body, 2, limit)}\nJSON\n`;
}

function shellWord(text) {
  return /^[\w:/.\-[\]@%]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Strings, numbers, lists and objects are the same in JSON and Python; the body holds nothing else. */
function pythonOf(body, hasKey, limit) {
  const key = hasKey ? 'headers["Authorization"] = "Bearer " + os.environ["NEARSORT_API_KEY"]\n' : "";
  return `import json
${hasKey ? "import os\n" : ""}import urllib.request

body = ${bodyText(body, 4, limit)}
headers = {"Content-Type": "application/json"}
${key}request = urllib.request.Request(${JSON.stringify(address(RERANK))}, json.dumps(body).encode(), headers)
with urllib.request.urlopen(request) as response:
    answer = json.load(response)
for result in answer["results"]:
    print(f'{result["relevance_score"]:.4f}', body["documents"][result["index"]][:100], sep="\\t")
`;
}
