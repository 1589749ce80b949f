#!/bin/sh
# One seed on one machine: sh experiments/cluster/seed.sh SEED [VARIABLE=VALUE...]
# Trains what is missing, JOBS processes at a time (3), one thread each; see docs/cluster.md.
set -u
seed=$1
shift
cd "$(dirname "$0")/../.." || exit 1
[ -e .venv/installed ] || {
    echo "$0: first, where there is a network: make .venv/installed" >&2
    exit 1
}
exec make --no-print-directory --jobs="${JOBS:-3}" "replica-$seed" THREADS=1 ON_NODE=1 "$@"
