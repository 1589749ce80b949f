# On a machine with a card, from the top of the repository, in less than nine minutes:
#
#     sh experiments/replicas/all.sh OUT [SECONDS [SEEDS [TOGETHER]]]
#
# One seed's Table 1, kernels compiled anew; then 33 seeds, half of them after the other half, as far
# as they come: all in so many seconds, tables included. Logs with times and tables in the folder OUT.
out=$1
mkdir -p "$out"
limit=${2:-520}
seeds=${3:-0-32}
export PYTHONPATH=.
runs=$(mktemp -d)
started=$(date +%s)
since() { echo $(($(date +%s) - started)); }

learn() { # LOG SECONDS FOLDER SEEDS ...
    log=$1 most=$2 folder=$3 chosen=$4
    shift 4
    began=$(since)
    timeout -s TERM -k 25 "$most" python3 -u -m hinton06 replicate --seeds "$chosen" --plain \
        --out "$folder" "$@" 2>&1 |
        while read -r line; do echo "$(($(since) - began)) s: $line"; done > "$log"
    took=$(($(since) - began))
    echo "seeds $chosen: $took s"
    echo "$chosen,$took" >> "$out/times.csv"
    tail -2 "$log" | cut -c1-200
    awk '$3 == "replicate" && $4 $5 != last { print; last = $4 $5 }' "$log" | cut -c1-90
}

echo seeds,seconds > "$out/times.csv"
TRITON_CACHE_DIR=$runs/compiled learn "$out/one.txt" 90 "$runs/one" 0
python3 experiments/replicas/files.py "$runs/one" "$runs/one.csv" && cat "$runs/one.csv" >> "$out/one.txt"
cut -d, -f2,4-12,14 "$runs/one.csv"

left=$((limit - $(since) - 45)) # for what is saved on the way, and for the tables
learn "$out/log.txt" "$left" "$runs/all" "$seeds" --together "${4:-51}"
python3 experiments/replicas/files.py "$runs/all" "$out/files.csv" &
python3 -m hinton06 replicas "$runs"/all/seed-* --save "$out" > "$runs/table.txt" 2>&1
wait
cut -c1-110 "$runs/table.txt" | tail -60
awk -F, '$3 == 1 { n++ } END { print n + 0, "finished files of", NR - 1 }' "$out/files.csv"
echo "all in $(since) s"
