#!/bin/sh
# An array of jobs, one a seed, and the table after them:
#     sh experiments/cluster/submit.sh 0-32 [VARIABLE=VALUE...]
# What sbatch shall be told beside it (partition, account, time) stands in SBATCH_PARTITION and the
# like, or in SBATCH_OPTIONS. Prints the two jobs' numbers.
set -eu
seeds=$1
shift
cd "$(dirname "$0")/../.."
mkdir -p runs/cluster
# The seeds one by one, of 0-32, 0-32:4, 1,5,7 or 0-32%8 (eight at a time).
listed=$(echo "${seeds%\%*}" | tr , '\n' | while IFS=-: read -r first last step; do
    seq "$first" "${step:-1}" "${last:-$first}"
done | tr '\n' ' ')
# shellcheck disable=SC2086  # several words are several options
array=$(sbatch --parsable ${SBATCH_OPTIONS:-} --array="$seeds" experiments/cluster/train.sbatch "$@")
# shellcheck disable=SC2086
table=$(sbatch --parsable ${SBATCH_OPTIONS:-} --dependency="afterok:$array" --kill-on-invalid-dep=yes \
    experiments/cluster/table.sbatch SEEDS="$listed" "$@")
echo "$array $table"
