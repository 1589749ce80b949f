# On a machine with a card, from the top of the repository, in about three minutes:
#
#     sh experiments/replicas/first.sh OUT
#
# Tests, how near to memory's limit the learners are, and one seed's Table 1; all in the folder OUT.
out=$1
export PYTHONPATH=.
began=$(date +%s)
passed() { echo "$1: $(($(date +%s) - began)) s since the start"; }
nvidia-smi > "$out/card.txt" 2>&1
OMP_NUM_THREADS=1 timeout 75 python3 -m pytest -q -n 8 -p no:cacheprovider -o filterwarnings=default \
    tests/test_many_nets.py tests/test_replicate.py > "$out/tests.txt" 2>&1 &
# Kernels of all shapes and tiles, compiled side by side.
for layer in 1 2 3 0; do
    timeout 75 python3 experiments/replicas/measure.py --nets 1 --repeats 1 --only $layer \
        > "$out/compiled-$layer.txt" 2>&1 &
done
wait
tail -3 "$out"/compiled-*.txt | cut -c1-300 && rm "$out"/compiled-*.txt
passed "tests, kernels compiled"
tail -25 "$out/tests.txt" | cut -c1-200
timeout 45 python3 experiments/replicas/measure.py --nets 3,99 --repeats 20 --out "$out/speed.json" 2>&1 |
    tee "$out/speed.txt"
passed "measured"
cold=$(mktemp -d)
TRITON_CACHE_DIR=$cold timeout 80 python3 -m hinton06 replicate --seeds 0 --plain \
    --out "$cold/runs" > "$out/one.txt" 2>&1
echo "replicate: exit code $?"
passed "one seed"
grep -v "layer_epoch\|^$" "$out/one.txt" | grep -n "epoch 1,\|epoch 10[01],\|epoch 20[01],\|epoch 300,\|finished\|Error\|hinton06:" | cut -c1-160
tail -3 "$out/one.txt"
python3 experiments/replicas/files.py "$cold/runs" "$out/one.csv"
cut -d, -f2,4-12,14 "$out/one.csv"
passed "all"
