# On a machine with a card, from the top of the repository, in at most SECONDS (600):
#
#     sh experiments/beyond/card.sh OUT [SECONDS]
#
# Translated images with dropout of four seeds, then as many lines of half.txt as there is time for.
# In the folder OUT: tables, translated.csv with a line a file, half.csv with a line a net, and logs.
out=$1
end=$(($(date +%s) + ${2:-600}))
export PYTHONPATH=.
runs=$(mktemp -d)
left() { echo $((end - $(date +%s) - 10)); }
timeout -s TERM 240 python3 -u -m hinton06 replicate --recipe dropout --each translated --seeds 0-3 \
    --plain --out "$runs" > "$out/translated.log" 2>&1
tail -1 "$out/translated.log"
timeout 30 python3 experiments/replicas/files.py "$runs" "$out/translated.csv"
timeout 30 python3 -m hinton06 replicas "$runs"/seed-* --table dropout --save "$out"
timeout "$(left)" python3 experiments/search/half.py experiments/beyond/half.txt "$out/half.csv" \
    > "$out/half.log" 2>&1
timeout 10 python3 experiments/search/many_table.py "$out/half.csv"
