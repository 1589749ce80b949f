# On a machine with a card, from the top of the repository, in at most SECONDS (800):
#
#     sh experiments/replicas/alternatives.sh OUT [SECONDS [SEEDS [FIRST]]]
#
# Table 1 of SEEDS (0-32) by alternatives that validation could not tell from the recipe on four
# draws: from the FIRST of them (1) on, as many as there is time for. In OUT, a folder for each: the
# table over seeds, files.csv with a line a file, and log.txt.
out=$1
mkdir -p "$out"
end=$(($(date +%s) + ${2:-800}))
seeds=${3:-0-32}
first=${4:-1}
number=0
export PYTHONPATH=.
runs=$(mktemp -d)

learn() { # NAME OPTION ...
    name=$1
    number=$((number + 1))
    left=$((end - $(date +%s) - 60)) # for the tables
    shift
    if [ "$number" -lt "$first" ] || [ "$left" -lt 60 ]; then
        return
    fi
    mkdir -p "$out/$name"
    timeout -s TERM -k 25 "$left" python3 -u -m hinton06 replicate --seeds "$seeds" --plain \
        --out "$runs/$name" "$@" > "$out/$name/log.txt" 2>&1
    tail -1 "$out/$name/log.txt" | cut -c1-160
    python3 experiments/replicas/files.py "$runs/$name" "$out/$name/files.csv"
    python3 -m hinton06 replicas "$runs/$name"/seed-* --save "$out/$name" > "$out/$name/table.txt" 2>&1
    rm -rf "${runs:?}/$name"
}

learn rate --set backprop.rate=0.1
learn bias --set pretrain.hidden_bias=-2
learn lower-bias --set pretrain.hidden_bias=-4
python3 experiments/search/held_out.py shuffled "$runs/random"
learn random-splits --data "$runs/random"
learn passes --set pretrain.passes=200
