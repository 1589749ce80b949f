# On a machine with a card, from the top of the repository, in at most SECONDS (780):
#
#     sh experiments/beyond/card.sh OUT [SECONDS [SEEDS]]
#
# Of each of SEEDS (4-7): nets of distorted images, and in adversarial training between neighbours,
# of the mixed gradient and plain, and the product of these six; then half.txt, as far as there is
# time. In the folder OUT: products.json, a folder of tables and files.csv for each, half.csv, and
# card.log.
out=$1
mkdir -p "$out"
end=$(($(date +%s) + ${2:-780}))
seeds=${3:-4-7}
export PYTHONPATH=.
runs=$(mktemp -d)

learn() { # NAME SECONDS TABLE OPTION ...
    name=$1 most=$2 table=$3 left=$((end - $(date +%s)))
    shift 3
    if [ "$most" -gt "$left" ]; then most=$left; fi
    if [ "$most" -lt 20 ]; then return; fi
    mkdir -p "$out/$name"
    timeout -s TERM -k 20 "$most" python3 -u -m hinton06 replicate --seeds "$seeds" --plain \
        --out "$runs/$name" "$@" 2>&1 | tail -1
    timeout 40 python3 experiments/replicas/files.py "$runs/$name" "$out/$name/files.csv"
    timeout 60 python3 -m hinton06 replicas "$runs/$name"/seed-* --table "$table" \
        --save "$out/$name" > "$out/$name/table.txt" 2>&1
}

{
    learn distorted 260 dropout --recipe dropout --set backprop.affine=1.5 --set backprop.elastic=1.5
    learn mixed 460 dropout --recipe neighbours --each hybrid
    learn neighbours 260 dropout --recipe neighbours
    for folder in "$runs"/neighbours/seed-*; do
        seed=$(basename "$folder")
        echo "\"$seed\":"
        python3 -m hinton06 combine --json --quiet "$folder"/bp-?-extended.h5 \
            "$runs/mixed/$seed"/hybrid-?-extended.h5
        echo ,
    done | sed '1s/^/{/; $s/,/}/' > "$out/products.json"
    left=$((end - $(date +%s) - 15))
    if [ "$left" -lt 1 ]; then left=1; fi
    timeout "$left" python3 experiments/search/half.py \
        experiments/beyond/half.txt "$out/half.csv"
    timeout 10 python3 experiments/search/many_table.py "$out/half.csv"
} > "$out/card.log" 2>&1
cut -c1-160 "$out/card.log"
