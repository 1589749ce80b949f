#   make bench        how near to the bare matrix products each learner is

.PHONY: bench
LACKS_bench := $(VALUES)

bench: .venv/installed-bench
	$(BIN)/python experiments/speed/bench.py --record experiments/speed

.venv/installed-bench: .venv/installed
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@
