#!/usr/bin/env bash
# The versions that pyproject.toml promises: the tests and a smoke run of the last commit on every
# Python, and once with the lowest versions of what it depends on. Each row has a checkout, an
# environment and a cache of its own. `scripts/check_versions.sh 3.13 lowest` runs these two.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 3.11 3.12 3.13 lowest

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export UV_PROJECT_ENVIRONMENT=$folder/environment GTZAN_CACHE=$folder/cache
uv_run() { uv run --directory "$folder/checkout" "$@" 2>&1 | tee -a "$folder/log"; }
count() { grep -oE "[0-9]+ $1" "$folder/log" | tail -1 | cut -d " " -f 1 | grep . || echo 0; }
line() { printf '%-7s %-8s %-7s %-7s %-13s %-7s %6s %8s %8s  %s\n' "$@" >> "$folder/table"; }

line row Python Keras numpy scikit-learn pandas passed skipped minutes result
for row in "$@"; do
  export UV_PYTHON=$row UV_RESOLUTION=highest
  [ "$row" != lowest ] || export UV_PYTHON=3.11 UV_RESOLUTION=lowest-direct
  started=$SECONDS result=passed
  rm -rf "${folder:?}"/{checkout,environment,cache,log}
  git clone --quiet . "$folder/checkout"
  uv_run pytest || result=failed
  uv_run gtzan run --profile smoke || result=failed
  versions=$(uv_run python - << 'END' | tail -1
import platform
from importlib.metadata import version
print(platform.python_version(), *map(version, ["keras", "numpy", "scikit-learn", "pandas"]))
END
  ) || versions="- - - - -"
  # shellcheck disable=SC2086
  line "$row" $versions "$(count passed)" "$(count skipped)" $(((SECONDS - started) / 60)) $result
done
cat "$folder/table"
! grep -q "failed$" "$folder/table"
