# On a machine with a card, from the top of the repository, in less than nine minutes:
#
#     sh experiments/replicas/all.sh OUT [SEEDS [SECONDS]]
#
# Table 1 of 33 seeds, or as far as it comes in so many seconds: tables and a log in the folder OUT.
out=$1
seeds=${2:-0-32}
export PYTHONPATH=.
runs=$(mktemp -d)
began=$(date +%s)
timeout -s TERM "${3:-480}" python3 -m hinton06 replicate --seeds "$seeds" --plain --out "$runs" \
    2>&1 | while read -r line; do echo "$(($(date +%s) - began)) s: $line"; done > "$out/log.txt"
echo "learned for $(($(date +%s) - began)) s"
tail -2 "$out/log.txt" | cut -c1-200
python3 experiments/replicas/files.py "$runs" "$out/files.csv"
python3 -m hinton06 replicas "$runs"/seed-* --save "$out/replicas" | cut -c1-100
echo "all in $(($(date +%s) - began)) s"
