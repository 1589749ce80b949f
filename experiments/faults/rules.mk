#   make torture      kills every long command and damages every file, and counts what is lost

.PHONY: torture

torture: .venv/installed
	rm -rf runs/torture runs/fuzz
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/torture.py runs/torture --record experiments/faults
	OPENBLAS_NUM_THREADS=1 $(BIN)/python experiments/faults/fuzz.py runs/fuzz --record experiments/faults
