# On a machine with a card, from the top of the repository, in about a minute:
#
#     sh experiments/replicas/first.sh OUT
#
# Tests, and how near to memory's limit the learners are: first.txt and speed.json in the folder OUT.
out=$1
mkdir -p "$out"
export PYTHONPATH=.
began=$(date +%s)
passed() { echo "$1: $(($(date +%s) - began)) s since the start" | tee -a "$out/first.txt"; }
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader > "$out/first.txt" 2>&1
# Kernels of all shapes are compiled meanwhile.
timeout 45 python3 experiments/replicas/measure.py --nets 1 --repeats 1 > /dev/null 2>&1 &
OMP_NUM_THREADS=1 timeout 45 python3 -m pytest -q -n 10 -p no:cacheprovider --tb=short -o filterwarnings=default \
    tests/test_replicate.py tests/test_lineage.py \
    tests/test_many_nets.py::test_kernels_move_weights_as_pytorch_does >> "$out/first.txt" 2>&1
wait
tail -25 "$out/first.txt" | cut -c1-200
passed "tests"
timeout 40 python3 experiments/replicas/measure.py --nets 3,51,99 --repeats 6 \
    --out "$out/speed.json" 2>&1 | tee -a "$out/first.txt"
passed "measured"
