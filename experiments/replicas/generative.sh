# On a machine with a card, from the top of the repository, in at most 150 seconds:
#
#     sh experiments/replicas/generative.sh OUT
#
# The generative half of three seeds, nine nets, by a shortened schedule; tests of its learners on the
# card; and how long updates take beside memory's limit. In the folder OUT: generative.txt with all
# that is said, generative.json with the updates, and generative-files.csv with a line a file.
out=$1
mkdir -p "$out"
export PYTHONPATH=.
runs=$(mktemp -d)
began=$(date +%s)
passed() { echo "$1: $(($(date +%s) - began)) s since the start"; }
{
    nvidia-smi --query-gpu=name,driver_version --format=csv,noheader
    timeout 35 python3 experiments/replicas/generative.py --nets 3,12 --repeats 5 \
        --out "$out/generative.json"
    passed "updates measured"
    # An epoch of wake-sleep and of the mixed gradient is one of the whole recipe: only fewer of them.
    timeout -s TERM -k 5 70 python3 -u -m hinton06 replicate --each hybrid --seeds 0-2 --plain \
        --set pretrain.passes=3 --set pretrain.early-epochs=1 --set wakesleep.epochs=4 \
        --out "$runs"
    passed "nets learned"
    timeout 15 python3 -m hinton06 generative "$runs/seed-0"
    timeout 10 python3 experiments/replicas/files.py "$runs" "$out/generative-files.csv"
    cut -d, -f1,2,3,5,9-14,15 "$out/generative-files.csv"
    passed "tabulated"
    OMP_NUM_THREADS=1 timeout 25 python3 -m pytest -q -n 8 -p no:cacheprovider --tb=short \
        -o filterwarnings=default tests/test_many_generative.py
    passed "tests"
} > "$out/generative.txt" 2>&1
cut -c1-160 "$out/generative.txt"
