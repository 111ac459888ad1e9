"""schemathesis: requests made from /openapi.json, right and wrong ones, and every answer held against it.

Never a 500; never a status, a type or a body that the file does not describe. The seed is fixed: a run repeats the one before.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import checks
from checks import KEY, URL

CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
          "response_schema_conformance"]
# Under a prefix all paths are the same again: two of them will do.
LEFT_OUT = r"^/\{dialect\}/(?!v1/rerank$|info$)"
EXAMPLES = os.environ.get("NEARSORT_SCHEMATHESIS_EXAMPLES", "15")

CONFIG = Path(__file__).with_name("schemathesis.toml")

program = Path(sys.executable).parent / "schemathesis"
call = [program, "--config-file", CONFIG, "run", f"{URL}/openapi.json", "--url", URL,
        "--header", f"Authorization: Bearer {KEY}", "--checks", ",".join(CHECKS), "--exclude-path-regex", LEFT_OUT,
        "--phases", "examples,coverage,fuzzing", "--max-examples", EXAMPLES, "--seed", "15", "--no-shrink",
        "--continue-on-failure", "--request-timeout", "30", "--no-color", "--generation-database", "none",
        "--warnings", "off"]
done = subprocess.run([str(part) for part in call], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
said = done.stdout
tested = re.search(r"(\d+) generated", said)
checks.that("schemathesis: requests were made", tested is not None and int(tested[1]) > 0, said[-2000:])
checks.that("schemathesis: every answer is one that /openapi.json describes", done.returncode == 0, said[-6000:])
if done.returncode:
    print(said, file=sys.stderr)
